import Configuration
import Kernel
import TLS
import Telemetry
import TestSupport
import Testing

@testable import Protocols
@testable import Proxy

let mailSchema = Schema(
    groups: [ErrorLogSettings.self, ListenSettings.self, MailSettings.self, DialogueSettings.self]
        + mailProtocols.map { $0.settings } + [
            RouteSettings.self, AuthHTTPSettings.self, ProxySettings.self, TLSSettings.self, AccessSettings.self, LimitSettings.self,
            FailureSettings.self,
        ])

@Suite struct MailServerTests {
    /// The servers of a file whose `mail` block is this.
    @LoopActor private func servers(_ text: String) throws(ConfigurationError) -> [MailServer] {
        try MailServer.servers(of: try mailSchema.load("events {}\nmail {\n\(text)\n}\n"), resumption: TLSResumption()) { _ in ErrorLog([]) }
    }

    private func refusal(_ text: String) throws -> String {
        try onLoop {
            do throws(ConfigurationError) {
                _ = try servers(text)
                return "ok"
            } catch {
                return error.message
            }
        }
    }

    @Test(arguments: [
        ("listen 143;", "imap_auth plain cram-md5;", "imap_auth cram-md5"), ("listen 143;", "imap_auth external;", "imap_auth external"),
        ("listen 110;", "pop3_auth plain apop;", "pop3_auth apop"), ("listen 110;", "pop3_auth cram-md5;", "pop3_auth cram-md5"),
        ("listen 25;", "smtp_auth cram-md5;", "smtp_auth cram-md5"),
    ])
    func `what only an auth server can check conflicts with proxy_pass`(_ listen: String, _ auth: String, _ words: String) throws {
        let upstream = "server { \(listen) proxy_pass 127.0.0.1:1; \(auth) }"
        #expect(try refusal(upstream) == "\"\(words)\" needs an auth server and conflicts with \"proxy_pass\" in /etc/martlet/m.conf:3")
        #expect(try refusal("server { \(listen) auth_http 127.0.0.1:1; \(auth) }") == "ok")
    }

    @Test(arguments: ["listen 143; imap_auth plain login xoauth2 oauthbearer;", "listen 110; pop3_auth plain;", "listen 25; smtp_auth login none;"])
    func `what an upstream can check goes with proxy_pass`(_ text: String) throws {
        #expect(try refusal("server { \(text) proxy_pass 127.0.0.1:1; }") == "ok")
    }

    @Test(arguments: [
        ("auth_http 127.0.0.1:1;", true), ("proxy_pass 127.0.0.1:1;", false), ("auth_http 127.0.0.1:1; xclient off;", false),
        ("proxy_pass 127.0.0.1:1; xclient on;", true), ("auth_http 127.0.0.1:1; xclient on;", true),
    ])
    func `XCLIENT is sent where an auth server knows the upstream, unless the file says otherwise`(_ text: String, _ isSent: Bool) throws {
        try onLoop {
            let server = try servers("server { listen 25; \(text) }")[0]
            #expect(try #require(server.mailProtocol as? SMTP).policy.sendsXCLIENT == isSent)
        }
    }

    @Test(arguments: [("listen 143;", "imap"), ("listen 110;", "pop3"), ("listen 25;", "smtp"), ("listen 9000; protocol pop3;", "pop3")])
    func `a server speaks the protocol of its port, or the one it names`(_ text: String, _ name: String) throws {
        try onLoop {
            let server = try servers("server { \(text) auth_http 127.0.0.1:1; }")[0]
            #expect(type(of: server.mailProtocol).name == name)
        }
    }

    @Test func `a server without a name has the machine's`() throws {
        try onLoop {
            let both = try servers("server { listen 25; auth_http 127.0.0.1:1; } server { listen 26; protocol smtp; server_name mx.example; auth_http 127.0.0.1:1; }")
            let names = both.compactMap { ($0.mailProtocol as? SMTP)?.policy.serverName }
            #expect(names == [Array(NameLookup.hostName.utf8), Array("mx.example".utf8)])
        }
    }

    @Test func `an address that two servers listen on is refused at the second`() throws {
        let text = "server { listen 143; auth_http 127.0.0.1:1; }\nserver { listen 110; listen 143; auth_http 127.0.0.1:1; }"
        #expect(try refusal(text) == "duplicate \"0.0.0.0:143\" address and port pair in /etc/martlet/m.conf:4")
    }

    @Test func `each server gets the log that its block names`() throws {
        try onLoop {
            var opened: [[LogLevel]] = []
            let text = "events {}\nmail { error_log /a info; server { listen 143; auth_http 127.0.0.1:1; } server { listen 110; auth_http 127.0.0.1:1; error_log /b crit; error_log /c; } }"
            let configuration = try mailSchema.load(text)
            _ = try MailServer.servers(of: configuration, resumption: TLSResumption()) { (settings) throws(ConfigurationError) in
                opened.append(settings.targets.map(\.level))
                return ErrorLog([])
            }
            #expect(opened == [[.info], [.crit, .error]])
        }
    }

    @Test(arguments: [("192.0.2.7", true), ("192.0.3.7", false), ("2001:db8::1", true), ("2001:db9::1", false)])
    func `a client that debug_connection names has a log of its own`(_ client: String, _ isDebugged: Bool) throws {
        try onLoop {
            let schema = Schema(groups: mailSchema.groups + [EventsSettings.self])
            let text = "events { debug_connection 192.0.2.0/24; debug_connection 2001:db8::/32; } mail { server { listen 143; auth_http 127.0.0.1:1; } }"
            let server = try MailServer.servers(of: try schema.load(text), resumption: TLSResumption()) { _ in ErrorLog([]) }[0]
            let peer = try #require(SocketAddress(literal: client, port: 5))
            #expect((server.log(of: peer) !== server.log) == isDebugged)
        }
    }
}
