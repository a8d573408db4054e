import TestSupport
import Testing

/// HAProxy, then the server under test, then Dovecot and Postfix: each sees the client's own address.
@Suite(.realMailServers, .ownWorkspace, .serialized) struct ClientChainTests {
    /// How upstreams are told of the client.
    enum Telling: CaseIterable, Sendable {
        /// By `ID` and `XCLIENT`.
        case protocols
        case header1, header2
    }

    @Test(arguments: Telling.allCases, KnownClient.allCases)
    func `the client's address is right in every log`(_ telling: Telling, _ client: KnownClient) throws {
        let real = try RealMailServers.here()
        let isHeader = telling != .protocols
        let auth = try StubAuthServer { question in
            switch (question["Auth-Protocol"], question["Auth-Method"]) {
            case ("imap", _): .accept(.port(isHeader ? real.proxiedIMAP : real.imap))
            case ("pop3", _): .accept(.port(isHeader ? real.proxiedPOP3 : real.pop3))
            default: .accept(.port(isHeader ? real.proxiedSMTP : real.smtp))
            }
        }
        let settings = switch telling {
            case .protocols: "proxy_client_id on; xclient on;"
            case .header1: "proxy_protocol on; xclient off; proxy_smtp_auth on;"
            case .header2: "proxy_protocol v2; xclient off; proxy_smtp_auth on;"
        }
        let ports = try Speech.allCases.map { _ in try Ports.free() }
        let fronts = try Speech.allCases.map { _ in try Ports.free() }
        let blocks = zip(Speech.allCases, ports).map { "server { listen 127.0.0.1:\($1) proxy_protocol; protocol \($0); auth_http \(auth.url); }\n" }
        let server = try ServerUnderTest(
            mail: "set_real_ip_from \(HAProxy.address); \(settings)\n" + blocks.joined(), until: .connects)
        _ = try HAProxy(zip(fronts, ports).map { .init($0, before: $1, "send-proxy-v2") })
        let (user, password) = (RealMailServers.user, RealMailServers.password)

        let imap = try client.connect(to: fronts[0])
        try imap.converse("S: * OK IMAP4 ready\nC: a ID (\"name\" \"chain-test\")\nS: * ID NIL\nS: a OK completed\nC: b LOGIN \(user) \(password)")
        while let line = try imap.line(), !line.hasPrefix("b OK") { try #require(!line.hasPrefix("b ")) }
        let pop3 = try client.connect(to: fronts[1])
        try pop3.converse("S: +OK POP3 ready\nC: USER \(user)\nS: +OK\nC: PASS \(password)\nS: +OK…")
        let smtp = try client.connect(to: fronts[2])
        try smtp.converse("""
            S: 220 mx.test ESMTP ready
            C: EHLO client.test
            S: 250-mx.test
            S: 250 AUTH PLAIN LOGIN
            C: AUTH PLAIN \("\0\(user)\0\(password)".base64)
            S: 235 2.0.0 OK
            C: MAIL FROM:<a@example.org>
            S: 250 2.1.0 Ok
            C: RCPT TO:<\(user)>
            S: 250 2.1.5 Ok
            C: RSET
            S: 250 2.0.0 Ok
            """)

        for number in 0..<3 { #expect(try auth.question(number)["Client-IP"] == client.address) }
        for port in ports {
            let line = try server.awaitLog("client logged in, client: \(client.address), server: 127.0.0.1:\(port)")
            #expect(line.contains("[info]"))
        }
        try real.awaitLog("dovecot", "imap-login", "Login: user=<\(user)>", "rip=\(client.address),")
        try real.awaitLog("dovecot", "pop3-login", "Login: user=<\(user)>", "rip=\(client.address),")
        // What the client says of itself goes along.
        if !isHeader { try real.awaitLog("dovecot", "ID sent: x-originating-ip=\(client.address)", "name=chain-test", "rip=\(client.address),") }
        let line = try real.awaitLog("postfix", "client=", "[\(client.address)]", "sasl_username=\(user)")
        #expect(!line.contains("127.0.0.1") && !line.contains(HAProxy.address))
    }
}
