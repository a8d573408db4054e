import Testing

@testable import Protocols

@Suite struct AuthResponseTests {
    typealias Verdict = AuthResponse.Verdict

    private static let ok = "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\n"
    private static let route = "Auth-Server: 192.0.2.7\r\nAuth-Port: 143\r\n"

    private static func accepted(
        _ server: String = "192.0.2.7", _ port: UInt16 = 143, user: String? = nil, password: String? = nil,
        security: UpstreamSecurity? = nil
    ) -> Verdict {
        .accepted(
            server: server, address: InternetAddress(Array(server.utf8).span), port: port, user: user.map { Array($0.utf8) },
            password: password.map { Secret(Array($0.utf8)) }, security: security)
    }

    private static func refused(
        _ message: String, code: String? = nil, saslError: String? = nil, wait: Duration? = nil
    ) -> Verdict {
        .refused(
            Refusal(
                .message(Array(message.utf8)), smtpCode: code.map { Array($0.utf8) },
                saslError: saslError.map { Array($0.utf8) }),
            wait: wait)
    }

    private static func parse(_ text: String, isEnd: Bool = false) -> Parsed<AuthResponse> {
        AuthResponse.parse(Array(text.utf8).span, isEnd: isEnd)
    }

    private static func verdict(_ text: String) -> Verdict? {
        guard case .complete(let answer, text.utf8.count) = parse(text) else { return nil }
        return answer.verdict
    }

    static let accepting: [(String, Verdict)] = [
        (ok + route + "\r\n", accepted()),
        (ok + "Auth-Server: 2001:db8::1\r\nAuth-Port: 65535\r\n\r\n", accepted("2001:db8::1", 65535)),
        (ok + "Auth-Server: [::1]\r\nAuth-Port: 1\r\n\r\n", accepted("::1", 1)),
        ("HTTP/1.1 204\nauth-status:OK\nAUTH-SERVER:192.0.2.7\nAuth-port:143\n\n", accepted()),
        ("HTTP/1.1 299 Fine by me\r\nAuth-Status:   OK  \r\n" + route + "\r\n", accepted()),
        (ok + route + "Auth-User: else\r\nAuth-Pass: a b:c%20\r\n\r\n", accepted(user: "else", password: "a b:c%20")),
        (ok + route + "Auth-Pass:\r\n\r\n", accepted(password: "")),
        (ok + route + "Auth-SSL: off\r\n\r\n", accepted(security: .off)),
        (ok + route + "auth-ssl:on\r\n\r\n", accepted(security: .on)),
        (ok + route + "Auth-SSL: starttls\r\nAuth-SSL: starttls\r\n\r\n", accepted(security: .startTLS)),
        (ok + route + route + "Auth-Status: OK\r\n\r\n", accepted()),
        (ok + "X_Trace.id: 1:2\r\nSet-Cookie: a=b; c\r\nNothing\r\n" + route + "\r\n", accepted()),
        (ok + "X: " + String(repeating: "x", count: 16_000) + "\r\n" + route + "\r\n", accepted()),
        (ok + route + "Auth-Wait: 3\r\nAuth-Error-Code: 451\r\n\r\n", accepted()),
        (ok + route + "Content-Length: 5\r\n\r\nhello", accepted()),
        (ok + route + "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n", accepted()),
    ]

    @Test(arguments: accepting)
    func `a yes needs a 2xx status, Auth-Status OK, a server and a port`(_ text: String, _ expected: Verdict) {
        #expect(Self.verdict(text) == expected)
    }

    static let refusing: [(String, Verdict)] = [
        ("HTTP/1.0 200 OK\r\nAuth-Status: Invalid login or password\r\n\r\n", refused("Invalid login or password")),
        ("HTTP/1.0 403 No\r\nAuth-Status: blocked\r\nAuth-Wait: 3\r\n\r\n", refused("blocked", wait: .seconds(3))),
        ("Auth-Status: no\r\n\r\n", refused("no")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: ok\r\n" + route + "\r\n", refused("ok")),
        ("HTTP/1.0 200 OK\r\nAuth-Status:\r\n" + route + "\r\n", refused("")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: a\tb\0c\u{1B}[0m\u{7F}é\r\n\r\n", refused("a b c [0m é")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Wait: 0\r\n\r\n", refused("x")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Wait: -1\r\n\r\n", refused("x")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Wait: 1\r\nAuth-Wait: 2\r\n\r\n", refused("x", wait: .seconds(2))),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Wait: 3600\r\n\r\n", refused("x", wait: .seconds(3600))),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Wait: 3601\r\n\r\n", refused("x", wait: .seconds(3600))),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Wait: 99999999999999999999\r\n\r\n", refused("x")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Error-Code: 451 4.3.0\r\n\r\n", refused("x", code: "451 4.3.0")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Error-Code: 550\r\n\r\n", refused("x", code: "550")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Error-Code: 235\r\n\r\n", refused("x")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Error-Code: 535-x\r\n\r\n", refused("x")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Error-Code: 5350\r\n\r\n", refused("x")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Error-Code: 5\r\n\r\n", refused("x")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Error-SASL: eyJ9+/==\r\n\r\n", refused("x", saslError: "eyJ9+/==")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: x\r\nAuth-Error-SASL: a b\r\n\r\n", refused("x")),
        ("HTTP/1.0 200 OK\r\nAuth-Status: WAIT\r\n\r\n", .wait(.zero)),
        ("HTTP/1.0 503 Later\r\nAuth-Status: WAIT\r\nAuth-Wait: 2\r\n\r\n", .wait(.seconds(2))),
    ]

    @Test(arguments: refusing)
    func `any other status is a refusal in its words, or a wait`(_ text: String, _ expected: Verdict) {
        #expect(Self.verdict(text) == expected)
    }

    static let failing: [(String, String)] = [
        ("HTTP/1.0 500 Oh\r\nAuth-Status: OK\r\n" + route + "\r\n", "sent status 500"),
        ("HTTP/1.0 302 There\r\nAuth-Status: OK\r\n" + route + "\r\n", "sent status 302"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "sent status 100"),
        ("HTTP/1.0 404 Not Found\r\n" + route + "\r\n", "sent status 404"),
        ("Auth-Status: OK\r\n" + route + "\r\n", "sent no status line"),
        ("HTTP/1.0 200 OK\r\n" + route + "\r\n", "did not send status"),
        ("HTTP/1.0 200 OK\r\n\r\n", "did not send status"),
        (ok + "\r\n", "did not send server or port"),
        (ok + "Auth-Server: 192.0.2.7\r\n\r\n", "did not send server or port"),
        (ok + "Auth-Port: 143\r\n\r\n", "did not send server or port"),
        (ok + "Auth-Server:\r\nAuth-Port: 143\r\n\r\n", "did not send server or port"),
        (ok + "Auth-Server: a..example\r\nAuth-Port: 143\r\n\r\n", "sent invalid server address:\"a..example\""),
    ] + ["[192.0.2.7]", "[::1", "::1]", "[]", "[mail.example]", "127.1", "fe80::1%eth0", "unix:/tmp/s"].map {
        (ok + "Auth-Server: \($0)\r\nAuth-Port: 143\r\n\r\n", "sent invalid server address:\"\($0)\"")
    } + [
        (ok + route + "Auth-SSL: yes\r\n\r\n", "sent invalid upstream security:\"yes\""),
        (ok + route + "Auth-SSL: ON\r\n\r\n", "sent invalid upstream security:\"ON\""),
        (ok + route + "Auth-SSL:\r\n\r\n", "sent invalid upstream security:\"\""),
        (ok + route + "Auth-SSL: on\r\nAuth-SSL: off\r\n\r\n", "sent contradictory \"auth-ssl\" headers in response"),
        (ok + "Auth-Server: 192.0.2.7\r\nAuth-Port: 0\r\n\r\n", "sent invalid server port:\"0\""),
        (ok + "Auth-Server: 192.0.2.7\r\nAuth-Port: 65536\r\n\r\n", "sent invalid server port:\"65536\""),
        (ok + "Auth-Server: 192.0.2.7\r\nAuth-Port: +25\r\n\r\n", "sent invalid server port:\"+25\""),
        (ok + "Auth-Server: x/\r\nAuth-Port: y\r\n\r\n", "sent invalid server address:\"x/\""),
        (ok + route + "Auth-Status: no\r\n\r\n", "sent contradictory \"auth-status\" headers in response"),
        (ok + route + "Auth-Server: 192.0.2.8\r\n\r\n", "sent contradictory \"auth-server\" headers in response"),
        (ok + route + "auth-port: 144\r\n\r\n", "sent contradictory \"auth-port\" headers in response"),
        (ok + route + "Auth-User: a\r\nAuth-User: b\r\n\r\n", "sent contradictory \"auth-user\" headers in response"),
        (ok + route + "Auth-User: a\r\nAuth-User: b\r\nAuth-User: a\r\n\r\n", "sent contradictory \"auth-user\" headers in response"),
        (ok + route + "Auth-User: a\r\nAuth-User: b\r\nAuth-User: b\r\n\r\n", "sent contradictory \"auth-user\" headers in response"),
        (ok + route + "Auth-Pass: a\r\nAuth-Pass:\r\n\r\n", "sent contradictory \"auth-pass\" headers in response"),
    ]

    @Test func `there is a place for each header that means anything`() throws {
        for name in HTTPResponseHead.Name.allCases {
            let bytes = Array("HTTP/1.0 200 OK\r\n\(name.word): value\r\n\r\n".utf8)
            guard case .complete(let head, byteCount: bytes.count) = HTTPResponseHead.parse(bytes.span) else { throw Unparsed() }
            let value = try #require(try head.value(of: name), "\(name)")
            #expect(String(decoding: bytes[value], as: UTF8.self) == "value")
        }
    }

    private struct Unparsed: Error {}

    @Test(arguments: failing)
    func `whatever is not a consistent yes is the auth server's failure`(_ text: String, _ expected: String) {
        #expect(Self.verdict(text) == .failure(expected))
    }

    @Test(arguments: [
        ("HTTP/1.0 20 OK\r\n\r\n", "sent invalid response"),
        ("HTTP/1.0 2000 OK\r\n\r\n", "sent invalid response"),
        ("HTTP/1.0\r\n\r\n", "sent invalid response"),
        ("HTTP/1.0 200 O\rK\r\n\r\n", "sent invalid response"),
        ("\r\n" + ok + route + "\r\n", "sent invalid header in response"),
        (ok + " Auth-Server: 192.0.2.7\r\n", "sent invalid header in response"),
        (ok + "Auth-Server : 192.0.2.7\r\n", "sent invalid header in response"),
        (ok + ": 192.0.2.7\r\n", "sent invalid header in response"),
        (ok + "Auth-User: a\rb\r\n", "sent invalid header in response"),
        ("<html>\r\n", "sent invalid header in response"),
        (ok + route + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "sent invalid response"),
        (ok + route + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "sent invalid response"),
        (ok + route + "Content-Length: -1\r\n\r\n", "sent invalid response"),
        (ok + route + "Content-Length: 18446744073709551617\r\n\r\n", "sent invalid response"),
        (ok + route + "Transfer-Encoding: chunked\r\n\r\nx\r\n", "sent invalid response"),
        (ok + route + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc", "sent invalid response"),
        (ok + route + "Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\n", "sent invalid response"),
    ])
    func `what is not HTTP is invalid`(_ text: String, _ expected: String) {
        guard case .invalid(let fault, _) = Self.parse(text) else {
            Issue.record("\(Self.parse(text))")
            return
        }
        #expect(AuthResponse.failureText(for: fault) == expected)
    }

    @Test func `a header may have 16 KiB and not a byte more`() {
        let end = "\r\n" + Self.route + "\r\n"
        let most = 16 * 1024
        let start = Self.ok + "X: "
        let padding = most - start.utf8.count - end.utf8.count
        #expect(Self.verdict(start + String(repeating: "x", count: padding) + end) == Self.accepted())
        let tooLong = start + String(repeating: "x", count: padding + 1) + end
        #expect(Self.parse(tooLong) == .invalid(.tooLong, byteCount: most + 1))
        #expect(AuthResponse.parse(Array(tooLong.utf8.prefix(most - 1)).span, isEnd: false) == .incomplete)
        #expect(AuthResponse.failureText(for: .tooLong) == "sent too long response")
    }

    @Test func `an answer cut short anywhere waits for the rest, and is a failure if none comes`() {
        for (text, _) in Self.accepting + Self.refusing where text.utf8.count < 1000 {
            let bytes = Array(text.utf8)
            for byteCount in bytes.indices {
                let start = Array(bytes.prefix(byteCount))
                #expect(AuthResponse.parse(start.span, isEnd: false) == .incomplete, "\(text.prefix(byteCount))")
                let failure = AuthResponse(keepsConnection: false, verdict: .failure("prematurely closed connection"))
                #expect(AuthResponse.parse(start.span, isEnd: true) == .complete(failure, byteCount: byteCount))
            }
            #expect(AuthResponse.parse(bytes.span, isEnd: true) == AuthResponse.parse(bytes.span, isEnd: false))
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", true),
        ("HTTP/1.1 204 No Content\r\n", true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x,\tclose , y\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: closed\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n", false),
        ("HTTP/1.1 200 OK\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n", true),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\nConnection: close\r\n", false),
        ("Content-Length: 0\r\nConnection: keep-alive\r\n", false),
    ])
    func `a connection is kept where the version and the body's end allow it`(_ head: String, _ expected: Bool) {
        let text = head + "Auth-Status: no\r\n\r\n"
        guard case .complete(let answer, text.utf8.count) = Self.parse(text + "HTTP/1.1") else {
            Issue.record("\(Self.parse(text))")
            return
        }
        #expect(answer.keepsConnection == expected)
    }

    @Test func `answers on one connection follow each other`() {
        let bodies = [
            "Content-Length: 5\r\n\r\nAuth-",
            "Transfer-Encoding: Chunked\r\n\r\n3\r\n\r\n\r\r\n0\r\n\r\n",
            "Content-Length: 0\r\n\r\n",
        ]
        let answers = bodies.enumerated().map { "HTTP/1.1 200 OK\r\nAuth-Status: no \($0)\r\n" + $1 }
        var rest = Array(answers.joined().utf8)[...]
        for (index, answer) in answers.enumerated() {
            let expected = AuthResponse(keepsConnection: true, verdict: Self.refused("no \(index)"))
            #expect(AuthResponse.parse(Array(rest).span, isEnd: true) == .complete(expected, byteCount: answer.utf8.count))
            rest = rest.dropFirst(answer.utf8.count)
        }
        #expect(rest.isEmpty)
    }

    @Test func `a body of 64 KiB is waited for, a longer one is not`() {
        let head = "HTTP/1.1 200 OK\r\nAuth-Status: no\r\nTransfer-Encoding: chunked\r\n\r\n"
        let answer = AuthResponse(keepsConnection: false, verdict: Self.refused("no"))
        // 3 + 2 bytes for the length, 2 behind the data, 5 for the last chunk.
        let most = 64 * 1024 - 12
        for (size, expected) in [
            (most, Parsed.incomplete), (64 * 1024, .complete(answer, byteCount: head.utf8.count)),
        ] {
            #expect(Self.parse(head + String(size, radix: 16) + "\r\n") == expected)
        }
        let drip = String(repeating: "1\r\nx\r\n", count: 11_000)
        #expect(Self.parse(head + drip) == .complete(answer, byteCount: head.utf8.count))
        #expect(Self.parse(head + "1;" + String(repeating: "x", count: 65_534)) == .complete(answer, byteCount: head.utf8.count))
    }

    @Test func `no bytes trap, and none but a whole yes is a yes`() {
        var random = Mutation(seed: 20_26)
        let seeds = (Self.accepting + Self.refusing).map { Array($0.0.utf8) }.filter { $0.count < 1000 }
            + Self.failing.map { Array($0.0.utf8) }
        for _ in 0..<100_000 {
            var bytes = seeds[Int(random.next() % UInt64(seeds.count))]
            random.mutate(&bytes)
            let isEnd = random.next() % 2 == 0
            switch AuthResponse.parse(bytes.span, isEnd: isEnd) {
            case .incomplete: #expect(!isEnd)
            case .invalid(_, let byteCount): #expect(0...bytes.count ~= byteCount)
            case .complete(let answer, let byteCount):
                guard 0...bytes.count ~= byteCount else {
                    Issue.record("\(byteCount) of \(bytes)")
                    return
                }
                guard case .accepted(_, _, let port, _, _, _) = answer.verdict else { continue }
                #expect(port > 0 && bytes.starts(with: "HTTP/".utf8))
                let cut = Array(bytes.prefix(Int(random.next() % UInt64(byteCount))))
                if case .complete(let answer, _) = AuthResponse.parse(cut.span, isEnd: true), case .accepted = answer.verdict {
                    Issue.record("\(cut)")
                }
            }
        }
    }
}

/// The same mutations in every run.
private struct Mutation: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    // SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func mutate(_ bytes: inout [UInt8]) {
        let telling = Array("\r\n: ,;.0159aAfFx[]\0\u{7F}é".utf8)
        for _ in 0..<Int(next() % 4) where !bytes.isEmpty {
            let index = Int(next() % UInt64(bytes.count))
            switch next() % 5 {
            case 0: bytes[index] = UInt8(truncatingIfNeeded: next())
            case 1: bytes[index] = telling[Int(next() % UInt64(telling.count))]
            case 2: bytes.insert(telling[Int(next() % UInt64(telling.count))], at: index)
            case 3: bytes.remove(at: index)
            default: bytes.removeSubrange(index...)
            }
        }
    }
}
