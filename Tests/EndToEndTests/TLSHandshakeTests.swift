import Foundation
import TestSupport
import Testing

/// The handshake with clients (`mail-tls.md`, sections 1, 3, 4, 5 and 9).
@Suite(.ownWorkspace) struct TLSHandshakeTests {
    /// All ways at one server: each is a few connections.
    private func forAllRoutes(_ body: (TLSRoute) throws -> Void) rethrows { try TLSRoute.all.forEach(body) }

    @Test func `a login over TLS reaches the upstream, and the connection relays`() throws {
        let proxy = try TLSServer()
        try forAllRoutes { route in
            let client = try proxy.loggedInClient(route.speech, route.way)
            try client.converse(route.speech == .smtp ? "C: NOOP\nS: 250 2.0.0 upstream OK" : "C: x y\nS: x y")
        }
    }

    @Test func `the greeting waits for the handshake, and comes once`() throws {
        let proxy = try TLSServer()
        for speech in Speech.allCases {
            let client = try proxy.plainClient(speech, .implicit)
            #expect(throws: WireError.timedOut) { try client.line(by: .after(.milliseconds(60))) }
            try client.startTLS()
            try client.converse("S: \(speech.greeting)\n" + speech.noopScript)

            // No greeting again: the reply to the next command is the next line.
            try proxy.client(speech, .starttls).converse(speech.noopScript + speech.noopScript)
        }
    }

    @Test(arguments: [TLSOrder.Version.tls12, .tls13])
    func `a handshake may come byte by byte`(_ version: TLSOrder.Version) throws {
        let proxy = try TLSServer()
        var order = TLSOrder(version)
        order.drips = true
        for way in TLSWay.allCases { try proxy.client(.imap, way, order).converse(Speech.imap.noopScript) }
    }

    @Test func `TLS 1.2 and 1.3 are spoken, older versions refused`() throws {
        let proxy = try TLSServer()
        try forAllRoutes { route in
            for version in [TLSOrder.Version.tls12, .tls13] {
                let handshake = try proxy.attempt(route.speech, route.way, TLSOrder(version))
                #expect(handshake.failure == nil)
                #expect(handshake.version == (version == .tls12 ? "TLSv1.2" : "TLSv1.3"))
            }
        }
        for version in [TLSOrder.Version.tls10, .tls11] {
            let handshake = try proxy.attempt(.imap, .implicit, TLSOrder(version, ciphers: "DEFAULT@SECLEVEL=0"))
            #expect(handshake.failure != nil)
            #expect(handshake.alert == 70)
        }
        try proxy.server.awaitLog("SSL_do_handshake() failed (SSL: error:")
        // Others are not touched by it.
        try proxy.client(.imap, .implicit).converse(Speech.imap.noopScript)
    }

    @Test(arguments: [("TLSv1.2", TLSOrder.Version.tls12, TLSOrder.Version.tls13), ("TLSv1.3", .tls13, .tls12)])
    func `ssl_protocols chooses versions`(_ word: String, _ good: TLSOrder.Version, _ bad: TLSOrder.Version) throws {
        let proxy = try TLSServer("ssl_protocols \(word);")
        #expect(try proxy.attempt(.imap, .implicit, TLSOrder(good)).failure == nil)
        #expect(try proxy.attempt(.imap, .implicit, TLSOrder(bad)).alert == 70)
    }

    @Test func `ssl_ciphers and ssl_conf_command choose ciphers`() throws {
        let proxy = try TLSServer(
            "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256; ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256;")
        let old = try proxy.attempt(.imap, .implicit, TLSOrder(.tls12))
        #expect(old.cipher == "ECDHE-ECDSA-AES128-GCM-SHA256")
        #expect(try proxy.attempt(.imap, .implicit, TLSOrder(.tls12, ciphers: "AES256-SHA256")).failure != nil)
        #expect(try proxy.attempt(.imap, .implicit, TLSOrder(.tls13)).cipher == "TLS_CHACHA20_POLY1305_SHA256")
    }

    @Test(arguments: [true, false])
    func `ssl_prefer_server_ciphers says whose order counts`(_ prefers: Bool) throws {
        let (first, second) = ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256")
        let proxy = try TLSServer("ssl_ciphers \(first):\(second); ssl_prefer_server_ciphers \(prefers ? "on" : "off");")
        let handshake = try proxy.attempt(.imap, .implicit, TLSOrder(.tls12, ciphers: "\(second):\(first)"))
        #expect(handshake.cipher == (prefers ? first : second))
    }

    @Test func `ssl_dhparam allows ephemeral Diffie-Hellman`() throws {
        let certificates = try Certificates.shared()
        let offer = TLSOrder(.tls12, ciphers: "DHE-RSA-AES128-GCM-SHA256")
        let rsa = certificates[.rsa].directives
        let with = try TLSServer("ssl_dhparam \(certificates.dhParameters);", certificates: rsa)
        #expect(try with.attempt(.imap, .implicit, offer).cipher == "DHE-RSA-AES128-GCM-SHA256")
    }

    @Test func `ssl_ecdh_curve chooses the groups`() throws {
        let proxy = try TLSServer("ssl_ecdh_curve X25519;")
        func connect(_ group: String) throws -> CommandResult {
            try run(["openssl", "s_client", "-connect", "127.0.0.1:\(proxy.port(.imap, .implicit))", "-groups", group])
        }
        #expect(try connect("X25519").standardOutput.contains("Server Temp Key: X25519"))
        #expect(try !connect("P-384").succeeded)
    }

    // MARK: ALPN and SNI

    /// What a client offers, and what comes of it.
    static let offers: [(offer: [String]?, isAccepted: Bool)] = [
        (nil, true), (["PROTOCOL"], true), (["http/1.1", "PROTOCOL", "x"], true), (["http/1.1"], false), (["h2", "http/1.1"], false),
        (["PROTOCOLx"], false), (["OTHER"], false),
    ]

    @Test(arguments: offers)
    func `ALPN, where it is offered, must have the protocol`(_ case: (offer: [String]?, isAccepted: Bool)) throws {
        let proxy = try TLSServer()
        try forAllRoutes { route in
            let other = route.speech == .imap ? "pop3" : "imap"
            let offer = `case`.offer?.map {
                $0.replacingOccurrences(of: "PROTOCOL", with: route.speech.rawValue).replacingOccurrences(of: "OTHER", with: other)
            }
            let handshake = try proxy.attempt(route.speech, route.way, TLSOrder(applicationProtocols: offer))
            if `case`.isAccepted {
                #expect(handshake.failure == nil)
                #expect(handshake.applicationProtocol == offer.map { _ in route.speech.rawValue })
            } else {
                #expect(handshake.alert == 120)
            }
        }
        if !`case`.isAccepted { try proxy.server.awaitLog("no application protocol", count: TLSRoute.all.count) }
    }

    @Test func `a name that nobody has here is no fault`() throws {
        let proxy = try TLSServer()
        let pem = try Certificates.shared()[.ecdsa].pem
        for name in ["mail.test", "unknown.test", "127.0.0.1", nil] {
            let handshake = try proxy.attempt(.imap, .implicit, TLSOrder(serverName: name))
            #expect(handshake.failure == nil)
            #expect(handshake.certificate == pem)
        }
    }

    // MARK: Bytes that are no TLS, and TLS where none is

    /// What comes to a TLS port instead of a handshake.
    static let misplaced: [(String, [UInt8])] = [
        ("IMAP", Array("a LOGIN user secret\r\n".utf8)), ("SMTP", Array("EHLO me\r\nMAIL FROM:<a@b>\r\n".utf8)),
        ("HTTP", Array("GET / HTTP/1.1\r\nHost: mail.test\r\n\r\n".utf8)), ("zeros", [UInt8](repeating: 0, count: 600)),
        ("an SSL 2 hello", [0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10] + [UInt8](repeating: 7, count: 37)),
        ("a record of a wrong type", [0x17, 3, 3, 0, 5, 1, 2, 3, 4, 5]),
        ("an alert", [0x15, 3, 1, 0, 2, 2, 0]),
        ("a handshake message of a wrong type", [0x16, 3, 1, 0, 8, 9, 0, 0, 4, 1, 2, 3, 4]),
        ("a record too long", [0x16, 3, 1, 0xff, 0xff] + [UInt8](repeating: 1, count: 300)),
    ]

    @Test func `what is no handshake ends the connection without a word of the protocol`() throws {
        let proxy = try TLSServer()
        for (name, bytes) in Self.misplaced {
            try forAllRoutes { route in
                let client = try proxy.clientBeforeTLS(route.speech, route.way)
                try client.send(bytes)
                // The library may send an alert, and that is all: no greeting, no reply.
                let rest = try client.rest()
                #expect(rest.isEmpty || rest[0] == 0x15, "\(name), \(route): \(rest)")
                #expect(rest.count <= 7, "\(name), \(route): \(rest)")
            }
        }
        try proxy.server.awaitLog("wrong version number")
        #expect(proxy.auth.questions.isEmpty)
        try forAllRoutes { try proxy.client($0.speech, $0.way).converse($0.speech.noopScript) }
    }

    @Test func `a handshake that the client breaks off is logged at level info`() throws {
        let proxy = try TLSServer()
        try proxy.plainClient(.imap, .implicit).close()
        let line = try proxy.server.awaitLog("peer closed connection in SSL handshake")
        #expect(line.contains("[info]"))
        #expect(line.contains("while SSL handshaking, client: 127.0.0.1, server: 127.0.0.1:\(proxy.port(.imap, .implicit))"))
        try proxy.clientBeforeTLS(.imap, .starttls).close()
        let second = try proxy.server.awaitLog("peer closed connection in SSL handshake", count: 2)
        #expect(second.contains(", client: 127.0.0.1 using starttls, server: 127.0.0.1:\(proxy.port(.imap, .starttls))"))
    }

    @Test(arguments: Speech.allCases)
    func `a client's hello at a plain port is a line that is no command`(_ speech: Speech) throws {
        let proxy = try TLSServer("max_errors 1;")
        let client = try proxy.plainClient(speech, .starttls)
        try client.expect(speech.greeting)
        // A hello up to a line end within its random.
        try client.send([0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, 1, 2, 3, 4, 13, 10])
        try client.converse("S: \(speech.refusal(ofTag: "*"))\nS.")
    }

    @Test(arguments: TLSWay.allCases) func `half a handshake ends by timeout`(_ way: TLSWay) throws {
        let proxy = try TLSServer("timeout 1s;")
        var clients: [LineClient] = []
        let start = ContinuousClock.now
        for half in [[], [0x16], [0x16, 3, 1, 0, 200], [0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3] + [UInt8](repeating: 0, count: 100)] {
            let client = try proxy.clientBeforeTLS(.imap, way)
            try client.send(half as [UInt8])
            clients.append(client)
        }
        for client in clients { #expect(try client.rest().isEmpty) }
        #expect(ContinuousClock.now - start >= .milliseconds(900))
        try proxy.server.awaitLog("client timed out (110: Connection timed out)", count: clients.count)
    }

    @Test func `bytes that drip do not put the timeout off`() throws {
        let proxy = try TLSServer("timeout 1s;")
        let client = try proxy.plainClient(.imap, .implicit)
        let start = ContinuousClock.now
        onNewThread {
            for byte in [0x16, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3] + [UInt8](repeating: 0, count: 40) {
                guard (try? client.socket.send([byte])) != nil else { return }
                usleep(60_000)
            }
        }
        try client.expectEnd()
        #expect(ContinuousClock.now - start < .seconds(3))
    }

    @Test func `a client that asks for new keys in TLS 1.2 is refused`() throws {
        let proxy = try TLSServer()
        let result = try run(
            ["openssl", "s_client", "-tls1_2", "-connect", "127.0.0.1:\(proxy.port(.imap, .implicit))"], input: "R\nx NOOP\n")
        #expect(result.standardError.contains("RENEGOTIATING"))
        #expect(result.standardError.contains("no renegotiation") || result.standardError.contains("error"))
        #expect(!result.standardOutput.contains("x OK"))
    }

    /// A hello of TLS 1.2 that the server answers, and then awaits more.
    private static let hello: [UInt8] =
        [0x16, 3, 1, 0, 0x3f, 1, 0, 0, 0x3b, 3, 3] + [UInt8](repeating: 7, count: 32)
        + [0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 0x10, 0, 0x0a, 0, 4, 0, 2, 0, 0x17, 0, 0x0d, 0, 4, 0, 2, 4, 3]

    @Test func `a good login among half-open handshakes is not held up`() throws {
        let proxy = try TLSServer(events: "multi_accept on;")
        let worker = try proxy.server.awaitWorkers(1)[0]
        _ = try proxy.loggedInClient(.imap, .implicit)
        let before = worker.residentSize
        let starts = [[], Array(Self.hello.prefix(1)), Array(Self.hello.prefix(40)), Self.hello]
        var crowd: [LineClient] = []
        for number in 0..<400 {
            let client = try proxy.clientBeforeTLS(.imap, number % 8 < 4 ? .implicit : .starttls)
            try client.send(starts[number % starts.count])
            crowd.append(client)
        }
        // The server's answer ends in an empty `ServerHelloDone`.
        for (number, client) in crowd.enumerated() where number % starts.count == 3 {
            #expect(try client.bytes(5)[0] == 0x16)
        }
        let start = ContinuousClock.now
        _ = try proxy.loggedInClient(.imap, .implicit)
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect((worker.residentSize - before) / crowd.count < 50)
    }

    @Test func `sessions over TLS leave neither descriptors nor memory behind`() throws {
        let certificates = try Certificates.shared()
        let proxy = try TLSServer(
            "ssl_verify_client optional; ssl_client_certificate \(certificates.authority); ssl_session_cache builtin:20 shared:zone:64k;")
        let worker = try proxy.server.awaitWorkers(1)[0]
        let orders = [TLSOrder(.tls12), TLSOrder(.tls13)]
        for order in orders { _ = try proxy.loggedInClient(.imap, .implicit, order) }
        func sessions(_ count: Int) throws {
            for number in 0..<count {
                let way = TLSWay.allCases[number / 8 % 2]
                switch number % 8 {
                case 0: _ = try proxy.loggedInClient(.imap, way, TLSOrder(.tls12))
                case 1: _ = try proxy.loggedInClient(.imap, way, TLSOrder(certificate: certificates[.client]))
                case 2, 3: _ = try proxy.attempt(.imap, way, TLSOrder(resuming: orders[number % 2]))
                case 4: _ = try proxy.attempt(.imap, way, TLSOrder(certificate: certificates[.stranger]))
                case 5: _ = try proxy.attempt(.imap, way, TLSOrder(applicationProtocols: ["h2"]))
                case 6: try proxy.clientBeforeTLS(.imap, way).send(Self.hello)
                default: try proxy.clientBeforeTLS(.imap, way).send("garbage\r\n")
                }
            }
        }
        try sessions(96)
        try eventually("descriptors given back") { worker.descriptorCount < 40 }
        let (descriptors, memory) = (worker.descriptorCount, worker.residentSize)
        try sessions(400)
        try eventually("descriptors given back") { worker.descriptorCount <= descriptors }
        #expect(worker.residentSize - memory < 2 * 1024)
    }

    /// OpenSSL frees its buffers as they are, with what it has decrypted in them.
    @Test(arguments: [TLSOrder(.tls12), TLSOrder(.tls13)])
    func `no password stays in a worker's memory after a login over TLS`(_ order: TLSOrder) throws {
        let proxy = try TLSServer()
        let worker = try proxy.server.awaitWorkers(1)[0]
        let password = SecretLogin.randomDigest()
        for _ in 0..<10 {
            let client = try proxy.client(.imap, .implicit, order)
            try client.converse(Speech.imap.loginAfterGreeting("user", password) + Speech.imap.welcome)
        }
        #expect(proxy.auth.questions.last?["Auth-Pass"] == password)
        try eventually("no password in memory", by: .after(.seconds(3))) {
            worker.occurrencesInMemory(of: Array(password.utf8)) == 0
        }
    }

    // MARK: Within TLS

    @Test func `a client that is too slow is told so in TLS`() throws {
        let proxy = try TLSServer("timeout 1s;")
        let farewells: [Speech: String] = [.imap: "* BYE …", .pop3: "-ERR …", .smtp: "421 …"]
        let clients = try TLSRoute.all.map { ($0.speech, try proxy.client($0.speech, $0.way)) }
        for (speech, client) in clients { try client.converse("S: \(try #require(farewells[speech]))\nS.") }
        try proxy.server.awaitLog("client timed out (110: Connection timed out) while in auth state", count: clients.count)
    }

    @Test func `a greeting delay is kept in TLS, and who speaks before its end is sent away`() throws {
        let proxy = try TLSServer { $0 == .smtp ? "smtp_greeting_delay 500ms;" : "" }
        let start = ContinuousClock.now
        let (patient, hasty) = (try proxy.clientBeforeTLS(.smtp, .implicit), try proxy.clientBeforeTLS(.smtp, .implicit))
        for client in [patient, hasty] { try client.startTLS() }
        try hasty.send("EHLO early\r\n")
        try hasty.converse("S: 503 5.5.0 Improper use of SMTP command pipelining\nS.")
        try patient.expect("220 mx.test ESMTP ready")
        #expect(ContinuousClock.now - start >= .milliseconds(450))
    }

    // MARK: The end

    @Test func `a client that ends TLS hears that the server has too`() throws {
        let proxy = try TLSServer()
        try forAllRoutes { route in
            let client = try proxy.client(route.speech, route.way)
            client.finishSending()
            try client.expectEnd()
            #expect(try client.endOfTLS() == "close_notify")
            let relayed = try proxy.loggedInClient(route.speech, route.way)
            relayed.finishSending()
            try relayed.expectEnd()
            #expect(try relayed.endOfTLS() == "close_notify")
        }
    }

    /// A certificate, what a client trusts, and what it says when it sees that this is not enough.
    static let rejections: [(Certificates.Name, trusts: String, complaint: String, alert: String)] = [
        (.outdated, "authority", "certificate has expired", "alert certificate expired"),
        (.ecdsa, "stranger", "unable to get local issuer certificate", "alert unknown ca"),
    ]

    @Test(arguments: rejections)
    func `a client that does not like the certificate says so, which is logged`(
        _ name: Certificates.Name, _ trusts: String, _ complaint: String, _ alert: String
    ) throws {
        let certificates = try Certificates.shared()
        let proxy = try TLSServer(certificates: certificates[name].directives)
        let trusted = trusts == "authority" ? certificates.authority : certificates[.stranger].path
        for way in TLSWay.allCases {
            let handshake = try proxy.attempt(.imap, way, TLSOrder(trusted: trusted))
            #expect(handshake.failure?.contains(complaint) == true)
        }
        let line = try proxy.server.awaitLog(alert, count: 2)
        #expect(line.contains("[info]") && line.contains("SSL_do_handshake() failed (SSL: error:"))
    }

    @Test func `the server says that TLS ends, and minds not a client that does not`() throws {
        let proxy = try TLSServer()
        let goodbye: [Speech: String] = [
            .imap: "C: z LOGOUT\nS: * BYE\nS: z OK completed\nS.", .pop3: "C: QUIT\nS: +OK\nS.", .smtp: "C: QUIT\nS: 221 2.0.0 Bye\nS.",
        ]
        try forAllRoutes { route in
            let client = try proxy.client(route.speech, route.way)
            try client.converse(try #require(goodbye[route.speech]))
            #expect(try client.endOfTLS() == "close_notify")
            try proxy.client(route.speech, route.way, TLSOrder(endsAbruptly: true)).close()
        }
        for line in proxy.server.log.split(separator: "\n") {
            for level in ["[warn]", "[error]", "[crit]", "[alert]", "[emerg]"] { #expect(!line.contains(level)) }
        }
    }

    @Test func `what follows the client's close_notify in the clear is not obeyed`() throws {
        let proxy = try TLSServer()
        var order = TLSOrder()
        order.textAfterEnd = "x NOOP\r\ny LOGIN evil secret\r\n"
        for way in TLSWay.allCases {
            let client = try proxy.client(.imap, way, order)
            client.finishSending()
            try client.expectEnd()
        }
        #expect(proxy.auth.questions.isEmpty)
    }
}
