import Configuration
import TestSupport
import Testing

@testable import Protocols

@Suite struct SMTPSettingsTests {
    @Test func `without a word in the file, PLAIN and LOGIN are on, and there is no delay`() {
        let settings = SMTPSettings()
        #expect(settings.auth == ["plain", "login"])
        #expect(settings.capabilities.isEmpty)
        #expect(settings.clientBuffer == 4096)
        #expect(settings.greetingDelay == .zero)
    }

    @Test func `buffer and delay are what the file says`() {
        var settings = Settings()
        settings[SMTPSettings.self].clientBuffer = 8192
        settings[SMTPSettings.self].greetingDelay = .milliseconds(1500)
        let server = SMTP(settings, policy: DialoguePolicy(serverName: []))
        #expect(server.clientBufferSize == 8192)
        #expect(server.greetingDelay == .milliseconds(1500))
        #expect(SMTP(Settings(), policy: DialoguePolicy(serverName: [])).greetingDelay == nil)
    }

    @Test(arguments: [
        (["plain", "login", "none", "oauthbearer"], []),
        (["external", "cram-md5"], ["smtp_auth cram-md5", "smtp_auth external"]),
    ])
    func `mechanisms that only an auth server can answer are named by their words`(_ auth: [String], _ named: [String]) {
        #expect(SMTPClientDialogueTests.server(auth: auth).needsAuthServer == named)
    }

    @Test(arguments: [(["plain"], false), (["cram-md5"], true)])
    func `a challenge is used by those that digest it`(_ auth: [String], _ usesChallenge: Bool) {
        let server = SMTPClientDialogueTests.server(auth: auth)
        #expect(server.usesChallenge == usesChallenge)
        #expect(server.tellsClientHost)
    }

    private static let rows: [(String, [Word], @Sendable (SMTPSettings) -> Bool)] = [
        ("smtp_auth", ["None", "cram-md5"], { Set($0.auth) == ["none", "cram-md5"] }),
        ("smtp_auth", ["plain", "login", "external", "xoauth2", "oauthbearer"], { $0.auth.count == 5 }),
        ("smtp_capabilities", ["SIZE 10", "DSN"], { $0.capabilities == ["SIZE 10", "DSN"].map { Array($0.utf8) } }),
        ("smtp_client_buffer", ["8k"], { $0.clientBuffer == 8192 }),
        ("smtp_greeting_delay", ["1500ms"], { $0.greetingDelay == .milliseconds(1500) }),
    ]

    @Test(arguments: rows)
    func `a row sets what the file says`(_ name: String, _ words: [Word], _ isSet: @Sendable (SMTPSettings) -> Bool) throws {
        let row = try #require(SMTPSettings.directives.first { $0.name == name })
        #expect(row.blocks == [.mail, .server])
        var settings = SMTPSettings()
        #expect(!isSet(settings))
        try row.apply(&settings, call(name, words))
        #expect(isSet(settings))
        var inner = SMTPSettings()
        row.inherit(&inner, settings)
        #expect(isSet(inner))
    }

    @Test(arguments: [
        ("smtp_auth", "apop"), ("smtp_client_buffer", "big"), ("smtp_greeting_delay", "soon"),
    ] as [(String, Word)])
    func `a word that the directive does not know is a fault`(_ name: String, _ word: Word) throws {
        let row = try #require(SMTPSettings.directives.first { $0.name == name })
        var settings = SMTPSettings()
        #expect(throws: DirectiveFault.self) { try row.apply(&settings, call(name, [word])) }
    }

    private func call(_ name: String, _ words: [Word]) -> DirectiveCall {
        DirectiveCall(
            name: name, words: words, block: .mail, position: .commandLine,
            paths: ConfigurationPaths(prefix: "/", directory: "/"), warn: { _ in })
    }
}
