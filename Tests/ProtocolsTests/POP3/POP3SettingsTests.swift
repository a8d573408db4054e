import Configuration
import TestSupport
import Testing

@testable import Protocols

@Suite struct POP3SettingsTests {
    @Test func `without a word in the file, PLAIN is on and the usual capabilities are shown`() {
        let settings = POP3Settings()
        #expect(settings.auth == ["plain"])
        #expect(settings.capabilities == ["TOP", "USER", "UIDL"].map { Array($0.utf8) })
    }

    @Test(arguments: [
        (["plain"], []), (["apop"], ["pop3_auth apop"]),
        (["plain", "external", "cram-md5", "apop", "xoauth2"], ["pop3_auth apop", "pop3_auth cram-md5", "pop3_auth external"]),
    ])
    func `mechanisms that only an auth server can answer are named by their words`(_ auth: [String], _ named: [String]) {
        #expect(POP3ClientDialogueTests.server(auth: auth).needsAuthServer == named)
    }

    @Test(arguments: [(["plain"], false), (["apop"], true), (["cram-md5"], true), (["external"], false)])
    func `a challenge is used by those that digest it`(_ auth: [String], _ usesChallenge: Bool) {
        #expect(POP3ClientDialogueTests.server(auth: auth).usesChallenge == usesChallenge)
    }

    @Test func `the rest of what a session asks is the same for every server`() {
        let server = POP3ClientDialogueTests.server()
        #expect(server.clientBufferSize == 4096)
        #expect(server.greetingDelay == nil)
        #expect(!server.tellsClientHost)
    }

    private static let rows: [(String, [Word], @Sendable (POP3Settings) -> Bool)] = [
        ("pop3_auth", ["APOP", "xoauth2"], { Set($0.auth) == ["apop", "xoauth2"] }),
        ("pop3_auth", ["plain", "cram-md5", "external", "oauthbearer"], { $0.auth.count == 4 }),
        ("pop3_capabilities", ["TOP", "EXPIRE 60"], { $0.capabilities == ["TOP", "EXPIRE 60"].map { Array($0.utf8) } }),
    ]

    @Test(arguments: rows)
    func `a row sets what the file says`(_ name: String, _ words: [Word], _ isSet: @Sendable (POP3Settings) -> Bool) throws {
        let row = try #require(POP3Settings.directives.first { $0.name == name })
        #expect(row.blocks == [.mail, .server])
        var settings = POP3Settings()
        #expect(!isSet(settings))
        try row.apply(&settings, call(name, words))
        #expect(isSet(settings))
        var inner = POP3Settings()
        row.inherit(&inner, settings)
        #expect(isSet(inner))
    }

    @Test(arguments: [("pop3_auth", "login"), ("pop3_auth", "none"), ("pop3_auth", "")] as [(String, Word)])
    func `a word that the directive does not know is a fault`(_ name: String, _ word: Word) throws {
        let row = try #require(POP3Settings.directives.first { $0.name == name })
        var settings = POP3Settings()
        #expect(throws: DirectiveFault.self) { try row.apply(&settings, call(name, [word])) }
    }

    private func call(_ name: String, _ words: [Word]) -> DirectiveCall {
        DirectiveCall(
            name: name, words: words, block: .mail, position: .commandLine,
            paths: ConfigurationPaths(prefix: "/", directory: "/"), warn: { _ in })
    }
}
