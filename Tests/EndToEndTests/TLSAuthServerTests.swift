import TestSupport
import Testing

/// `auth_http https://…`: the auth server asked by TLS, which nginx's mail proxy cannot.
@Suite(.ownWorkspace) struct TLSAuthServerTests {
    private static func auth(
        _ order: TLSOrder, keepsAlive: Bool = true, _ decide: @escaping StubAuthServer.Decide
    ) throws -> StubAuthServer {
        try StubAuthServer(StubAuthServer.Manner(keepsAlive: keepsAlive, tls: order), decide)
    }

    private static func order(_ name: Certificates.Name = .ecdsa) throws -> TLSOrder { .server(try Certificates.shared()[name]) }

    private static let verify = Showing.all[0]

    @Test(arguments: Speech.allCases) func `questions go through TLS, over one connection that is kept`(_ speech: Speech) throws {
        let upstream = try speech.upstream()
        let auth = try Self.auth(try Self.order()) { _ in .accept(.port(upstream.port)) }
        let proxy = try MailServer(speech, asking: auth, try Self.verify.directives("auth_http_ssl"))
        for _ in 0..<5 { try proxy.client().converse(speech.login() + speech.welcome) }
        #expect(auth.questions.map(\.connection) == [1, 1, 1, 1, 1])
        #expect(auth.questions[0].text.hasPrefix("GET /auth HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n"))
        #expect(auth.server.sessions[0].notes["TLS"].count == 1)
    }

    @Test func `server blocks that say the same share the kept connection`() throws {
        let upstream = try StubServer.imap()
        let auth = try Self.auth(try Self.order()) { _ in .accept(.port(upstream.port)) }
        let ports = [try Ports.free(), try Ports.free(), try Ports.free()]
        let blocks = zip(ports, ["", "", "auth_http_ssl_name mail.test;"]).map {
            "server { listen 127.0.0.1:\($0); protocol imap; \($1) }"
        }
        _ = try ServerUnderTest(mail: "auth_http \(auth.url); \(try Self.verify.directives("auth_http_ssl"))" + blocks.joined())
        for port in ports { try LineClient(port).converse(Speech.imap.login() + Speech.imap.welcome) }
        #expect(auth.questions.map(\.connection) == [1, 1, 2])
    }

    @Test func `many logins at once are all answered`() throws {
        let upstream = try StubServer.imap()
        let auth = try Self.auth(try Self.order()) { _ in .accept(.port(upstream.port)) }
        let proxy = try MailServer(.imap, asking: auth, try Self.verify.directives("auth_http_ssl"))
        let clients = try (0..<30).map { _ in try proxy.client() }
        for client in clients { try client.expect(Speech.imap.greeting) }
        for client in clients { try client.send("a LOGIN user secret\r\n") }
        for client in clients { try client.expect("a OK logged in") }
    }

    @Test(arguments: [TLSOrder.Version.tls12, .tls13])
    func `an auth server that keeps nothing is spoken to by the session of before`(_ version: TLSOrder.Version) throws {
        let upstream = try StubServer.imap()
        func connections(_ settings: String) throws -> [Bool] {
            let auth = try Self.auth(.server(try Certificates.shared()[.ecdsa], version), keepsAlive: false) { _ in
                .accept(.port(upstream.port))
            }
            let proxy = try MailServer(.imap, asking: auth, try Self.verify.directives("auth_http_ssl") + settings)
            for _ in 0..<3 { try proxy.client().converse(Speech.imap.login() + Speech.imap.welcome) }
            return auth.server.sessions.map { $0.notes["TLS"].joined().hasSuffix("resumed") }
        }
        #expect(try connections("") == [false, true, true])
        #expect(try connections("auth_http_ssl_session_reuse off;") == [false, false, false])
    }

    @Test(arguments: Showing.all)
    func `an auth server is asked where its certificate is good, and nowhere else`(_ showing: Showing) throws {
        let upstream = try StubServer.imap()
        let auth = try Self.auth(try Self.order(showing.certificate)) { _ in .accept(.port(upstream.port)) }
        let proxy = try MailServer(.imap, asking: auth, try showing.directives("auth_http_ssl"))
        let client = try proxy.client()
        guard let fault = showing.fault else { return try client.converse(Speech.imap.login() + Speech.imap.welcome) }
        try client.converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        let line = try proxy.server.awaitLog("auth http server 127.0.0.1:\(auth.server.port) " + fault)
        #expect(line.contains("[error]") && line.contains(" while in http auth state, "))
        #expect(auth.questions.isEmpty)
    }

    @Test func `the auth server is told the name in its URL, or the one that is set, unless it shall not`() throws {
        func name(_ host: String, _ settings: String) throws -> [String] {
            let auth = try Self.auth(try Self.order()) { _ in .refuse("no") }
            try MailServer(.imap, "auth_http https://\(host):\(auth.server.port); \(settings)").client()
                .converse(Speech.imap.login() + "S: a NO no\nS.")
            return try auth.server.session().notes["server name"]
        }
        #expect(try name("localhost", "") == ["localhost"])
        #expect(try name("localhost", "auth_http_ssl_name mail.test;") == ["mail.test"])
        #expect(try name("localhost", "auth_http_ssl_server_name off;") == [""])
        #expect(try name("127.0.0.1", "") == [""])
    }

    @Test func `an auth server may ask for our certificate`() throws {
        let certificates = try Certificates.shared()
        let order = TLSOrder.server(certificates[.ecdsa], clientAuthority: certificates.authority)
        let auth = try Self.auth(order) { _ in .refuse("no") }
        let own = "auth_http_ssl_certificate \(certificates[.client].path); auth_http_ssl_certificate_key \(certificates[.client].key);"
        try MailServer(.imap, asking: auth, own).client().converse(Speech.imap.login() + "S: a NO no\nS.")
        let proxy = try MailServer(.imap, asking: auth)
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        try proxy.server.awaitLog("certificate required")
    }

    @Test func `a socket in the file system may speak TLS`() throws {
        let path = try Workspace.here().file("auth.socket")
        let auth = try StubAuthServer(at: .path(path), StubAuthServer.Manner(tls: try Self.order())) { _ in .refuse("no") }
        try MailServer(.imap, asking: auth, "auth_http_ssl_name mail.test; " + (try Self.verify.directives("auth_http_ssl"))).client()
            .converse(Speech.imap.login() + "S: a NO no\nS.")
    }

    // MARK: Faults

    @Test(arguments: TLSUpstreamTests.misplaced)
    func `what is no handshake is an internal error`(_ case: (name: String, bytes: [UInt8])) throws {
        let server = try StubServer { session in
            _ = try session.some()
            try session.send(`case`.bytes)
        }
        let proxy = try MailServer(.imap, "auth_http https://127.0.0.1:\(server.port);")
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        let line = try proxy.server.awaitLog("auth http server 127.0.0.1:\(server.port) ")
        #expect(line.contains("SSL_do_handshake() failed (SSL: ") || line.contains("peer closed connection in SSL handshake"), "\(line)")
        #expect(line.contains("[error]"))
    }

    @Test(arguments: [[], [0x16, 3, 3, 0, 100, 2, 0, 0, 96, 3, 3]] as [[UInt8]])
    func `the time for an answer is also that for the handshake`(_ bytes: [UInt8]) throws {
        let server = try StubServer { session in
            try session.send(bytes)
            try session.hang()
        }
        let proxy = try MailServer(.imap, "auth_http https://127.0.0.1:\(server.port); auth_http_timeout 700ms;")
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        try proxy.server.awaitLog("auth http server 127.0.0.1:\(server.port) timed out (110: Connection timed out)")
        try server.session().awaitEnd()
    }

    @Test func `an auth server in the clear is not asked in the clear`() throws {
        let auth = try StubAuthServer { _ in .refuse("no") }
        let proxy = try MailServer(.imap, "auth_http https://127.0.0.1:\(auth.server.port);")
        let client = try proxy.client()
        try client.expect(Speech.imap.greeting)
        try client.send("a LOGIN user secret\r\n")
        let session = try auth.server.session()
        try session.awaitReceived(count: 100)
        #expect(!session.receivedText.contains("secret") && auth.questions.isEmpty)
    }

    @Test func `an answer cut short is none`() throws {
        let auth = try Self.auth(try Self.order()) { _ in .raw("HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: 1\r\n") }
        let proxy = try MailServer(.imap, asking: auth)
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        try proxy.server.awaitLog("auth http server 127.0.0.1:\(auth.server.port) prematurely closed connection")
    }

    @Test(arguments: [
        ("https://127.0.0.1:1;  auth_http_ssl_verify on;", "no auth_http_ssl_trusted_certificate for auth_http_ssl_verify"),
        ("https://127.0.0.1:1; auth_http_ssl_certificate /nowhere; auth_http_ssl_certificate_key /nowhere;", "cannot load certificate \"/nowhere\""),
        ("https://;", "no host in auth_http \"\""),
    ])
    func `what is missing stops the start`(_ settings: String, _ message: String) throws {
        let workspace = try Workspace.here()
        try workspace.write(
            ServerUnderTest.configuration(mail: "server { listen 127.0.0.1:\(try Ports.free()); protocol imap; auth_http \(settings) }"),
            to: "server.conf")
        let result = try run([ProgramUnderTest.path, "-t", "-p", workspace.path, "-c", "server.conf", "-e", "error.log"])
        #expect(result.status == .code(1))
        #expect(result.standardError.contains("[emerg]") && result.standardError.contains(message), "\(result.standardError)")
    }
}
