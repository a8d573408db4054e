import TestSupport
import Testing

/// Proxies that speak mail protocols say who their client is: one Martlet behind another, and behind Dovecot's.
@Suite(.ownWorkspace) struct ClientIdentityTests {
    /// A server, and one in front of it that tells of its clients, which come from 127.0.0.5.
    private struct Chain {
        let auth: StubAuthServer
        let upstream: StubServer
        let back, front: MailServer

        init(_ speech: Speech, back backSettings: String, front frontSettings: String) throws {
            upstream = try speech.upstream()
            auth = try StubAuthServer(accepting: upstream)
            back = try MailServer(speech, "auth_http \(auth.url); \(backSettings)", until: .connects)
            front = try Self.server(speech, before: back, frontSettings)
        }

        /// One whose upstream is another.
        static func server(_ speech: Speech, before other: MailServer, _ settings: String) throws -> MailServer {
            let port = other.port
            return try MailServer(speech, asking: try StubAuthServer { _ in .accept(.port(port)) }, settings)
        }

        func client() throws -> LineClient { try KnownClient.ipv4.connect(to: front.port) }
    }

    private static let front = "proxy_client_id on; proxy_smtp_auth on; xclient on;"

    @Test(arguments: Speech.allCases)
    func `one server behind another sees the client that the first one sees`(_ speech: Speech) throws {
        let chain = try Chain(speech, back: "set_real_ip_from 127.0.0.1;", front: Self.front)
        let client = try chain.client()
        try client.converse(speech.login() + speech.welcome)
        #expect(try chain.auth.question()["Client-IP"] == "127.0.0.5")
        #expect(try chain.back.server.awaitLog("client logged in").contains("client: 127.0.0.5, server:"))
    }

    @Test(arguments: [Speech.imap, .pop3])
    func `a server that does not trust the one in front sees that one, and lets its clients in`(_ speech: Speech) throws {
        let chain = try Chain(speech, back: "set_real_ip_from 127.0.0.2;", front: Self.front)
        try chain.client().converse(speech.login() + speech.welcome)
        #expect(try chain.auth.question()["Client-IP"] == "127.0.0.1")
    }

    @Test(arguments: Speech.allCases)
    func `a chain of three says the same`(_ speech: Speech) throws {
        let chain = try Chain(speech, back: "set_real_ip_from 127.0.0.1;", front: Self.front + "set_real_ip_from 127.0.0.1;")
        let first = try Chain.server(speech, before: chain.front, Self.front)
        try first.client(from: 6).converse(speech.login() + speech.welcome)
        #expect(try chain.auth.question()["Client-IP"] == "127.0.0.6")
    }

    @Test func `XCLIENT brings a login along, which the auth server is asked about and which goes on`() throws {
        let chain = try Chain(.smtp, back: "set_real_ip_from 127.0.0.1;", front: "")
        let client = try chain.client()
        try client.converse("""
            S: 220 mx.test ESMTP ready
            C: EHLO client.test
            S: 250-mx.test
            S: 250 AUTH PLAIN LOGIN
            C: AUTH PLAIN \("\0joe\0secret".base64)
            S: 235 2.0.0 OK
            C: MAIL FROM:<a@b>
            S: 250 2.0.0 OK
            C: RCPT TO:<c@d>
            S: 250 2.1.5 recipient
            """)
        let question = try chain.auth.question()
        #expect(question["Auth-Method"] == "none" && question["Auth-User"] == "joe" && question["Client-IP"] == "127.0.0.5")
        #expect(question["Auth-SMTP-Helo"] == "client.test" && question["Client-Host"] == "[UNAVAILABLE]")
        #expect(try chain.upstream.session().notes["command"].contains("XCLIENT ADDR=127.0.0.5 LOGIN=joe NAME=[UNAVAILABLE]"))
    }

    @Test func `a host name and a destination that a proxy has told go on`() throws {
        let chain = try Chain(.smtp, back: "set_real_ip_from 127.0.0.1; smtp_auth none; proxy_protocol off;", front: "")
        let client = try chain.back.client()
        try client.converse("""
            S: 220 mx.test ESMTP ready
            C: XCLIENT ADDR=IPV6:2001:db8::1 NAME=client.example PORT=40000 DESTADDR=192.0.2.2 DESTPORT=25
            S: 220 mx.test ESMTP ready
            C: HELO client
            S: 250 mx.test
            C: MAIL FROM:<>
            S: 250 2.0.0 OK
            C: RCPT TO:<a>
            S: 250 2.1.5 recipient
            """)
        let question = try chain.auth.question()
        #expect(question["Client-IP"] == "2001:db8::1" && question["Client-Host"] == "client.example")
        #expect(try chain.upstream.session().notes["command"].contains("XCLIENT ADDR=IPV6:2001:db8::1 NAME=client.example"))
    }

    /// Whoever has logged in at the front speaks with the back through its relay.
    @Test func `a client behind a proxy cannot take its place by STARTTLS`() throws {
        let certificate = try Certificates.shared()[.ecdsa]
        let chain = try Chain(.smtp, back: "set_real_ip_from 127.0.0.1; starttls on; \(certificate.directives)", front: "")
        let client = try chain.client()
        try client.converse("""
            S: 220 mx.test ESMTP ready
            C: AUTH PLAIN \("\0joe\0secret".base64)
            S: 235 2.0.0 OK
            C: STARTTLS
            S: 500 5.5.1 Invalid command
            C: XCLIENT ADDR=192.0.2.9 LOGIN=admin
            S: 500 5.5.1 Invalid command
            C: MAIL FROM:<a@b>
            S: 250 2.0.0 OK
            C: RCPT TO:<c@d>
            S: 250 2.1.5 recipient
            """)
        let question = try chain.auth.question()
        #expect(question["Auth-User"] == "joe" && question["Client-IP"] == "127.0.0.5")
    }

    @Test(arguments: [Speech.imap, .pop3])
    func `what is claimed before STARTTLS is forgotten`(_ speech: Speech) throws {
        let certificate = try Certificates.shared()[.ecdsa]
        let chain = try Chain(speech, back: "set_real_ip_from 127.0.0.1; starttls on; \(certificate.directives)", front: "")
        let client = try chain.back.client()
        switch speech {
        case .imap: try client.converse("S: * OK …\nC: a ID (\"x-originating-ip\" \"192.0.2.1\")\nS: * ID NIL\nS: a OK completed")
        case .pop3: try client.converse("S: +OK [XCLIENT] POP3 ready\nC: XCLIENT ADDR=192.0.2.1\nS: +OK Updated")
        case .smtp: break
        }
        try client.converse("C: \(speech.startTLS.command)\nS: \(speech.startTLS.reply)")
        try client.startTLS()
        try client.converse(speech.loginAfterGreeting() + speech.welcome)
        #expect(try chain.auth.question()["Client-IP"] == "127.0.0.1")
        #expect(try chain.back.server.awaitLog("client logged in").contains("client: 127.0.0.1 using starttls"))
    }

    @Test(arguments: Speech.allCases)
    func `a client that a proxy names is let in, or not, as if it had come by itself`(_ speech: Speech) throws {
        let chain = try Chain(speech, back: "set_real_ip_from 127.0.0.1; deny 192.0.2.1; allow all;", front: "")
        func claim(_ address: String) -> String {
            switch speech {
            case .imap: "S: * OK …\nC: a ID (\"x-originating-ip\" \"\(address)\")\n"
            case .pop3: "S: +OK [XCLIENT] POP3 ready\nC: XCLIENT ADDR=\(address)\n"
            case .smtp: "S: 220 …\nC: XCLIENT ADDR=\(address)\n"
            }
        }
        let farewell = switch speech { case .imap: "* BYE Access denied"; case .pop3: "-ERR Access denied"; case .smtp: "554 5.7.1 mx.test Access denied" }
        try chain.back.client().converse(claim("192.0.2.1") + "S: \(farewell)\nS.")
        let line = try chain.back.server.awaitLog("access forbidden by rule")
        #expect(line.contains("client: 192.0.2.1, server:"))
        let other = try chain.back.client()
        try other.converse(claim("192.0.2.2") + (speech == .imap ? "S: * ID NIL\nS: a OK completed\n" : speech == .pop3 ? "S: +OK Updated\n" : "S: 220 …\n"))
        try other.converse(speech.loginAfterGreeting() + speech.welcome)
        #expect(try chain.auth.question()["Client-IP"] == "192.0.2.2")
    }

    @Test(arguments: [("", "client.example"), (" NAME=told.example", "told.example"), (" NAME=[TEMPUNAVAIL]", "[TEMPUNAVAIL]")])
    func `a client that a proxy names is looked up, unless its name is told`(_ attribute: String, _ name: String) throws {
        let names = try StubNameServer { question in
            guard question.type == "PTR" else { return .records([.address("192.0.2.1")]) }
            return .records([.pointer(question.name.hasPrefix("1.2.0.192.") ? "client.example" : "proxy.example")])
        }
        let chain = try Chain(.smtp, back: "set_real_ip_from 127.0.0.1; resolver \(names.address);", front: "")
        let client = try chain.back.client()
        try client.converse("S: 220 …\nC: XCLIENT ADDR=192.0.2.1\(attribute)\nS: 220 …")
        try client.converse(Speech.smtp.loginAfterGreeting() + Speech.smtp.welcome)
        #expect(try chain.auth.question()["Client-Host"] == name)
    }

    @Test(arguments: Speech.allCases)
    func `behind a PROXY header nobody is believed who comes through the balancer`(_ speech: Speech) throws {
        let (auth, port) = (try StubAuthServer { _ in .refuse("no") }, try Ports.free())
        _ = try ServerUnderTest(mail: """
            server { listen 127.0.0.1:\(port) proxy_protocol; protocol \(speech); auth_http \(auth.url); set_real_ip_from 0.0.0.0/0; }
            """, until: .connects)
        let client = try LineClient(port)
        try client.send("PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n")
        switch speech {
        case .imap: try client.converse("S: * OK IMAP4 ready\nC: i ID (\"x-originating-ip\" \"192.0.2.9\")\nS: * ID NIL\nS: i OK completed")
        case .pop3: try client.converse("S: +OK POP3 ready\nC: XCLIENT ADDR=192.0.2.9\nS: -ERR invalid command")
        case .smtp: try client.converse("S: 220 …\nC: XCLIENT ADDR=192.0.2.9\nS: 500 5.5.1 Invalid command")
        }
        try client.converse(speech.loginAfterGreeting())
        #expect(try auth.question()["Client-IP"] == "192.0.2.1")
    }

    @Test(arguments: Speech.allCases)
    func `a server that leads to itself is left after a few rounds`(_ speech: Speech) throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(mail: """
            server { listen 127.0.0.1:\(port); protocol \(speech); proxy_pass 127.0.0.1:\(port); set_real_ip_from 127.0.0.1;
            proxy_client_id on; xclient on; }
            """)
        let client = try LineClient(.port(port), from: .loopback(5, 0))
        try client.converse(speech.login())
        // In POP3 nobody can tell a fault from a refusal.
        try client.expect(speech == .pop3 ? "-ERR Authentication failed" : speech.internalError)
        let line = try server.awaitLog("TTL of the client's session reached zero, proxies appear to be looping")
        #expect(line.contains("client: 127.0.0.5"))
        // The test's own first look, the client, and four rounds.
        #expect(server.occurrences(of: "accept: ") == 6)
    }

    @Test(arguments: Speech.allCases)
    func `behind Dovecot's proxy the client is seen, by IPv4 and by IPv6`(_ speech: Speech) throws {
        let auth = try StubAuthServer(accepting: try speech.upstream())
        let back = try MailServer(speech, asking: auth, "set_real_ip_from 127.0.0.1; proxy_smtp_auth on;")
        let front = try DovecotProxy(speech == .smtp ? "submission" : speech.rawValue, before: back.port)
        for (number, known) in KnownClient.allCases.enumerated() {
            let client = try known.connect(to: front.port)
            switch speech {
            case .imap: try client.converse("S: * OK …\nC: a LOGIN demo martlet")
            case .pop3: try client.converse("S: +OK …\nC: USER demo\nS: +OK…\nC: PASS martlet")
            case .smtp: try client.converse("S: 220 …\nC: AUTH PLAIN \("\0demo\0martlet".base64)")
            }
            let question = try auth.question(number)
            #expect(question["Client-IP"] == known.address)
            #expect(question["Auth-User"] == "demo" && question["Auth-Pass"] == "martlet")
        }
    }
}
