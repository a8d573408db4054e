import Configuration
import TestSupport
import Testing

@testable import Protocols

@Suite struct SMTPClientDialogueTests {
    static func server(
        auth: [String]? = nil, capabilities: [String] = [], startTLS: StartTLS = .off, maxErrors: Int = 5,
        maxCommands: Int = 1000
    ) -> SMTP {
        var settings = Settings()
        if let auth { settings[SMTPSettings.self].auth = auth }
        settings[SMTPSettings.self].capabilities = capabilities.map { Array($0.utf8) }
        return SMTP(
            settings,
            policy: DialoguePolicy(
                serverName: Array("mx.test".utf8), startTLS: startTLS, maxErrors: maxErrors, maxCommands: maxCommands))
    }

    private static func dialogue(of server: SMTP = server()) -> any ClientDialogue {
        server.makeClientDialogue(DialogueStart(challenge: 1, time: 2))
    }

    private func expect(_ text: String, from server: SMTP = server(), overTLS: Bool = false, _ delivery: Delivery) {
        let script = Transcript("S: 220 mx.test ESMTP ready\n" + text)
        var runner = ClientTranscriptRunner(Self.dialogue(of: server), overTLS: overTLS)
        #expect(runner.play(script, delivery) == script)
    }

    @Test(arguments: Delivery.allCases)
    func `each command has its answer`(_ delivery: Delivery) {
        expect("""
            C: HELO me
            S: 250 mx.test
            C: helo
            S: 501 5.5.4 Invalid argument
            C: EHLO a b
            S: 501 5.5.4 Invalid argument
            C: NOOP
            S: 250 2.0.0 OK
            C: RSET
            S: 250 2.0.0 OK
            C: VRFY joe
            S: 500 5.5.1 Invalid command
            C: EXPN list
            S: 500 5.5.1 Invalid command
            C: HELP
            S: 500 5.5.1 Invalid command
            C: STARTTLS
            S: 500 5.5.1 Invalid command
            C: AUTH
            S: 501 5.5.4 Invalid argument
            C: AUTH PLAIN a b
            S: 500 5.5.1 Invalid command
            C: AUTH KERBEROS
            S: 500 5.5.1 Invalid command
            C: RCPT TO:<x>
            S: 503 5.5.1 Bad sequence of commands
            C: QUIT
            S: 221 2.0.0 Bye
            => close
            """, from: Self.server(maxErrors: 1), delivery)
    }

    @Test(arguments: [
        (StartTLS.off, false, ["250-mx.test", "250-SIZE 100", "250-PIPELINING", "250 AUTH PLAIN LOGIN CRAM-MD5"]),
        (.off, true, ["250-mx.test", "250-SIZE 100", "250-PIPELINING", "250 AUTH PLAIN LOGIN CRAM-MD5"]),
        (.on, false, ["250-mx.test", "250-SIZE 100", "250-PIPELINING", "250-AUTH PLAIN LOGIN CRAM-MD5", "250 STARTTLS"]),
        (.on, true, ["250-mx.test", "250-SIZE 100", "250-PIPELINING", "250 AUTH PLAIN LOGIN CRAM-MD5"]),
        (.only, false, ["250-mx.test", "250-SIZE 100", "250-PIPELINING", "250 STARTTLS"]),
        (.only, true, ["250-mx.test", "250-SIZE 100", "250-PIPELINING", "250 AUTH PLAIN LOGIN CRAM-MD5"]),
    ])
    func `EHLO shows what can be done now`(_ startTLS: StartTLS, _ overTLS: Bool, _ lines: [String]) {
        let server = Self.server(
            auth: ["cram-md5", "none", "login", "plain"], capabilities: ["SIZE 100", "PIPELINING"], startTLS: startTLS)
        expect("C: EHLO me\n" + lines.map { "S: \($0)" }.joined(separator: "\n"), from: server, overTLS: overTLS, .whole)
    }

    @Test func `EHLO shows the name alone where there is nothing more`() {
        expect("C: EHLO me\nS: 250 mx.test", from: Self.server(auth: ["none"]), .whole)
        expect("C: EHLO me\nS: 250-mx.test\nS: 250 AUTH PLAIN", from: Self.server(auth: ["plain"]), .whole)
    }

    @Test(arguments: Delivery.allCases)
    func `every form of AUTH comes to credentials`(_ delivery: Delivery) {
        expect("""
            C: AUTH plain
            S: 334 
            C: AGpvZQBwYXNz and more
            => authenticate plain [joe] [pass]
            -> refused, may try again: no
            S: 535 5.7.0 no
            C: AUTH PLAIN AGpvZQBwYXNz
            => authenticate plain [joe] [pass]
            -> refused, may try again: no
            S: 535 5.7.0 no
            C: AUTH LOGIN
            S: 334 VXNlcm5hbWU6
            C: am9l
            S: 334 UGFzc3dvcmQ6
            C: cGFzcw==
            => authenticate plain [joe] [pass]
            -> refused, may try again: no
            S: 535 5.7.0 no
            C: AUTH LOGIN am9l
            S: 334 UGFzc3dvcmQ6
            C: cGFzcw==
            => authenticate plain [joe] [pass]
            -> refused, may try again: no
            S: 535 5.7.0 no
            C: AUTH CRAM-MD5
            S: 334 PDEuMkBteC50ZXN0Pg==
            C: am9lIDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm
            => authenticate cram-md5 [joe] [0123456789abcdef0123456789abcdef]
            -> refused, may try again: no
            S: 535 5.7.0 no
            C: AUTH EXTERNAL
            S: 334 VXNlcm5hbWU6
            C: am9l
            => authenticate external [joe] [none]
            -> refused: no
            S: 535 5.7.0 no
            => close
            """, from: Self.server(auth: ["cram-md5", "external"]), delivery)
    }

    @Test(arguments: [
        "AUTH CRAM-MD5", "AUTH EXTERNAL", "AUTH EXTERNAL am9l", "AUTH XOAUTH2", "AUTH OAUTHBEARER bixh", "AUTH CRAM-MD5 x",
    ])
    func `a mechanism that is not configured is refused, and not counted as an error`(_ command: String) {
        expect("""
            C: \(command)
            S: 500 5.5.1 Invalid command
            C: NOOP
            S: 250 2.0.0 OK
            """, from: Self.server(auth: ["plain"], maxErrors: 1), .byteByByte)
    }

    @Test(arguments: Delivery.allCases)
    func `a bad response ends its exchange, and is not counted`(_ delivery: Delivery) {
        expect("""
            C: AUTH LOGIN
            S: 334 VXNlcm5hbWU6
            C: *
            => note client sent invalid base64 encoding in AUTH LOGIN command
            S: 500 5.5.1 Invalid command
            C: NOOP
            S: 250 2.0.0 OK
            C: AUTH PLAIN =
            => note client sent invalid login in AUTH PLAIN command
            S: 500 5.5.1 Invalid command
            """, from: Self.server(maxErrors: 1), delivery)
    }

    @Test(arguments: Delivery.allCases)
    func `a refused token is explained before the refusal`(_ delivery: Delivery) {
        let token = "bixhPWpvZSwBYXV0aD1CZWFyZXIgdG9rZW4BAQ=="
        expect("""
            C: AUTH OAUTHBEARER \(token)
            => authenticate oauthbearer [joe] [token]
            -> refused, may try again, error e30=: token expired
            S: 334 e30=
            C: AQ==
            S: 535 5.7.0 token expired
            C: AUTH OAUTHBEARER
            S: 334 
            C: \(token)
            => authenticate oauthbearer [joe] [token]
            -> refused, error e30=: token expired
            S: 334 e30=
            C: 
            S: 500 5.5.1 Invalid command
            => close
            """, from: Self.server(auth: ["oauthbearer"]), delivery)
    }

    @Test(arguments: [
        ("451 4.3.0", "451 4.3.0 later on\r\n"), (nil, "535 5.7.0 later on\r\n"), ("", "535 5.7.0 later on\r\n"),
        ("250\r\n354", "535 5.7.0 later on\r\n"), ("45x", "535 5.7.0 later on\r\n"),
    ])
    func `a refusal has the auth server's code, if it is one, and no control bytes`(_ code: String?, _ line: String) {
        var dialogue = Self.dialogue()
        let refusal = Refusal(.message(Array("later\non".utf8)), smtpCode: code.map { Array($0.utf8) })
        #expect(dialogue.refuse(refusal, thenCloses: true) == .close(after: Array(line.utf8)))
        #expect(dialogue.refuse(refusal, thenCloses: false) == .reply(Array(line.utf8)))
    }

    @Test func `the upstream's own words are passed on as they are`() {
        var dialogue = Self.dialogue()
        let reply = Array("535-5.7.8 no\r\n535 5.7.8 really\r\n".utf8)
        #expect(dialogue.refuse(Refusal(.reply(reply)), thenCloses: true) == .close(after: reply))
    }

    @Test(arguments: Delivery.allCases)
    func `without a login there is no mail, and what is pipelined behind it is answered`(_ delivery: Delivery) {
        let script = Transcript("C: MAIL FROM:<a\u{1}\t>\nC: RCPT TO:<b>\nC: NOOP\nC: MAIL")
        var runner = ClientTranscriptRunner(Self.dialogue())
        let said = runner.play(script, delivery).lines.filter { line in
            if case .client = line { false } else { true }
        }
        #expect(said == Transcript("""
            S: 220 mx.test ESMTP ready
            => note client was rejected: "MAIL FROM:<a__>"
            S: 530 5.7.1 Authentication required
            S: 503 5.5.1 Bad sequence of commands
            S: 250 2.0.0 OK
            => note client was rejected: "MAIL"
            S: 530 5.7.1 Authentication required
            """).lines)
    }

    @Test(arguments: Delivery.allCases)
    func `without authentication the first recipient asks the auth server`(_ delivery: Delivery) {
        expect("""
            C: MAIL
            S: 501 5.5.4 Invalid argument
            C: MAIL FROM:<a>  SIZE=1 
            S: 250 2.0.0 OK
            C: MAIL FROM:<b>
            S: 503 5.5.1 Bad sequence of commands
            C: RCPT
            S: 501 5.5.4 Invalid argument
            C: RCPT TO:<x>
            => authenticate none [] [none]
            -> refused, may try again: no such user
            S: 535 5.7.0 no such user
            C: MAIL FROM:<b>
            S: 503 5.5.1 Bad sequence of commands
            C: RCPT TO:<y>
            => authenticate none [] [none]
            -> refused, may try again: no such user
            S: 535 5.7.0 no such user
            C: AUTH PLAIN x
            => note client sent invalid base64 encoding in AUTH PLAIN command
            S: 500 5.5.1 Invalid command
            C: RCPT TO:<y>
            => authenticate none [] [none]
            -> refused, may try again: no
            S: 535 5.7.0 no
            C: RSET
            S: 250 2.0.0 OK
            C: RCPT TO:<y>
            S: 503 5.5.1 Bad sequence of commands
            C: MAIL FROM:<c>
            S: 250 2.0.0 OK
            C: HELO me
            S: 250 mx.test
            C: RCPT TO:<y>
            S: 503 5.5.1 Bad sequence of commands
            """, from: Self.server(auth: ["none"]), delivery)
    }

    @Test(arguments: [("", ""), ("HELO me\r\n", "me"), ("EHLO me\r\nHELO you\r\n", "you")])
    func `an envelope holds the client's own lines`(_ greeting: String, _ helo: String) {
        var dialogue = Self.dialogue(of: Self.server(auth: ["none", "plain"]))
        var input = Array((greeting + "mail from: <a>  SIZE=1  \r\nRCPT TO:<b> X=\u{1}\r\n").utf8)
        var last = ClientAction.awaitInput
        while !input.isEmpty {
            let bytes = input
            let step = dialogue.receive(bytes.span, overTLS: false)
            input.removeFirst(step.byteCount)
            last = step.action
        }
        let envelope = SMTPEnvelope(
            helo: Array(helo.utf8), from: Array("mail from: <a>  SIZE=1".utf8), to: Array("RCPT TO:<b> X=\u{1}".utf8))
        #expect(last == .authenticate(Credentials(method: .none, login: [], secret: nil, envelope: envelope)))
    }

    @Test(arguments: Delivery.allCases)
    func `starttls only lets nothing in before TLS`(_ delivery: Delivery) {
        expect("""
            C: AUTH
            S: 500 5.5.1 Invalid command
            C: AUTH PLAIN AGpvZQBwYXNz
            S: 500 5.5.1 Invalid command
            C: MAIL FROM:<a>
            => note client was rejected: "MAIL FROM:<a>"
            S: 530 5.7.0 Must issue a STARTTLS command first
            C: RCPT TO:<b>
            => note client was rejected: "RCPT TO:<b>"
            S: 530 5.7.0 Must issue a STARTTLS command first
            C: STARTTLS
            S: 220 2.0.0 Start TLS
            => TLS
            -> TLS
            C: MAIL FROM:<a>
            S: 250 2.0.0 OK
            C: RCPT TO:<b>
            => authenticate none [] [none]
            """, from: Self.server(auth: ["plain", "none"], startTLS: .only), delivery)
    }

    @Test(arguments: Delivery.allCases)
    func `STARTTLS forgets the sender, and is offered once`(_ delivery: Delivery) {
        expect("""
            C: MAIL FROM:<a>
            S: 250 2.0.0 OK
            C: STARTTLS now
            S: 220 2.0.0 Start TLS
            => TLS
            -> TLS
            C: RCPT TO:<b>
            S: 503 5.5.1 Bad sequence of commands
            C: STARTTLS
            S: 500 5.5.1 Invalid command
            """, from: Self.server(auth: ["none"], startTLS: .on), delivery)
    }

    @Test func `at the switch to TLS the client's name is forgotten, and that it speaks ESMTP is not`() {
        var dialogue = Self.dialogue(of: Self.server(auth: ["none"], startTLS: .on))
        _ = dialogue.receive(Array("EHLO me\r\n".utf8).span, overTLS: false)
        dialogue.forgetPlaintext()
        let credentials = Credentials(method: .plain, login: Array("joe".utf8), secret: nil)
        let terms = UpstreamTerms(client: ClientFacts(source: Endpoint(.ipv4(0x7F00_0001), port: 40000)))
        var upstream = dialogue.makeUpstreamDialogue(with: credentials, to: terms)
        let hello = upstream.receive(Array("220 hi\r\n".utf8).span).action
        #expect(hello == .send(Secret(Array("EHLO mx.test\r\n".utf8))))
        _ = upstream.receive(Array("250 mx\r\n".utf8).span)
        // No EHLO follows XCLIENT, for there is no name to say in it.
        #expect(upstream.receive(Array("220 mx\r\n".utf8).span).action == .accepted(reply: SMTPReply.authenticated))
    }

    @Test(arguments: Delivery.allCases)
    func `the last bad line that is allowed is answered, then it is over`(_ delivery: Delivery) {
        expect("""
            C: DATA
            S: 500 5.5.1 Invalid command
            C: AUTH LOGIN
            S: 334 VXNlcm5hbWU6
            C: 1 2 3 4 5 6 7 8 9 10 11 12
            S: 500 5.5.1 Invalid command
            C: NOOP
            S: 250 2.0.0 OK
            C: XCLIENT ADDR=1.2.3.4
            => note client sent too many invalid commands
            S: 500 5.5.1 Invalid command
            => close
            """, from: Self.server(maxErrors: 3), delivery)
    }

    @Test func `there is a last command`() {
        expect("""
            C: NOOP
            S: 250 2.0.0 OK
            C: NOOP
            S: 250 2.0.0 OK
            C: NOOP
            => note client sent too many commands
            S: 500 5.5.1 Invalid command
            => close
            """, from: Self.server(maxCommands: 2), .whole)
    }

    @Test func `a command that fills the buffer ends the session`() {
        var dialogue = Self.dialogue()
        let step = dialogue.receiveTooLong(Array("AUTH PLAIN secret".utf8).span)
        #expect(step.action == .close(after: SMTPReply.invalidCommand))
        #expect(step.note == "client sent too long command \"AUTH\"")
    }

    @Test(arguments: [
        (Farewell.internalError, "451 4.3.2 Internal server error"),
        (.certificateError, "421 4.7.1 SSL certificate error"),
        (.noRequiredCertificate, "421 4.7.1 No required SSL certificate"),
        (.spokeTooSoon, "503 5.5.0 Improper use of SMTP command pipelining"),
    ])
    func `nginx's farewells are said in its words`(_ reason: Farewell, _ line: String) {
        #expect(Self.dialogue().farewell(reason) == Array("\(line)\r\n".utf8))
    }

    @Test(arguments: [(Farewell.timedOut, "421 4.4.2 mx.test "), (.shuttingDown, "421 4.3.2 mx.test "),
        (.tooManyConnections, "421 4.3.2 mx.test "), (.accessForbidden, "554 5.7.1 mx.test "),
        (.tooManyFailures, "421 4.7.0 mx.test ")])
    func `our own farewells say who goes, in one line`(_ reason: Farewell, _ start: String) {
        let line = Self.dialogue().farewell(reason)
        #expect(line.starts(with: start.utf8))
        #expect(line.span.line()?.end == line.count)
    }

    @Test func `no input whatever traps the machine`() {
        var random = SeededBytes(seed: 2500)
        let server = Self.server(
            auth: ["plain", "cram-md5", "oauthbearer", "none"], startTLS: .on, maxErrors: .max, maxCommands: .max)
        let lines = [
            "HELO me", "EHLO me", "AUTH PLAIN", "AGpvZQBwYXNz", "AUTH LOGIN am9l", "AUTH CRAM-MD5", "MAIL FROM:<a>",
            "RCPT TO:<b>", "AUTH OAUTHBEARER", "bixhPWpvZSwBYXV0aD1CZWFyZXIgdG9rZW4BAQ==", "STARTTLS", "NOOP", "RSET", "",
        ].map { Array(($0 + "\r\n").utf8) }
        var dialogue = server.makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        for _ in 0..<100_000 {
            let line = lines[random.below(lines.count)]
            let input = random.below(3) == 0 ? random.mutate(line) : line
            let step = dialogue.receive(input.span, overTLS: random.below(2) == 0)
            #expect(step.byteCount <= input.count && (step.byteCount > 0 || step.action == .awaitInput))
            if case .authenticate = step.action {
                _ = dialogue.refuse(
                    Refusal(.message(input), smtpCode: input, saslError: Array("e30=".utf8)), thenCloses: false)
            }
        }
    }
}
