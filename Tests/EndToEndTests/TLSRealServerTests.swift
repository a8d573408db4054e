import Foundation
import TestSupport
import Testing

/// The server under test in front of Dovecot and Postfix, with TLS on that side and none on the client's.
private struct RealTLSProxy {
    let imap: UInt16
    let pop3: UInt16
    /// With a login, and without one.
    let submission: UInt16
    let smtp: UInt16
    let server: ServerUnderTest

    init(_ way: UpstreamWay) throws {
        let real = try RealMailServers.here()
        (imap, pop3, submission, smtp) = (try Ports.free(), try Ports.free(), try Ports.free(), try Ports.free())
        let certificates = try Certificates.shared()
        let auth = try StubAuthServer { _ in .accept(.port(way == .on ? real.smtps : real.smtp)) }
        func route(_ plain: UInt16, _ implicit: UInt16) -> String {
            "proxy_pass 127.0.0.1:\(way == .on ? implicit : plain); proxy_ssl \(way);"
        }
        server = try ServerUnderTest(mail: """
            proxy_ssl_verify on; proxy_ssl_trusted_certificate \(certificates.authority);
            server { listen 127.0.0.1:\(imap); protocol imap; \(route(real.imap, real.imaps)) }
            server { listen 127.0.0.1:\(pop3); protocol pop3; \(route(real.pop3, real.pop3s)) }
            server { listen 127.0.0.1:\(submission); protocol smtp; proxy_pass 127.0.0.1:\(real.submission); proxy_ssl starttls; }
            server { listen 127.0.0.1:\(smtp); protocol smtp; smtp_auth none; auth_http \(auth.url); proxy_ssl \(way); }
            """)
    }

    /// Runs a command that must succeed.
    @discardableResult
    func command(_ words: String..., file: String = #fileID, line: Int = #line) throws -> String {
        try succeed(words, file: file, line: line)
    }

    var login: String { "\(RealMailServers.user):\(RealMailServers.password)" }
}

/// Real mail servers are spoken to by TLS, from the first byte and after STARTTLS.
@Suite(.realMailServers, .ownWorkspace, .serialized) struct TLSRealServerTests {
    @Test(arguments: UpstreamWay.allCases) func `curl appends by IMAP and fetches byte for byte`(_ way: UpstreamWay) throws {
        let proxy = try RealTLSProxy(way)
        let text = "Subject: big\r\n\r\n" + String(repeating: "a line that is to arrive as it is\r\n", count: 100_000)
        let path = try Workspace.here().write(text, to: "big.eml")
        let url = "imap://127.0.0.1:\(proxy.imap)"
        try proxy.command("curl", "-sS", "-u", proxy.login, url, "-X", "CREATE tls-\(way)")
        try proxy.command("curl", "-sS", "-u", proxy.login, "\(url)/tls-\(way)", "-T", path)
        let fetched = try Workspace.here().file("fetched.eml")
        try proxy.command("curl", "-sS", "-u", proxy.login, "\(url)/tls-\(way);MAILINDEX=1", "-o", fetched)
        try proxy.command("cmp", path, fetched)
    }

    @Test(arguments: UpstreamWay.allCases) func `curl lists the messages by POP3, and a wrong password is refused`(_ way: UpstreamWay) throws {
        let proxy = try RealTLSProxy(way)
        let url = "pop3://127.0.0.1:\(proxy.pop3)/"
        try proxy.command("curl", "-sS", "-u", proxy.login, url)
        #expect(try !run(["curl", "-sS", "-u", "\(RealMailServers.user):wrong", url]).succeeded)
        #expect(!proxy.server.log.contains("[error]"))
    }

    @Test(arguments: ["PLAIN", "LOGIN"]) func `swaks submits with a login that goes to Postfix after STARTTLS`(_ mechanism: String) throws {
        let proxy = try RealTLSProxy(.starttls)
        try proxy.command(
            "swaks", "--server", "127.0.0.1:\(proxy.submission)", "--auth", mechanism, "--auth-user", RealMailServers.user,
            "--auth-password", RealMailServers.password, "--from", "a@example.org", "--to", RealMailServers.user, "--body", "hello")
    }

    @Test(arguments: UpstreamWay.allCases) func `swaks sends without a login, and Postfix is told the client's address by TLS`(_ way: UpstreamWay) throws {
        let proxy = try RealTLSProxy(way)
        try proxy.command(
            "swaks", "--server", "127.0.0.1:\(proxy.smtp)", "--helo", "client.test", "--from", "a@example.org",
            "--to", RealMailServers.user, "--body", "hello")
    }

    @Test(arguments: UpstreamWay.allCases) func `logins that follow each other, by sessions that Dovecot may know, succeed`(_ way: UpstreamWay) throws {
        let proxy = try RealTLSProxy(way)
        for _ in 0..<5 { try proxy.command("curl", "-sS", "-u", proxy.login, "imap://127.0.0.1:\(proxy.imap)/") }
        #expect(proxy.server.log.components(separatedBy: "client logged in").count == 6)
    }
}
