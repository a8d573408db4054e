import Configuration
import TestSupport
import Testing

@testable import Protocols

@Suite struct POP3ClientDialogueTests {
    static func server(
        auth: [String]? = nil, startTLS: StartTLS = .off, maxErrors: Int = 5, maxCommands: Int = 1000
    ) -> POP3 {
        var settings = Settings()
        if let auth { settings[POP3Settings.self].auth = auth }
        return POP3(
            settings,
            policy: DialoguePolicy(
                serverName: Array("mx.test".utf8), startTLS: startTLS, maxErrors: maxErrors, maxCommands: maxCommands))
    }

    private func expect(_ text: String, from server: POP3 = server(), overTLS: Bool = false, _ delivery: Delivery) {
        let script = Transcript(text)
        let dialogue = server.makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        var runner = ClientTranscriptRunner(dialogue, overTLS: overTLS)
        #expect(runner.play(script, delivery) == script)
    }

    @Test(arguments: Delivery.allCases)
    func `USER and PASS log in`(_ delivery: Delivery) {
        expect("""
            S: +OK POP3 ready
            C: USER joe of here 
            S: +OK
            C: NOOP
            S: +OK
            C: PASS  my pass 
            => authenticate plain [joe of here ] [my pass ]
            """, delivery)
    }

    @Test(arguments: Delivery.allCases)
    func `pipelined commands are answered one after another, and those behind a refusal too`(_ delivery: Delivery) {
        let dialogue = Self.server().makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        var runner = ClientTranscriptRunner(dialogue)
        let script = Transcript("""
            C: USER joe
            C: PASS wrong
            C: NOOP
            C: QUIT
            -> refused, may try again: wrong password
            """)
        let said = runner.play(script, delivery).lines.filter { line in
            if case .client = line { false } else { true }
        }
        #expect(said == Transcript("""
            S: +OK POP3 ready
            S: +OK
            => authenticate plain [joe] [wrong]
            -> refused, may try again: wrong password
            S: -ERR wrong password
            S: +OK
            S: +OK
            => close
            """).lines)
    }

    @Test(arguments: ["USER x", "AUTH", "AUTH PLAIN", "APOP a b", "STLS", "USER", "PASS", "NONSENSE"])
    func `what does not fit after USER makes it forgotten`(_ command: String) {
        expect("""
            S: +OK POP3 ready <1.2@mx.test>
            C: USER joe
            S: +OK
            C: \(command)
            S: -ERR invalid command
            C: PASS secret
            S: -ERR invalid command
            """, from: Self.server(auth: ["plain", "apop"], startTLS: .on), .whole)
    }

    @Test(arguments: Delivery.allCases)
    func `a refused login may be tried again, or is the last word`(_ delivery: Delivery) {
        expect("""
            S: +OK POP3 ready
            C: USER joe
            S: +OK
            C: PASS wrong
            => authenticate plain [joe] [wrong]
            -> refused, may try again: no such user
            S: -ERR no such user
            C: PASS right
            S: -ERR invalid command
            C: USER joe
            S: +OK
            C: PASS right
            => authenticate plain [joe] [right]
            -> refused: go away\t\u{1}now
            S: -ERR go away  now
            => close
            """, delivery)
    }

    @Test func `the upstream's own words are passed on as they are`() {
        var dialogue = Self.server().makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        let reply = Array("-ERR [AUTH] no\r\n".utf8)
        #expect(dialogue.refuse(Refusal(.reply(reply)), thenCloses: true) == .close(after: reply))
        #expect(dialogue.refuse(Refusal(.reply(reply)), thenCloses: false) == .reply(reply))
    }

    @Test(arguments: Delivery.allCases)
    func `APOP and CRAM-MD5 answer the greeting's challenge`(_ delivery: Delivery) {
        expect("""
            S: +OK POP3 ready <1.2@mx.test>
            C: APOP joe 0123456789
            => authenticate apop [joe] [0123456789]
            -> refused, may try again: no
            S: -ERR no
            C: AUTH cram-md5
            S: + PDEuMkBteC50ZXN0Pg==
            C: am9lIDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm
            => authenticate cram-md5 [joe] [0123456789abcdef0123456789abcdef]
            """, from: Self.server(auth: ["apop", "cram-md5"]), delivery)
    }

    @Test func `the salt goes along with APOP`() {
        var dialogue = Self.server(auth: ["apop"]).makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        let step = dialogue.receive(Array("APOP joe 01\r\n".utf8).span, overTLS: false)
        let credentials = Credentials(
            method: .apop, login: Array("joe".utf8), secret: Secret(Array("01".utf8)), salt: Array("<1.2@mx.test>".utf8))
        #expect(step.action == .authenticate(credentials))
    }

    @Test(arguments: ["APOP joe 01", "AUTH CRAM-MD5", "AUTH EXTERNAL", "AUTH EXTERNAL am9l", "AUTH XOAUTH2", "AUTH KERBEROS"])
    func `a mechanism that is not configured is refused, and not counted as an error`(_ command: String) {
        expect("""
            S: +OK POP3 ready
            C: \(command)
            S: -ERR invalid command
            C: \(command)
            S: -ERR invalid command
            C: NOOP
            S: +OK
            """, from: Self.server(maxErrors: 1), .byteByByte)
    }

    @Test(arguments: Delivery.allCases)
    func `PLAIN and LOGIN are accepted though nothing lists them`(_ delivery: Delivery) {
        expect("""
            S: +OK POP3 ready <1.2@mx.test>
            C: AUTH PLAIN
            S: + 
            C: AGpvZQBwYXNz and more
            => authenticate plain [joe] [pass]
            -> refused, may try again: no
            S: -ERR no
            C: AUTH PLAIN AGpvZQBwYXNz
            => authenticate plain [joe] [pass]
            -> refused, may try again: no
            S: -ERR no
            C: AUTH login
            S: + VXNlcm5hbWU6
            C: am9l
            S: + UGFzc3dvcmQ6
            C: cGFzcw==
            => authenticate plain [joe] [pass]
            -> refused, may try again: no
            S: -ERR no
            C: AUTH LOGIN am9l
            S: + UGFzc3dvcmQ6
            C: 
            => authenticate plain [joe] []
            """, from: Self.server(auth: ["apop"]), delivery)
    }

    @Test(arguments: Delivery.allCases)
    func `a bad response ends its exchange, is not counted, and is noted without its text`(_ delivery: Delivery) {
        expect("""
            S: +OK POP3 ready
            C: AUTH PLAIN
            S: + 
            C: *
            => note client sent invalid base64 encoding in AUTH PLAIN command
            S: -ERR invalid command
            C: AUTH PLAIN AGpvZQ==
            => note client sent invalid password in AUTH PLAIN command
            S: -ERR invalid command
            C: AUTH EXTERNAL
            S: + VXNlcm5hbWU6
            C: am9l
            => authenticate external [joe] [none]
            """, from: Self.server(auth: ["plain", "external"], maxErrors: 1), delivery)
    }

    @Test(arguments: Delivery.allCases)
    func `a refused token is explained before the refusal`(_ delivery: Delivery) {
        let token = "dXNlcj1qb2UBYXV0aD1CZWFyZXIgdG9rZW4BAQ=="
        expect("""
            S: +OK POP3 ready
            C: AUTH XOAUTH2
            S: + 
            C: \(token)
            => authenticate xoauth2 [joe] [token]
            -> refused, may try again, error e30=: token expired
            S: + e30=
            C: 
            S: -ERR token expired
            C: AUTH XOAUTH2 \(token)
            => authenticate xoauth2 [joe] [token]
            -> refused, may try again, error e30=: token expired
            S: + e30=
            C: nonsense
            S: -ERR invalid command
            C: AUTH XOAUTH2 \(token)
            => authenticate xoauth2 [joe] [token]
            -> refused, error e30=: token expired
            S: + e30=
            C: 
            S: -ERR token expired
            => close
            """, from: Self.server(auth: ["xoauth2"]), delivery)
    }

    @Test(arguments: ["", ", error a b", ", error a^Ab"])
    func `a refusal whose explanation is missing or cannot be said comes at once`(_ explanation: String) {
        expect("""
            S: +OK POP3 ready
            C: AUTH OAUTHBEARER bixhPWpvZSwBYXV0aD1CZWFyZXIgdG9rZW4BAQ==
            => authenticate oauthbearer [joe] [token]
            -> refused, may try again\(explanation.replacing("^A", with: "\u{1}")): no
            S: -ERR no
            C: NOOP
            S: +OK
            """, from: Self.server(auth: ["oauthbearer"]), .whole)
    }

    @Test func `a password's refusal is never explained`() {
        expect("""
            S: +OK POP3 ready
            C: AUTH PLAIN AGpvZQBwYXNz
            => authenticate plain [joe] [pass]
            -> refused, error e30=: no
            S: -ERR no
            => close
            """, .whole)
    }

    @Test(arguments: [
        (StartTLS.off, false, ["TOP", "USER", "UIDL", "SASL PLAIN LOGIN"]),
        (.off, true, ["TOP", "USER", "UIDL", "SASL PLAIN LOGIN"]),
        (.on, false, ["TOP", "USER", "UIDL", "SASL PLAIN LOGIN", "STLS"]),
        (.on, true, ["TOP", "USER", "UIDL", "SASL PLAIN LOGIN"]),
        (.only, false, ["TOP", "UIDL", "STLS"]),
        (.only, true, ["TOP", "USER", "UIDL", "SASL PLAIN LOGIN"]),
    ])
    func `CAPA shows what can be done now`(_ startTLS: StartTLS, _ overTLS: Bool, _ lines: [String]) {
        expect("""
            S: +OK POP3 ready
            C: CAPA
            S: +OK Capability list follows
            \(lines.map { "S: \($0)" }.joined(separator: "\n"))
            S: .
            """, from: Self.server(startTLS: startTLS), overTLS: overTLS, .whole)
    }

    @Test func `after USER, CAPA shows no STLS and keeps the user`() {
        expect("""
            S: +OK POP3 ready
            C: USER joe
            S: +OK
            C: CAPA
            S: +OK Capability list follows
            S: TOP
            S: USER
            S: UIDL
            S: SASL PLAIN LOGIN
            S: .
            C: PASS x
            => authenticate plain [joe] [x]
            """, from: Self.server(startTLS: .on), .whole)
    }

    @Test func `mechanisms are listed in one order, and APOP never`() {
        let server = Self.server(auth: ["oauthbearer", "xoauth2", "external", "cram-md5", "apop", "plain"])
        expect("""
            S: +OK POP3 ready <1.2@mx.test>
            C: AUTH
            S: +OK methods supported:
            S: PLAIN
            S: LOGIN
            S: CRAM-MD5
            S: EXTERNAL
            S: XOAUTH2
            S: OAUTHBEARER
            S: .
            """, from: server, .whole)
        expect("""
            S: +OK POP3 ready <1.2@mx.test>
            C: CAPA
            S: +OK Capability list follows
            S: TOP
            S: USER
            S: UIDL
            S: SASL
            S: .
            """, from: Self.server(auth: ["apop"]), .whole)
    }

    @Test(arguments: Delivery.allCases)
    func `STLS forgets the input behind it and what was said before it`(_ delivery: Delivery) {
        expect("""
            S: +OK POP3 ready
            C: STLS now
            S: +OK
            => TLS
            -> TLS
            C: STLS
            S: -ERR invalid command
            C: USER joe
            S: +OK
            C: PASS x
            => authenticate plain [joe] [x]
            """, from: Self.server(startTLS: .on), delivery)
    }

    @Test func `a name given in the clear is forgotten at the switch`() {
        var dialogue = Self.server(startTLS: .on).makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        _ = dialogue.receive(Array("USER joe\r\n".utf8).span, overTLS: false)
        dialogue.forgetPlaintext()
        let step = dialogue.receive(Array("PASS x\r\n".utf8).span, overTLS: true)
        #expect(step.action == .reply(POP3Reply.invalidCommand))
    }

    @Test(arguments: ["USER joe", "APOP a b", "AUTH", "AUTH PLAIN", "AUTH PLAIN AGpvZQBwYXNz"])
    func `starttls only refuses every login command in the clear`(_ command: String) {
        expect("""
            S: +OK POP3 ready <1.2@mx.test>
            C: \(command)
            S: -ERR invalid command
            C: PASS x
            S: -ERR invalid command
            C: NOOP
            S: +OK
            """, from: Self.server(auth: ["plain", "apop"], startTLS: .only), .whole)
    }

    @Test func `STLS is refused where it is not offered`() {
        expect("""
            S: +OK POP3 ready
            C: STLS
            S: -ERR invalid command
            """, .whole)
    }

    @Test(arguments: Delivery.allCases)
    func `the last bad line that is allowed is answered, then it is over`(_ delivery: Delivery) {
        expect("""
            S: +OK POP3 ready
            C: STAT
            S: -ERR invalid command
            C: PASS wrong state
            S: -ERR invalid command
            C: AUTH PLAIN
            S: + 
            C: 1 2 3 4
            S: -ERR invalid command
            C: NOOP
            S: +OK
            C: LIST
            => note client sent too many invalid commands
            S: -ERR invalid command
            => close
            """, from: Self.server(maxErrors: 3), delivery)
    }

    @Test func `errors are counted through STLS`() {
        expect("""
            S: +OK POP3 ready
            C: STAT
            S: -ERR invalid command
            C: STLS
            S: +OK
            => TLS
            -> TLS
            C: STAT
            => note client sent too many invalid commands
            S: -ERR invalid command
            => close
            """, from: Self.server(startTLS: .on, maxErrors: 2), .whole)
    }

    @Test func `responses count as commands, of which there are not many`() {
        expect("""
            S: +OK POP3 ready
            C: AUTH LOGIN
            S: + VXNlcm5hbWU6
            C: am9l
            S: + UGFzc3dvcmQ6
            C: cGFzcw==
            => note client sent too many commands
            S: -ERR invalid command
            => close
            """, from: Self.server(maxCommands: 2), .whole)
    }

    @Test(arguments: [("PASS secret", "PASS"), ("AUTH PLAIN AGpv", "AUTH"), ("c2VjcmV0", ""), ("se-cret word", "")])
    func `a command that fills the buffer ends the session, and its argument is not logged`(
        _ start: String, _ word: String
    ) {
        let input = Array((start + String(repeating: "x", count: 4096 - start.utf8.count)).utf8)
        var dialogue = Self.server().makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        #expect(dialogue.receive(input.span, overTLS: false).action == .awaitInput)
        let step = dialogue.receiveTooLong(input.span)
        #expect(step.action == .close(after: POP3Reply.invalidCommand))
        #expect(step.note == "client sent too long command \"\(word)\"")
    }

    @Test func `of a response that fills the buffer nothing is logged`() {
        var dialogue = Self.server().makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        _ = dialogue.receive(Array("AUTH PLAIN\r\n".utf8).span, overTLS: false)
        #expect(dialogue.receiveTooLong(Array("secret x".utf8).span).note == "client sent too long command \"\"")
    }

    @Test(arguments: [
        (Farewell.internalError, "-ERR internal server error"),
        (.certificateError, "-ERR SSL certificate error"),
        (.noRequiredCertificate, "-ERR No required SSL certificate"),
    ])
    func `nginx's farewells are said in its words`(_ reason: Farewell, _ line: String) {
        let dialogue = Self.server().makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        #expect(dialogue.farewell(reason) == Array("\(line)\r\n".utf8))
    }

    @Test(arguments: Farewell.allCases)
    func `every farewell is one line that says no`(_ reason: Farewell) {
        let dialogue = Self.server().makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        let line = dialogue.farewell(reason)
        #expect(POP3Reply.parse(line.span) == .complete(.error(isTemporary: false), byteCount: line.count))
    }

    @Test func `no input whatever traps the machine`() {
        var random = SeededBytes(seed: 1100)
        let server = Self.server(
            auth: ["plain", "apop", "cram-md5", "xoauth2"], startTLS: .on, maxErrors: .max, maxCommands: .max)
        let lines = [
            "USER joe", "PASS secret", "AUTH PLAIN", "AGpvZQBwYXNz", "AUTH LOGIN am9l", "AUTH CRAM-MD5", "CAPA", "APOP a b",
            "AUTH XOAUTH2", "dXNlcj1qb2UBYXV0aD1CZWFyZXIgdG9rZW4BAQ==", "STLS", "NOOP", "",
        ].map { Array(($0 + "\r\n").utf8) }
        var dialogue = server.makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        for _ in 0..<100_000 {
            let line = lines[random.below(lines.count)]
            let input = random.below(3) == 0 ? random.mutate(line) : line
            let step = dialogue.receive(input.span, overTLS: random.below(2) == 0)
            #expect(step.byteCount <= input.count && (step.byteCount > 0 || step.action == .awaitInput))
            if case .authenticate = step.action {
                _ = dialogue.refuse(Refusal(.message(input), saslError: Array("e30=".utf8)), thenCloses: false)
            }
        }
    }
}
