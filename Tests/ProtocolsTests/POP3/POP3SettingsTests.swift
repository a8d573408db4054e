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
}
