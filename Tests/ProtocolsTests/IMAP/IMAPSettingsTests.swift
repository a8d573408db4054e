import Configuration
import Protocols
import Testing

@Suite struct IMAPSettingsTests {
    private struct OneFile: ConfigurationFiles {
        let text: String

        func read(_ path: String) throws(ConfigurationFileFault) -> [UInt8] { Array(text.utf8) }
        func paths(matching pattern: String) throws(ConfigurationFileFault) -> [String] { [] }
    }

    /// The settings of the first server block of a file with this in `mail`.
    private func settings(_ mail: String) throws -> IMAPSettings {
        let loader = Loader(schema: Schema(groups: [IMAPSettings.self]), files: OneFile(text: "events {} mail { \(mail) }"))
        let loaded = try loader.load(path: "/martlet.conf", prefix: "/")
        return try #require(loaded.servers.first).settings[IMAPSettings.self]
    }

    @Test func `without a word in the file, nginx's defaults hold`() throws {
        let settings = try settings("server { }")
        #expect(settings.auth == ["plain"])
        #expect(settings.capabilities == ["IMAP4", "IMAP4rev1", "UIDPLUS"].map { Array($0.utf8) })
        #expect(settings.clientBuffer == 4096)
    }

    @Test func `a server block says it all, in any case of words`() throws {
        let settings = try settings(
            "server { imap_auth OAUTHBEARER xoauth2 external cram-md5 login plain; imap_capabilities b a; imap_client_buffer 8k; }")
        #expect(settings.auth == ["plain", "login", "cram-md5", "external", "xoauth2", "oauthbearer"])
        #expect(settings.capabilities == ["b", "a"].map { Array($0.utf8) })
        #expect(settings.clientBuffer == 8192)
    }

    @Test func `a server block inherits what it does not say`() throws {
        let settings = try settings("imap_auth external; imap_client_buffer 1k; server { imap_auth login; }")
        #expect(settings.auth == ["login"])
        #expect(settings.clientBuffer == 1024)
    }

    @Test(arguments: [
        "imap_auth apop;", "imap_auth none;", "imap_auth;", "imap_client_buffer x;", "imap_client_buffer 1k 2k;",
        "imap_client_buffer 1k; imap_client_buffer 2k;", "imap_capabilities;",
    ])
    func `what nginx refuses is refused`(_ directive: String) {
        #expect(throws: ConfigurationError.self) { try settings("server { \(directive) }") }
    }
}
