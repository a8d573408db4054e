import Glibc
import TestSupport
import Testing

/// Who is let in, and how often.
@Suite(.ownWorkspace) struct AccessTests {
    // MARK: Rules

    private static let farewells: [Speech: String] = [
        .imap: "* BYE Access denied", .pop3: "-ERR Access denied", .smtp: "554 5.7.1 mx.test Access denied",
    ]

    @Test(arguments: Speech.allCases)
    func `who may not come in hears so, and the log says why`(_ speech: Speech) throws {
        let proxy = try MailServer(speech, "auth_http 127.0.0.1:1; allow 127.0.0.2; deny all;", until: .connects)
        try proxy.client().converse("S: \(try #require(Self.farewells[speech]))\nS.")
        try proxy.client(from: 2).expect(speech.greeting)
        let line = "access forbidden by rule while sending client greeting line, client: 127.0.0.1, server: 127.0.0.1:\(proxy.port)"
        #expect(try proxy.server.awaitLog(line).contains("[error]"))
    }

    @Test func `who may not come in costs no handshake`() throws {
        let proxy = try MailServer(
            .imap, "auth_http 127.0.0.1:1; listen 127.0.0.1:\(try Ports.free()) ssl; \(try Certificates.shared()[.ecdsa].directives) deny all;", until: .connects)
        let port = try #require(proxy.server.contents("server.conf").firstMatch(of: #/listen 127.0.0.1:(\d+) ssl/#).flatMap { UInt16($0.1) })
        try LineClient(port).expectEnd()
        try proxy.server.awaitLog("access forbidden by rule while sending client greeting line, client: 127.0.0.1, server: 127.0.0.1:\(port)")
    }

    @Test func `a reload changes who may come in`() throws {
        let proxy = try MailServer(.imap, "auth_http 127.0.0.1:1;")
        let client = try proxy.client()
        try client.expect("* OK IMAP4 ready")
        let old = proxy.server.workers
        try proxy.server.rewrite(proxy.server.contents("server.conf").replacing("auth_http", with: "deny 127.0.0.0/8; auth_http"))
        proxy.server.signal(SIGHUP)
        try proxy.server.awaitLog("gracefully shutting down")
        try proxy.client().expect("* BYE Access denied")
        // Who is in stays.
        try client.converse("C: a NOOP\nS: a OK completed")
        withExtendedLifetime(old) {}
    }
}
