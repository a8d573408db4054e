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
}
