import Glibc
import TestSupport
import Testing

/// Balancers say by PROXY headers who the client is, and upstreams hear it (`mail-extras.md`, sections 1 and 2;
/// `mail-proxy.md`, section 2).
@Suite(.ownWorkspace) struct ProxyHeaderTests {
    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]
    private static let version2 = signature + [0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 0x9C, 0x40, 0, 143]

    /// A server behind balancers, with what is asked of its auth server.
    private struct Behind {
        let auth: StubAuthServer
        let upstream: StubServer
        let server: ServerUnderTest
        let port: UInt16

        init(_ speech: Speech = .imap, listen: String = "", settings: String = "set_real_ip_from 127.0.0.1;", manner: UpstreamManner = UpstreamManner()) throws {
            upstream = try speech.upstream(manner)
            auth = try StubAuthServer(accepting: upstream)
            port = try Ports.free()
            server = try ServerUnderTest(
                mail: "server { listen 127.0.0.1:\(port) proxy_protocol \(listen); protocol \(speech.rawValue); auth_http \(auth.url); \(settings) }",
                until: .connects)
        }

        func client() throws -> LineClient { try LineClient(port) }
    }

    static let headers: [([UInt8], address: String, port: String)] = [
        (Array("PROXY TCP4 192.0.2.1 192.0.2.2 40000 143\r\n".utf8), "192.0.2.1", "40000"),
        (Array("PROXY TCP6 2001:db8::1 ::2 40000 143\r\n".utf8), "2001:db8::1", "40000"),
        (version2, "192.0.2.1", "40000"),
    ]

    @Test(arguments: Speech.allCases, headers)
    func `the auth server and the log see the client's address, and not the balancer's`(
        _ speech: Speech, _ header: ([UInt8], address: String, port: String)
    ) throws {
        let behind = try Behind(speech)
        let client = try behind.client()
        try client.send(header.0)
        try client.converse(speech.login() + speech.welcome)
        let question = try behind.auth.question()
        #expect(question["Client-IP"] == header.address)
        #expect(question["Proxy-Protocol-Addr"] == header.address && question["Proxy-Protocol-Port"] == header.port)
        #expect(question["Proxy-Protocol-Server-Addr"] != nil && question["Proxy-Protocol-Server-Port"] == "143")
        let line = try behind.server.awaitLog("client logged in")
        #expect(line.contains("client: \(header.address), server:"))
    }

    @Test(arguments: headers)
    func `a header in pieces, and what is sent along with it, are read as one sent by itself`(
        _ header: ([UInt8], address: String, port: String)
    ) throws {
        let behind = try Behind()
        let dripping = try behind.client()
        for byte in header.0 {
            try dripping.send([byte])
            // Long enough that pieces are mostly read apart.
            usleep(1500)
        }
        try dripping.converse(Speech.imap.login() + Speech.imap.welcome)
        let hasty = try behind.client()
        try hasty.send(header.0 + Array("a LOGIN user secret\r\nb x\r\n".utf8))
        try hasty.converse("S: * OK IMAP4 ready\n" + Speech.imap.welcome + "S: b x")
        #expect(try behind.auth.question(1)["Client-IP"] == header.address)
    }

    @Test func `TLS begins behind the header`() throws {
        let certificate = try Certificates.shared()[.ecdsa]
        let behind = try Behind(
            listen: "ssl", settings: "set_real_ip_from 127.0.0.0/8; \(certificate.directives)")
        let client = try behind.client()
        try client.send(Self.version2)
        try client.startTLS()
        try client.converse(Speech.imap.login() + Speech.imap.welcome)
        #expect(try behind.auth.question()["Client-IP"] == "192.0.2.1")
        #expect(try behind.auth.question()["Auth-SSL"] == "on")
    }

    @Test(arguments: ["", "set_real_ip_from 192.0.2.0/24;", "set_real_ip_from unix:;", "set_real_ip_from ::1;"])
    func `whoever is not trusted is told of, and not believed`(_ settings: String) throws {
        let behind = try Behind(settings: settings)
        let client = try behind.client()
        try client.send("PROXY TCP4 192.0.2.1 192.0.2.2 40000 143\r\n")
        try client.converse(Speech.imap.login() + Speech.imap.welcome)
        let question = try behind.auth.question()
        #expect(question["Client-IP"] == "127.0.0.1" && question["Proxy-Protocol-Addr"] == "192.0.2.1")
        #expect(try behind.server.awaitLog("client logged in").contains("client: 127.0.0.1, server:"))
    }

    @Test(arguments: ["set_real_ip_from 127.0.0.0/8;", "set_real_ip_from localhost;", "set_real_ip_from 0.0.0.0/0;"])
    func `trust is said by network and by name`(_ settings: String) throws {
        let behind = try Behind(settings: settings)
        let client = try behind.client()
        try client.send(Self.version2)
        try client.converse(Speech.imap.login() + Speech.imap.welcome)
        #expect(try behind.auth.question()["Client-IP"] == "192.0.2.1")
    }

    @Test func `a balancer in the file system is trusted as unix`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer(accepting: upstream)
        let path = try Workspace.here().file("balancer.sock")
        _ = try ServerUnderTest(
            mail: "server { listen unix:\(path) proxy_protocol; protocol imap; auth_http \(auth.url); set_real_ip_from unix:; }",
            until: .nothing)
        let client = try eventually("a listener") { try? LineClient(.path(path)) }
        try client.send(Self.version2)
        try client.converse(Speech.imap.login() + Speech.imap.welcome)
        #expect(try auth.question()["Client-IP"] == "192.0.2.1")
    }

    @Test(arguments: ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN 1 2 3\r\n", "PROXY TCP4 192.0.2.300 192.0.2.2 40000 143\r\n"])
    func `a header without a usable address leaves the balancer's`(_ header: String) throws {
        let behind = try Behind()
        let client = try behind.client()
        try client.send(header)
        try client.converse(Speech.imap.login() + Speech.imap.welcome)
        let question = try behind.auth.question()
        #expect(question["Client-IP"] == "127.0.0.1")
        #expect(question["Proxy-Protocol-Addr"] == (header.contains("TCP4") ? "192.0.2.300" : nil))
    }

    @Test(arguments: [
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", #"broken header: "PROXY TCP4 1.1.1.1 2.2.2.2 1" while reading PROXY protocol, client: 127.0.0.1"#),
        ("a LOGIN joe hunter2\r\n", #"broken header: "" while"#), ("PASS hunter2\r\n", #"broken header: "" while"#),
        ("\r\n\r\n\0\r\nQUIT\n\u{11}\u{11}\0\0", "unknown PROXY protocol version: 1 while"),
        ("\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\u{7F}\u{7F}", "header is too large while"),
        ("\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\0\u{1}1", "wrong length in PROXY header while"),
    ])
    func `a broken header closes the connection without a word, and its log line holds no password`(
        _ text: String, _ line: String
    ) throws {
        let behind = try Behind()
        let client = try behind.client()
        try client.send(text)
        try client.expectEnd()
        let found = try behind.server.awaitLog(line)
        #expect(found.contains("[error]"))
        #expect(behind.server.occurrences(of: "hunter2") == 0)
        let worker = try behind.server.awaitWorkers(1)[0]
        try eventually("no password in memory") { worker.occurrencesInMemory(of: Array("hunter2".utf8)) == 0 }
    }

    /// What a release build leaves behind depends on how it copies so many bytes.
    @Test func `no password is left where one has come in the place of a header, or right behind it, whatever its length`() throws {
        let behind = try Behind()
        let worker = try behind.server.awaitWorkers(1)[0]
        for opening in ["a LOGIN joe ", "PROXY UNKNOWN\r\na LOGIN joe ", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nPASS "] {
            for length in stride(from: 8, through: 60, by: 4) {
                let password = String(repeating: "hunter2_", count: 8).prefix(length)
                let client = try behind.client()
                try client.send("\(opening)\(password)\r\n")
                client.finishSending()
                _ = try client.rest()
                try eventually("no password in memory after \(opening) and \(length) bytes", by: .after(.seconds(3))) {
                    worker.occurrencesInMemory(of: Array("hunter2_".utf8)) == 0
                }
            }
        }
    }

    @Test func `a header cut short by the end of the connection is broken, and none at all is no fault`() throws {
        let behind = try Behind()
        let check = try behind.client()
        check.close()
        let cut = try behind.client()
        try cut.send("PROXY TCP4 1.1")
        cut.finishSending()
        try cut.expectEnd()
        try behind.server.awaitLog(#"broken header: "PROXY TCP4 1.1""#)
        #expect(behind.server.occurrences(of: "[error]") == 1)
    }

    @Test(arguments: ["", "ssl"])
    func `a header has its time, whatever drips, and nothing is said to who sends none`(_ listen: String) throws {
        let certificate = try Certificates.shared()[.ecdsa]
        let behind = try Behind(
            listen: listen, settings: "timeout 1s; \(certificate.directives)")
        let (silent, dripping) = (try behind.client(), try behind.client())
        try dripping.send("PROXY TCP4")
        try silent.expectEnd()
        try dripping.expectEnd()
        try behind.server.awaitLog("client timed out (110: Connection timed out) while reading PROXY protocol", count: 2)
    }

    @Test func `a good login among clients in the middle of their headers is not held up`() throws {
        let behind = try Behind()
        let starts: [[UInt8]] = [[], Array("PROXY TCP4 192.0.2.1".utf8), Array(Self.version2.prefix(14)), Array(Self.version2.dropLast())]
        let crowd = try (0..<400).map { number in
            let client = try behind.client()
            try client.send(starts[number % starts.count])
            return client
        }
        // Theirs are behind it, and the one by which the server was found ready.
        try behind.server.awaitLog("accept: ", count: 401)
        let start = ContinuousClock.now
        let client = try behind.client()
        try client.send(Self.version2)
        try client.converse(Speech.imap.login() + Speech.imap.welcome)
        // Whoever waited for one of them would wait for a minute.
        #expect(ContinuousClock.now - start < .seconds(5))
        for client in crowd { client.close() }
    }

    @Test func `mutated headers leave the worker alive`() throws {
        let behind = try Behind()
        let worker = try behind.server.awaitWorkers(1)[0]
        var random = SeededBytes(seed: 2_04)
        for number in 0..<400 {
            let client = try behind.client()
            try client.send(random.mutate(Self.headers[number % Self.headers.count].0) + Array("a LOGOUT\r\n".utf8))
            client.finishSending()
            _ = try client.rest()
        }
        #expect(try behind.server.awaitWorkers(1) == [worker])
    }

    // MARK: To the upstream

    @Test(arguments: Speech.allCases)
    func `an upstream hears who the client is before anything else`(_ speech: Speech) throws {
        var manner = UpstreamManner()
        manner.readsProxyHeader = true
        let behind = try Behind(speech, settings: "set_real_ip_from 127.0.0.1; proxy_protocol on;", manner: manner)
        let client = try behind.client()
        try client.send("PROXY TCP4 192.0.2.1 192.0.2.2 40000 143\r\n")
        try client.converse(speech.login() + speech.welcome)
        #expect(try behind.upstream.session().notes["header"] == ["PROXY TCP4 192.0.2.1 127.0.0.1 40000 \(behind.port)"])
        let other = try behind.client()
        try other.send("PROXY TCP6 2001:db8::1 ::2 40000 143\r\n")
        try other.converse(speech.login() + speech.welcome)
        #expect(try behind.upstream.session(1).notes["header"] == ["PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 40000 \(behind.port)"])
    }

    @Test func `version 2 tells of the client's TLS too`() throws {
        let certificate = try Certificates.shared()[.ecdsa]
        var manner = UpstreamManner()
        manner.readsProxyHeader = true
        let behind = try Behind(listen: "ssl", settings: """
            set_real_ip_from 127.0.0.1; proxy_protocol v2;
            \(certificate.directives)
            """, manner: manner)
        let client = try behind.client()
        try client.send(Self.version2)
        try client.startTLS(TLSOrder(.tls13, serverName: "mail.test", applicationProtocols: ["imap"]))
        try client.converse(Speech.imap.login() + Speech.imap.welcome)
        let header = try behind.upstream.session().notes["header"].first ?? ""
        func hex(_ text: String) -> String { text.utf8.map { String($0, radix: 16) }.joined() }
        #expect(header.contains("2111") && header.contains("c00002017f0000019c40"))
        #expect(header.contains("020009" + hex("mail.test")) && header.contains("010004" + hex("imap")))
        #expect(header.contains("210007" + hex("TLSv1.3")) && header.contains(hex("TLS_AES_256_GCM_SHA384")))
        #expect(header.contains(hex("ecdsa-with-SHA256")) && header.contains("250005" + hex("EC256")))
    }

    @Test(arguments: ["on", "v2"])
    func `one server behind another sees the client that the first one sees`(_ version: String) throws {
        let back = try Behind(.smtp, settings: "set_real_ip_from 127.0.0.1;")
        let port = try Ports.free()
        let upstream = try StubAuthServer { _ in .accept(.port(back.port)) }
        _ = try ServerUnderTest(mail: """
            server { listen 127.0.0.1:\(port); protocol smtp; auth_http \(upstream.url); proxy_protocol \(version); proxy_smtp_auth on; xclient off; }
            """)
        try LineClient(.port(port), from: .loopback(5, 0)).converse(Speech.smtp.login() + Speech.smtp.welcome)
        #expect(try back.auth.question()["Client-IP"] == "127.0.0.5")
    }

    // MARK: Behind a real balancer

    @Test(arguments: ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c", "send-proxy-v2-ssl-cn"], [false, true])
    func `behind HAProxy the client is seen, by IPv4 and by IPv6`(_ word: String, _ isIPv6: Bool) throws {
        var manner = UpstreamManner()
        manner.readsProxyHeader = true
        let certificate = word.contains("ssl") ? try Certificates.shared()[.rsa] : nil
        let behind = try Behind(settings: "set_real_ip_from \(HAProxy.address); proxy_protocol v2;", manner: manner)
        let port = try Ports.free()
        _ = try HAProxy([.init(port, before: behind.port, word, certificate: certificate)])
        let client = try isIPv6 ? LineClient(.ipv6(port)) : LineClient(.port(port), from: .loopback(5, 0))
        if certificate != nil { try client.startTLS(TLSOrder(.tls13, serverName: "mail.test")) }
        try client.converse(Speech.imap.login() + Speech.imap.welcome)
        let question = try behind.auth.question()
        #expect(question["Client-IP"] == (isIPv6 ? "::1" : "127.0.0.5"))
        #expect(question["Proxy-Protocol-Server-Port"] == "\(port)")
        // The TLS that ends at the balancer is told on.
        let header = try behind.upstream.session().notes["header"].first ?? ""
        #expect(header.contains("TLSv1.3".utf8.map { String($0, radix: 16) }.joined()) == (certificate != nil))
    }
}
