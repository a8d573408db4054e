import Foundation
import TestSupport
import Testing

/// What hostile clients, auth servers and upstreams must not be able to do (`security.md`).
@Suite(.ownWorkspace) struct SecurityTests {
    // MARK: Borders between languages

    static let lineBreakers = ["us\r\ner", "us\ner", "us\rer", "us\0er"]

    /// A name or a password that a POP3 line would have to carry raw.
    @Test(arguments: lineBreakers)
    func `a login cannot add a POP3 command at the upstream`(_ text: String) throws {
        for response in ["\0\(text)\0secret", "\0user\0\(text)"] {
            let upstream = try StubServer.pop3()
            let auth = try StubAuthServer(accepting: upstream)
            try MailServer(.pop3, asking: auth).client()
                .converse("S: +OK POP3 ready\nC: AUTH PLAIN \(response.base64)\nS: -ERR …")
            #expect(upstream.sessions.allSatisfy { ["", "USER user\r\n"].contains($0.receivedText) })
        }
    }

    @Test(arguments: lineBreakers)
    func `a login cannot add a header to the question`(_ text: String) throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer { _ in .refuse("No") }
        let proxy = try MailServer(.imap, asking: auth)
        let client = try proxy.client()
        try client.expect("* OK IMAP4 ready")
        try client.send("a LOGIN {\(text.utf8.count)+}\r\n\(text) {\(text.utf8.count)+}\r\n\(text)\r\n")
        try client.converse("S: a NO No")
        let names = try auth.question().text.components(separatedBy: "\r\n").filter { !$0.isEmpty }
            .map { $0.split(separator: ":").first.map(String.init) ?? "" }
        #expect(names == [
            "GET /auth HTTP/1.0", "Host", "Connection", "Auth-Method", "Auth-User", "Auth-Pass", "Auth-Protocol",
            "Auth-Login-Attempt", "Client-IP",
        ])
        withExtendedLifetime(upstream) {}
    }

    @Test func `an SMTP name goes to XCLIENT as xtext`() throws {
        let upstream = try StubServer.smtp()
        let login = "a b\r\nRCPT TO:<x>"
        try MailServer(.smtp, accepting: upstream).client()
            .converse("S: …\nC: AUTH PLAIN \("\0\(login)\0secret".base64)\nS: 235 2.0.0 OK")
        #expect(try upstream.session().notes["command"] == [
            "EHLO mx.test", "XCLIENT ADDR=127.0.0.1 LOGIN=a+20b+0D+0ARCPT+20TO:<x> NAME=[UNAVAILABLE]",
        ])
    }

    @Test(arguments: ["helo", "mail", "rcpt"])
    func `control bytes in SMTP commands reach no header raw`(_ place: String) throws {
        let auth = try StubAuthServer { _ in .refuse("No") }
        let client = try MailServer(.smtp, asking: auth, "smtp_auth none;").client()
        let evil = "x\u{1}\u{0}\u{1b}y"
        try client.expect("220 mx.test ESMTP ready")
        let lines = [
            "EHLO \(place == "helo" ? evil : "me")\r\n", "MAIL FROM:<\(place == "mail" ? evil : "a")>\r\n",
            "RCPT TO:<\(place == "rcpt" ? evil : "b")>\r\n",
        ]
        for line in lines {
            try client.send(line)
            while let reply = try client.line(), reply.hasPrefix("250-") {}
        }
        let raw = auth.questions.flatMap(\.bytes).filter { $0 < 0x20 && $0 != 13 && $0 != 10 }
        #expect(raw.isEmpty)
    }

    /// The message of an auth server is put before a client and into the log.
    @Test(arguments: Speech.allCases)
    func `control bytes of an auth server reach neither client nor log raw`(_ speech: Speech) throws {
        let auth = try StubAuthServer { _ in .refuse("No\u{1b}[31m \u{7f}\u{1}way\u{0}") }
        let proxy = try MailServer(speech, asking: auth)
        let client = try proxy.client()
        try client.converse(speech.login())
        let said = try client.rest()
        #expect(said.filter { ($0 < 0x20 && $0 != 13 && $0 != 10) || $0 == 0x7F }.isEmpty)
        try proxy.server.awaitLog("client login failed")
        #expect(proxy.server.log.utf8.filter { ($0 < 0x20 && $0 != 10) || $0 == 0x7F }.isEmpty)
    }

    // MARK: The log

    @Test func `nobody forges a line of the log`() throws {
        let upstream = try StubServer.imap(UpstreamManner([.login: .text("TAG NO one\u{1b}two\u{7}\r\n")]))
        let proxy = try MailServer(.imap, accepting: upstream, "imap_client_buffer 512;")
        let forged = "\n2026/01/01 00:00:00 [info] 1#1: forged"
        let client = try proxy.client()
        try client.expect("* OK IMAP4 ready")
        try client.send("a LOGIN {\(forged.utf8.count)+}\r\n\(forged) secret\r\n")
        try client.converse("S: * BAD internal server error")
        try proxy.server.awaitLog("upstream sent invalid response")
        // What a client sends too much of is quoted in the log too.
        let other = try proxy.client()
        try other.expect("* OK IMAP4 ready")
        try other.send("a NOOP {1000+}\r\n\u{1b}\(forged)" + String(repeating: "x", count: 1000))
        _ = try other.rest()
        try proxy.server.awaitLog("client sent too long command")
        let lines = proxy.server.log.split(separator: "\n")
        #expect(lines.allSatisfy { !$0.hasSuffix("forged") && !$0.contains("1#1: forged, client") || $0.contains("login: ") })
        #expect(lines.allSatisfy { $0.hasPrefix("20") && !$0.hasPrefix("2026/01/01") })
        #expect(proxy.server.log.utf8.filter { ($0 < 0x20 && $0 != 10) || $0 == 0x7F }.isEmpty)
    }

    /// The password in every way a client can send it, at the finest level of the log.
    @Test(arguments: Speech.allCases)
    func `no password is ever in the log`(_ speech: Speech) throws {
        let password = "Pa55w0rdOfTheTest"
        let upstream = try speech.upstream(UpstreamManner([.login: .text(["imap": "TAG NO x\r\n", "pop3": "-ERR x\r\n", "smtp": "535 x\r\n"][speech.rawValue]!)]))
        let auth = try StubAuthServer {
            $0.number.isMultiple(of: 3) ? .refuse("No", "Auth-Wait: 0") : $0.number.isMultiple(of: 2) ? .close : .accept(upstream.address)
        }
        let proxy = try MailServer(speech, asking: auth, "proxy_smtp_auth on; imap_client_buffer 512; smtp_client_buffer 512;")
        let plain = "\0user\0\(password)".base64
        let dialogues: [Speech: [String]] = [
            .imap: [
                "a LOGIN user \(password)\r\n", "a LOGIN user {17+}\r\n\(password)\r\n", "a AUTHENTICATE PLAIN \(plain)\r\n",
                "a AUTHENTICATE LOGIN \("user".base64)\r\n\(password.base64)\r\n",
                "a LOGIN user \"\(password)" + String(repeating: "x", count: 1000) + "\"\r\n",
                "a AUTHENTICATE PLAIN \(plain)!\r\n", "a LOGIN user \(password) more more\r\n",
            ],
            .pop3: [
                "USER user\r\nPASS \(password)\r\n", "AUTH PLAIN \(plain)\r\n", "AUTH LOGIN \("user".base64)\r\n\(password.base64)\r\n",
                "USER user\r\nPASS \(password)" + String(repeating: "x", count: 100_000) + "\r\n", "AUTH PLAIN \(plain)!\r\n", "PASS \(password)\r\n",
            ],
            .smtp: [
                "AUTH PLAIN \(plain)\r\n", "AUTH LOGIN \("user".base64)\r\n\(password.base64)\r\n",
                "AUTH PLAIN \(plain)" + String(repeating: "x", count: 1000) + "\r\n", "AUTH PLAIN \(plain)!\r\n",
            ],
        ]
        for _ in 1...3 {
            for lines in dialogues[speech] ?? [] {
                let client = try proxy.client()
                _ = try client.line()
                try? client.send(lines)
                client.finishSending()
                do { _ = try client.rest() } catch { throw TestFailure("no end after \(lines.prefix(80))") }
            }
        }
        #expect(auth.questions.contains { $0["Auth-Pass"] == password })
        let log = proxy.server.log + proxy.server.standardError
        for secret in [password, password.base64, plain] { #expect(!log.contains(secret)) }
    }

    /// Read as root from the worker's memory, after each mechanism, raw and as any part of base64. The
    /// sessions are still there: accepted ones are relayed, the others may try again.
    @Test(arguments: Speech.allCases, LoginFate.allCases)
    func `no password is in a worker's memory once the session needs it no more`(
        _ speech: Speech, _ fate: LoginFate
    ) throws {
        let upstream = try speech.upstream(fate.manner(speech))
        let auth = try StubAuthServer { fate.answer(to: $0, upstream) }
        let route = fate.isUpstreams ? "proxy_pass 127.0.0.1:\(upstream.port);" : "auth_http \(auth.url);"
        let proxy = try MailServer(speech, "\(route) \(fate.mechanisms(of: speech)) proxy_smtp_auth on;")
        let worker = try proxy.server.awaitWorkers(1)[0]
        var clients: [LineClient] = []
        // Unlike what the literals of this program would look like, had they got there some other way.
        let password = SecretLogin.randomDigest()
        for login in SecretLogin.all(of: speech, password: password) where login.isPassword || !fate.isUpstreams {
            clients.append(try login.say(to: try proxy.client(), speech, expecting: fate.isGood))
            for piece in SecretLogin.pieces(of: password) + SecretLogin.pieces(of: fate.replacement) {
                try eventually("no \(piece) in memory after \(login.name)", by: .after(.seconds(3))) {
                    worker.occurrencesInMemory(of: Array(piece.utf8)) == 0
                }
            }
        }
        if fate.isGood { try clients[0].converse("C: XYZZY\nS: XYZZY") }
    }

    @Test func `workers cannot be looked into by those they run as`() throws {
        let upstream = try StubServer.imap()
        let server = try MailServer(.imap, accepting: upstream, main: "user nobody nogroup;").server
        #expect(try server.awaitWorkers(1)[0].procOwner == 0)
    }

    // MARK: Crowds and drips

    @Test(arguments: Speech.allCases)
    func `a good login among half-open clients is not held up`(_ speech: Speech) throws {
        let upstream = try speech.upstream()
        let auth = try StubAuthServer(accepting: upstream)
        let (tlsPort, proxyPort) = (try Ports.free(), try Ports.free())
        let proxy = try MailServer(
            speech, "auth_http \(auth.url); listen 127.0.0.1:\(tlsPort) ssl; listen 127.0.0.1:\(proxyPort) proxy_protocol; \(try Certificates.shared()[.ecdsa].directives)",
            main: "worker_rlimit_nofile 8192;", events: "worker_connections 4096;")
        let starts = ["", "a", "a LOGIN {20}\r\nx", "USER u", "EHLO ", "AUTH PLAIN\r\nAGE"]
        // The start of a ClientHello, and no more of it.
        let handshakes: [[UInt8]] = [[], [0x16], [0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]]
        var crowd: [LineClient] = []
        for number in 0..<Self.crowdSize {
            switch number % 5 {
            case 0:
                crowd.append(try LineClient(tlsPort))
                try crowd[number].send(handshakes[number / 5 % handshakes.count])
            case 1:
                crowd.append(try LineClient(proxyPort))
                try crowd[number].send(Array("PROXY TCP4 192.0.2.1".utf8.prefix(number / 5 % 20)))
            default:
                crowd.append(try proxy.client())
                try crowd[number].send(starts[number % starts.count])
                _ = try crowd[number].line()
            }
        }
        let start = ContinuousClock.now
        _ = try proxy.loggedInClient(speech)
        let time = ContinuousClock.now - start
        #expect(time < .seconds(1))
        print("a good login beside \(crowd.count) half-open clients of \(speech.rawValue) took \(time)")
    }

    /// As many as `security.md` asks for, or as this process may have.
    private static let crowdSize = min(2000, raiseDescriptorLimit(to: 10_000) / 5)

    @Test(arguments: Speech.allCases)
    func `a drip of bytes does not extend timeout`(_ speech: Speech) throws {
        let auth = try StubAuthServer { _ in .hang }
        let proxy = try MailServer(speech, asking: auth, "timeout 1s;")
        let client = try proxy.client()
        let start = ContinuousClock.now
        try eventually("the end of a dripping client") {
            usleep(20_000)
            return (try? client.send("x")) == nil
        }
        #expect(ContinuousClock.now - start < .seconds(4))
    }

    @Test func `sessions leave neither descriptors nor memory behind`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer { $0["Auth-User"] == "user" ? .accept(upstream.address) : .refuse("No") }
        let proxy = try MailServer(.imap, asking: auth)
        let worker = try proxy.server.awaitWorkers(1)[0]
        func sessions(_ count: Int) throws {
            for number in 0..<count {
                let client = try proxy.client()
                switch number % 4 {
                case 0: try client.converse(Speech.imap.login() + Speech.imap.welcome)
                case 1: try client.converse(Speech.imap.login("nobody") + "S: a NO No")
                case 2: try client.converse("S: * OK IMAP4 ready\nC: a LOGOUT\nS: * BYE\nS: a OK completed")
                default: try client.send("a LOGIN {10}\r\n")
                }
            }
        }
        try sessions(200)
        try eventually("descriptors given back") { worker.descriptorCount < 40 }
        let (descriptors, memory) = (worker.descriptorCount, worker.residentSize)
        try sessions(800)
        try eventually("descriptors given back") { worker.descriptorCount <= descriptors }
        #expect(worker.residentSize - memory < 4 * 1024)
    }

    // MARK: Mutated sessions

    /// What mutants are made of: whole dialogues of each protocol, as one client says them.
    static let seeds: [Speech: [String]] = [
        .imap: [
            "a NOOP\r\nb CAPABILITY\r\nc LOGIN user secret\r\nd SELECT INBOX\r\n",
            "a LOGIN {4}\r\nuser {6}\r\nsecret\r\nb NOOP\r\n", "a LOGIN {4+}\r\nuser {6+}\r\nsecret\r\n",
            "a LOGIN \"us\\\"er\" \"sec\\\\ret\"\r\n", "a AUTHENTICATE PLAIN AHVzZXIAc2VjcmV0\r\n",
            "a AUTHENTICATE LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n",
            "a AUTHENTICATE CRAM-MD5\r\ndXNlciAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==\r\nb LOGOUT\r\n",
            "a AUTHENTICATE XOAUTH2 dXNlcj11c2VyAWF1dGg9QmVhcmVyIHNlY3JldAEB\r\n\r\n",
            "a AUTHENTICATE OAUTHBEARER bixhPXVzZXIsAWF1dGg9QmVhcmVyIHNlY3JldAEB\r\nAQ==\r\n",
        ],
        .pop3: [
            "CAPA\r\nUSER user\r\nPASS secret\r\nSTAT\r\n", "AUTH\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\n",
            "AUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n", "APOP user 0123456789abcdef0123456789abcdef\r\n",
            "AUTH CRAM-MD5\r\ndXNlciAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==\r\nQUIT\r\n", "NOOP\r\nQUIT\r\n",
        ],
        .smtp: [
            "EHLO me\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\nMAIL FROM:<a@b>\r\n", "HELO me\r\nMAIL FROM:<a@b> SIZE=1\r\nRCPT TO:<c@d>\r\nDATA\r\n",
            "AUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n", "RSET\r\nNOOP\r\nVRFY x\r\nQUIT\r\n",
            "AUTH CRAM-MD5\r\ndXNlciAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==\r\n",
        ],
    ]

    /// `MARTLET_MUTATED_SESSIONS` asks for more of them.
    static let mutantCount = ProcessInfo.processInfo.environment["MARTLET_MUTATED_SESSIONS"].flatMap { Int($0) } ?? 2000

    @Test(arguments: Speech.allCases)
    func `no mutated session ends a worker, and a good login works after all of them`(_ speech: Speech) throws {
        let mechanisms = [
            Speech.imap: "imap_auth plain login cram-md5 external xoauth2 oauthbearer;",
            .pop3: "pop3_auth plain apop cram-md5 external xoauth2 oauthbearer;",
            .smtp: "smtp_auth plain login cram-md5 external none xoauth2 oauthbearer;",
        ]
        let upstream = try speech.upstream()
        let auth = try StubAuthServer { $0.number % 5 == 0 ? .refuse("No") : .accept(upstream.address) }
        let proxy = try MailServer(speech, asking: auth, mechanisms[speech] ?? "")
        let workers = try proxy.server.awaitWorkers(1)
        let seeds = (Self.seeds[speech] ?? []).map { Array($0.utf8) }
        var random = SeededBytes(seed: 20_26)
        for _ in 0..<Self.mutantCount {
            let client = try proxy.client()
            let mutant = random.mutate(seeds[random.below(seeds.count)])
            // The server may close in the middle of what is sent; that is no failure.
            try? client.send(mutant)
            client.finishSending()
            _ = try client.rest()
        }
        _ = try proxy.loggedInClient(speech, attempts: 5)
        #expect(proxy.server.workers == workers)
        #expect(!proxy.server.log.contains("exited on signal"))
    }
}

extension MailServer {
    /// A client that has logged in where the auth server refuses some.
    fileprivate func loggedInClient(_ speech: Speech, attempts: Int) throws -> LineClient {
        for _ in 1..<attempts {
            let client = try client()
            try client.converse(speech.login())
            if try client.line().map({ "S: \($0)\n" }) == speech.welcome { return client }
        }
        return try loggedInClient(speech)
    }
}
