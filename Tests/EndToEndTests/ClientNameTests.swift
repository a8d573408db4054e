import Foundation
import TestSupport
import Testing

/// Who an SMTP client is by name: what the auth server and the upstream are told (`mail-extras.md`, section 3).
@Suite(.ownWorkspace) struct ClientNameTests {
    private static let reversed = "1.0.0.127.in-addr.arpa"

    /// A server that calls its clients `mx.example`, once it has told that.
    private static func nameServer(_ answer: @escaping @Sendable (NameQuestion) -> NameAnswer? = { _ in nil }) throws -> StubNameServer {
        try StubNameServer {
            answer($0) ?? ($0.type == "PTR" ? .records([.pointer("mx.example")]) : .records([.address("127.0.0.1")]))
        }
    }

    private static func logIn(_ settings: String) throws -> (host: String?, commands: [String], proxy: MailServer) {
        let upstream = try StubServer.smtp()
        let auth = try StubAuthServer(accepting: upstream)
        let proxy = try MailServer(.smtp, asking: auth, settings)
        try proxy.client().converse(Speech.smtp.login() + Speech.smtp.welcome)
        return (try auth.question()["Client-Host"], try upstream.session().notes["command"], proxy)
    }

    @Test func `the auth server and the upstream are told the client's name`() throws {
        let names = try Self.nameServer()
        let (host, commands, _) = try Self.logIn("resolver \(names.address);")
        #expect(host == "mx.example")
        #expect(commands.contains("XCLIENT ADDR=127.0.0.1 LOGIN=user NAME=mx.example"))
        #expect(names.asks == ["PTR \(Self.reversed)", "A mx.example"])
    }

    @Test func `a real name server tells it too`() throws {
        let names = try Dnsmasq(["--host-record=mx.example,127.0.0.1,::1"])
        #expect(try Self.logIn("resolver 127.0.0.1:\(names.port);").host == "mx.example")
        let others = try Dnsmasq(["--ptr-record=\(Self.reversed),mx.example", "--host-record=mx.example,127.0.0.9"])
        #expect(try Self.logIn("resolver 127.0.0.1:\(others.port);").host == "[UNAVAILABLE]")
    }

    @Test(arguments: [
        ("resolver off;", "[UNAVAILABLE]", ""), ("resolver NAMES; resolver_timeout 100ms;", "[TEMPUNAVAIL]", "127.0.0.1 could not be resolved (110: Operation timed out) while in resolving client address, client: 127.0.0.1"),
    ])
    func `without an answer there is no name`(_ settings: String, _ host: String, _ record: String) throws {
        let names = try Self.nameServer { _ in .silence }
        let (told, _, proxy) = try Self.logIn(settings.replacing("NAMES", with: names.address))
        #expect(told == host)
        if !record.isEmpty { try proxy.server.awaitLog(record) }
    }

    @Test func `a server's own resolver off cancels what it would inherit`() throws {
        let names = try Self.nameServer()
        let upstream = try StubServer.smtp()
        let auth = try StubAuthServer(accepting: upstream)
        let (first, second) = (try Ports.free(), try Ports.free())
        _ = try ServerUnderTest(
            mail: """
                resolver \(names.address);
                auth_http \(auth.url);
                server { listen 127.0.0.1:\(first); protocol smtp; }
                server { listen 127.0.0.1:\(second); protocol smtp; resolver off; }
                """)
        for port in [first, second] { try LineClient(port).converse(Speech.smtp.login() + Speech.smtp.welcome) }
        #expect(auth.questions.map { $0["Client-Host"] } == ["mx.example", "[UNAVAILABLE]"])
    }

    @Test func `a client that goes while its name is looked for keeps no place`() throws {
        let names = try Self.nameServer { _ in .silence }
        let port = try Ports.free()
        _ = try ServerUnderTest(
            mail: """
                auth_http 127.0.0.1:1; limit_conn_zone $remote_addr zone=addresses:1m;
                resolver \(names.address); resolver_timeout 1h;
                server { listen 127.0.0.1:\(port); protocol smtp; limit_conn addresses 1; }
                """)
        func connect() throws -> LineClient { try LineClient(.port(port), from: .loopback(5, 0)) }
        let first = try connect()
        try first.converse(Speech.smtp.login())
        try connect().expect("421 …")
        first.finishSending()
        try first.expectEnd()
        try connect().expect(Speech.smtp.greeting)
    }

    @Test func `a client that has said all it has to say, and waits for the answers, gets them`() throws {
        let names = try Self.nameServer { _ in .silence }
        let proxy = try MailServer(
            .smtp, accepting: try StubServer.smtp(), "smtp_auth none; resolver \(names.address); resolver_timeout 300ms;")
        try proxy.client().converse("""
            S: 220 mx.test ESMTP ready
            C: MAIL FROM:<a@b>
            C: RCPT TO:<c@d>
            C: QUIT
            C.
            S: 250 2.0.0 OK
            S: 250 2.1.5 recipient
            """)
    }

    /// The name server says nothing until it is told to.
    @Test func `a slow name server delays no greeting, and nobody else's login`() throws {
        let notes = Notes()
        let names = try Self.nameServer { question in
            if question.type == "PTR" { while notes["answer"].isEmpty { usleep(2000) } }
            return nil
        }
        let upstream = try StubServer.smtp()
        let imap = try StubServer.imap()
        let auth = try StubAuthServer { .accept($0["Auth-Protocol"] == "smtp" ? upstream.address : imap.address) }
        let (first, second) = (try Ports.free(), try Ports.free())
        _ = try ServerUnderTest(
            mail: """
                resolver \(names.address);
                auth_http \(auth.url);
                server { listen 127.0.0.1:\(first); protocol smtp; }
                server { listen 127.0.0.1:\(second); protocol imap; }
                """)
        let client = try LineClient(first)
        try client.converse(Speech.smtp.login())
        try LineClient(second).converse(Speech.imap.login() + Speech.imap.welcome)
        #expect(auth.questions.map { $0["Auth-Protocol"] } == ["imap"])
        notes.add("now", to: "answer")
        try client.converse(Speech.smtp.welcome)
        #expect(try auth.question(1)["Client-Host"] == "mx.example")
    }
}
