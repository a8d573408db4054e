import Foundation
import TestSupport
import Testing

/// The question to the auth server and what comes of its answer (`mail-auth-http.md`).
@Suite(.ownWorkspace) struct AuthHTTPTests {
    /// A login and the header lines that it makes, between `Connection` and `Auth-Protocol`.
    struct Question: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let speech: Speech
        var settings = ""
        let script: String
        let lines: [String]
        var tail: [String] = []
    }

    static let questions: [Question] = [
        Question(
            testDescription: "IMAP LOGIN", speech: .imap, script: Speech.imap.login(),
            lines: ["Auth-Method: plain", "Auth-User: user", "Auth-Pass: secret"]),
        Question(
            testDescription: "IMAP LOGIN with an empty password", speech: .imap, script: Speech.imap.login("user", "\"\""),
            lines: ["Auth-Method: plain", "Auth-User: user", "Auth-Pass: "]),
        Question(
            testDescription: "IMAP literals with every byte that is escaped and some that are not", speech: .imap,
            script: Speech.imap.login("\"us er%\u{1}é\"", "\"a\\\"b\u{7f}c:d\""),
            lines: ["Auth-Method: plain", "Auth-User: us%20er%25%01é", "Auth-Pass: a\"b\u{7f}c:d"]),
        Question(
            testDescription: "POP3 USER and PASS", speech: .pop3, script: Speech.pop3.login(),
            lines: ["Auth-Method: plain", "Auth-User: user", "Auth-Pass: secret"]),
        Question(
            testDescription: "SMTP AUTH PLAIN", speech: .smtp, script: Speech.smtp.login(),
            lines: ["Auth-Method: plain", "Auth-User: user", "Auth-Pass: secret"],
            tail: ["Client-Host: [UNAVAILABLE]"]),
        Question(
            testDescription: "SMTP without a login", speech: .smtp, settings: "smtp_auth none;",
            script: "S: …\nC: EHLO me\nS: 250 mx.test\nC: MAIL FROM: <a@b>  SIZE=1␠\nS: 250 2.0.0 OK\nC: RCPT TO:<c@d>\n",
            lines: ["Auth-Method: none", "Auth-User: ", "Auth-Pass: "],
            tail: [
                "Client-Host: [UNAVAILABLE]", "Auth-SMTP-Helo: me", "Auth-SMTP-From: MAIL FROM: <a@b>  SIZE=1",
                "Auth-SMTP-To: RCPT TO:<c@d>",
            ]),
        Question(
            testDescription: "EXTERNAL", speech: .imap, settings: "imap_auth external;",
            script: "S: …\nC: a AUTHENTICATE EXTERNAL \("user".base64)\n",
            lines: ["Auth-Method: external", "Auth-User: user", "Auth-Pass: "]),
        Question(
            testDescription: "headers of one's own come last, in order", speech: .pop3,
            settings: "auth_http_header X-Key \"a b\"; auth_http_header X-Other c;", script: Speech.pop3.login(),
            lines: ["Auth-Method: plain", "Auth-User: user", "Auth-Pass: secret"], tail: ["X-Key: a b", "X-Other: c"]),
    ]

    @Test(arguments: questions) func `the question, byte for byte`(_ case: Question) throws {
        let upstream = try `case`.speech.upstream()
        let auth = try StubAuthServer(accepting: upstream)
        try MailServer(`case`.speech, asking: auth, `case`.settings).client().converse(`case`.script)
        let lines =
            ["GET /auth HTTP/1.0", "Host: 127.0.0.1", "Connection: keep-alive"] + `case`.lines
            + ["Auth-Protocol: \(`case`.speech)", "Auth-Login-Attempt: 1", "Client-IP: 127.0.0.1"] + `case`.tail
        #expect(try auth.question().text == (lines + ["", ""]).joined(separator: "\r\n"))
    }

    @Test func `attempts of a session are counted`() throws {
        let auth = try StubAuthServer { $0.number < 3 ? .refuse("No", "Auth-Wait: 1") : .refuse("No") }
        try MailServer(.imap, asking: auth).client().converse("""
            S: * OK IMAP4 ready
            C: a LOGIN user one
            S: a NO No
            C: b LOGIN user two
            S: b NO No
            C: c LOGIN user three
            S: c NO No
            S.
            """)
        #expect(auth.questions.map { $0["Auth-Login-Attempt"] } == ["1", "2", "3"])
    }

    @Test func `the answer replaces name and password`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer(accepting: upstream, "Auth-User: real", "Auth-Pass: other")
        let proxy = try MailServer(.imap, asking: auth)
        try proxy.client().converse(Speech.imap.login() + Speech.imap.welcome)
        #expect(try upstream.session().notes["login"] == ["real"])
        #expect(try upstream.session().notes["password"] == ["other"])
        try proxy.server.awaitLog("client logged in, client: 127.0.0.1, server: 127.0.0.1:\(proxy.port), login: \"real\", upstream: 127.0.0.1:\(upstream.port)")
    }

    @Test(arguments: [Delivery.byteByByte, .splitAt(20)])
    func `an answer may come in any pieces`(_ delivery: Delivery) throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer(.init(delivery: delivery)) { _ in .accept(upstream.address) }
        try MailServer(.imap, asking: auth).client().converse(Speech.imap.login() + Speech.imap.welcome)
    }

    @Test func `headers in any letter case, with underscores, and a body`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer { _ in
            .raw("HTTP/1.1 200 OK\r\nX_Trace_Id: 7\r\nauth-STATUS:   OK  \r\nAUTH-SERVER: 127.0.0.1\r\nauth-port: \(upstream.port)\r\nContent-Length: 5\r\n\r\nhello")
        }
        try MailServer(.imap, asking: auth).client().converse(Speech.imap.login() + Speech.imap.welcome)
    }

    @Test func `an answer may be long`() throws {
        let upstream = try StubServer.imap()
        let cookie = "Set-Cookie: " + String(repeating: "x", count: 10_000)
        let auth = try StubAuthServer { _ in .accept(upstream.address, cookie) }
        try MailServer(.imap, asking: auth).client().converse(Speech.imap.login() + Speech.imap.welcome)
    }

    // MARK: Failing closed

    /// Answers that must let nobody in, though some of them look as if they would. PORT is a real upstream's.
    static let failures: [(String, String)] = [
        ("nothing at all", ""),
        ("garbage", "garbage garbage\r\n\r\n"),
        ("an error page", "HTTP/1.1 500 Internal Server Error\r\n\r\n"),
        ("an error with headers of success", "HTTP/1.1 500 Oops\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: PORT\r\n\r\n"),
        ("no status", "HTTP/1.0 200 OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: PORT\r\n\r\n"),
        ("cut short", "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: PORT\r\n"),
        ("two statuses that contradict", "HTTP/1.0 200 OK\r\nAuth-Status: Invalid login\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: PORT\r\n\r\n"),
        ("no server", "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Port: PORT\r\n\r\n"),
        ("no port", "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\n\r\n"),
        ("port 0", "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: 0\r\n\r\n"),
        ("a port too large", "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: 65536\r\n\r\n"),
        ("no address", "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.999\r\nAuth-Port: PORT\r\n\r\n"),
        ("a header that never ends", "HTTP/1.0 200 OK\r\nX: " + String(repeating: "x", count: 100_000)),
    ]

    @Test(arguments: failures, Speech.allCases)
    func `an answer that is not a clear yes or no is an internal error`(_ failure: (String, String), _ speech: Speech) throws {
        let upstream = try speech.upstream()
        let auth = try StubAuthServer { _ in .raw(failure.1.replacingOccurrences(of: "PORT", with: "\(upstream.port)")) }
        try MailServer(speech, asking: auth, "auth_http_timeout 5s;").client()
            .converse(speech.login() + "S: \(speech.internalError)\nS.")
        #expect(upstream.sessions.isEmpty)
    }

    @Test func `what the log says of answers without a route`() throws {
        for (answer, text) in [
            (AuthAnswer.headers(["Auth-Status: OK"]), "did not send server or port"),
            (.headers(["Auth-Status: OK", "Auth-Server: x", "Auth-Port: 1"]), "sent invalid server address:\"x\""),
            (.headers(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 70000"]), "sent invalid server port:\"70000\""),
        ] {
            let auth = try StubAuthServer { _ in answer }
            let proxy = try MailServer(.imap, asking: auth)
            try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
            try proxy.server.awaitLog(
                "auth http server 127.0.0.1:\(auth.server.port) \(text) while in http auth state, client: 127.0.0.1, server: 127.0.0.1:\(proxy.port), login: \"user\"")
        }
    }

    @Test func `an error status with a refusal is a refusal`() throws {
        let auth = try StubAuthServer { _ in .headers(["Auth-Status: Account locked"], status: "403 Forbidden") }
        let proxy = try MailServer(.imap, asking: auth)
        try proxy.client().converse(Speech.imap.login() + "S: a NO Account locked\nS.")
        try proxy.server.awaitLog("[info] ")
        try proxy.server.awaitLog("client login failed: \"Account locked\" while in http auth state, client: 127.0.0.1, server: 127.0.0.1:\(proxy.port), login: \"user\"")
    }

    @Test func `APOP needs a password from the auth server`() throws {
        let upstream = try StubServer.pop3()
        let auth = try StubAuthServer(accepting: upstream)
        let proxy = try MailServer(.pop3, asking: auth, "pop3_auth apop;")
        try proxy.client().converse("S: …\nC: APOP user 0123\nS: -ERR internal server error\nS.")
        try proxy.server.awaitLog("auth http server 127.0.0.1:\(auth.server.port) did not send password")
    }

    // MARK: Slowness

    @Test(arguments: [true, false])
    func `an auth server that hangs costs a session no more than auth_http_timeout`(_ drips: Bool) throws {
        let auth = try StubAuthServer { _ in drips ? .rawAndWait("HTTP/1.0 200 OK\r\nAuth-Sta") : .hang }
        let proxy = try MailServer(.imap, asking: auth, "auth_http_timeout 500ms;")
        let start = ContinuousClock.now
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        #expect(ContinuousClock.now - start < .seconds(10))
        try proxy.server.awaitLog("auth http server 127.0.0.1:\(auth.server.port) timed out (110: Connection timed out) while in http auth state")
    }

    @Test func `a drip of bytes does not extend auth_http_timeout`() throws {
        let server = try StubServer { session in
            session.delivery = .byteByByte
            while try session.line().map({ $0 != [13, 10] }) ?? false {}
            try session.send("HTTP/1.0 200 OK\r\n")
            while true {
                usleep(50_000)
                try session.send("X")
            }
        }
        let proxy = try MailServer(.imap, "auth_http 127.0.0.1:\(server.port)/; auth_http_timeout 600ms;")
        let start = ContinuousClock.now
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test func `nobody listening at auth_http is an internal error`() throws {
        let port = try Ports.free()
        let proxy = try MailServer(.imap, "auth_http 127.0.0.1:\(port);")
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        try proxy.server.awaitLog("(111: Connection refused)")
    }

    @Test func `the auth server may listen at a UNIX socket`() throws {
        let upstream = try StubServer.pop3()
        let auth = try StubAuthServer(at: .path(try Workspace.here().file("auth.sock"))) { _ in .accept(upstream.address) }
        try MailServer(.pop3, asking: auth).client().converse(Speech.pop3.login() + Speech.pop3.welcome)
        let question = try auth.question()
        #expect(question.lines.first == "GET /auth HTTP/1.0")
        #expect(question["Host"] == "localhost")
    }

    // MARK: WAIT

    @Test func `WAIT asks again with the same attempt and the same digest`() throws {
        let upstream = try StubServer.pop3()
        let auth = try StubAuthServer {
            $0.number == 1 ? .headers(["Auth-Status: WAIT", "Auth-Wait: 1"]) : .accept(upstream.address, "Auth-Pass: other")
        }
        try MailServer(.pop3, asking: auth, "pop3_auth apop;").client()
            .converse("S: …\nC: APOP user 0123\nS: +OK logged in")
        #expect(auth.questions.map { $0["Auth-Login-Attempt"] } == ["1", "1"])
        #expect(auth.questions.map { $0["Auth-Pass"] } == ["0123", "0123"])
    }

    @Test func `WAIT without a time waits a second all the same`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer { $0.number == 1 ? .headers(["Auth-Status: WAIT"]) : .accept(upstream.address) }
        let client = try MailServer(.imap, asking: auth).client()
        let start = ContinuousClock.now
        try client.converse(Speech.imap.login() + Speech.imap.welcome)
        #expect(ContinuousClock.now - start >= .milliseconds(950))
    }

    @Test func `nobody is asked about a client that has gone`() throws {
        let auth = try StubAuthServer { _ in .headers(["Auth-Status: WAIT", "Auth-Wait: 1"]) }
        let proxy = try MailServer(.imap, asking: auth)
        let client = try proxy.client()
        try client.converse(Speech.imap.login())
        _ = try auth.question()
        client.close()
        // A second session asks after the first one's second question would have come.
        let other = try proxy.client()
        try other.converse(Speech.imap.login("other"))
        _ = try eventually("the other's second question") {
            auth.questions.filter { $0["Auth-User"] == "other" }.count == 2 ? true : nil
        }
        #expect(auth.questions.filter { $0["Auth-User"] == "user" }.count == 1)
    }

    // MARK: Kept connections

    @Test func `a second question goes over the first one's connection`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer(accepting: upstream)
        let proxy = try MailServer(.imap, asking: auth)
        for _ in 1...5 { try proxy.client().converse(Speech.imap.login() + Speech.imap.welcome) }
        #expect(auth.questions.count == 5)
        #expect(auth.connectionCount == 1)
    }

    @Test func `a kept connection that has been closed is replaced, and no client notices`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer(.init(answersPerConnection: 2)) { _ in .accept(upstream.address) }
        let proxy = try MailServer(.imap, asking: auth)
        for _ in 1...6 { try proxy.client().converse(Speech.imap.login() + Speech.imap.welcome) }
        #expect(auth.questions.count == 6)
        #expect(auth.connectionCount == 3)
    }

    /// The close and the next question cross on the way, so the question is sent once more.
    @Test func `a connection closed upon a question has it sent again on a fresh one`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer { $0.number == 2 ? .close : .accept(upstream.address) }
        let proxy = try MailServer(.imap, asking: auth)
        for _ in 1...2 { try proxy.client().converse(Speech.imap.login() + Speech.imap.welcome) }
        #expect(auth.questions.map(\.connection) == [1, 1, 2])
        #expect(auth.questions[1].bytes == auth.questions[2].bytes)
    }

    @Test func `many logins at once are all answered, each its own`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer { $0["Auth-Pass"] == "good" ? .accept(upstream.address) : .refuse("No \($0["Auth-User"] ?? "")") }
        let proxy = try MailServer(.imap, asking: auth)
        let clients = try (0..<60).map { _ in try proxy.client() }
        for client in clients { try client.expect("* OK IMAP4 ready") }
        for (number, client) in clients.enumerated() {
            try client.send("a LOGIN user\(number) \(number.isMultiple(of: 3) ? "bad" : "good")\r\n")
        }
        for (number, client) in clients.enumerated() {
            try client.expect(number.isMultiple(of: 3) ? "a NO No user\(number)" : "a OK logged in")
        }
        #expect(auth.questions.count == 60)
    }

    @Test func `a server that keeps no connection alive is asked over a new one each time`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer(.init(keepsAlive: false)) { _ in .accept(upstream.address) }
        let proxy = try MailServer(.imap, asking: auth)
        for _ in 1...3 { try proxy.client().converse(Speech.imap.login() + Speech.imap.welcome) }
        #expect(auth.connectionCount == 3)
    }
}
