import TestSupport
import Testing

@testable import Protocols

@Suite struct POP3UpstreamDialogueTests {
    private static func dialogue(
        _ method: AuthMethod = .plain, _ login: String = "joe", _ secret: String? = "pass word", upstreamDecides: Bool = false
    ) -> POP3UpstreamDialogue {
        let credentials = Credentials(
            method: method, login: Array(login.utf8), secret: secret.map { Secret(Array($0.utf8)) })
        return POP3UpstreamDialogue(
            credentials, to: UpstreamTerms(client: ClientFacts(source: nil), upstreamDecides: upstreamDecides))
    }

    private func expect(_ text: String, from dialogue: POP3UpstreamDialogue = dialogue(), _ delivery: Delivery) {
        let script = Transcript(text)
        var runner = UpstreamTranscriptRunner(dialogue)
        #expect(runner.play(script, delivery) == script)
    }

    @Test(arguments: Delivery.allCases, [false, true])
    func `USER and PASS log in, and the client hears the upstream's own word of it`(
        _ delivery: Delivery, _ upstreamDecides: Bool
    ) {
        expect("""
            S: +OK hello <1.2@host>
            C: USER joe
            S: +OK send PASS
            C: PASS pass word
            S: +OK joe has 2 messages
            => accepted: +OK joe has 2 messages⏎
            """, from: Self.dialogue(upstreamDecides: upstreamDecides), delivery)
    }

    @Test(arguments: [AuthMethod.apop, .cramMD5, .external, .xoauth2, .oauthbearer])
    func `a password that the auth server gave logs in whatever the client's mechanism was`(_ method: AuthMethod) {
        expect("""
            S: +OK
            C: USER joe
            S: +OK
            C: PASS secret
            S: +OK
            => accepted: +OK⏎
            """, from: Self.dialogue(method, "joe", "secret"), .whole)
    }

    @Test(arguments: ["-ERR", "-ERR [AUTH] no", "-ERR no such user"])
    func `an error to USER or PASS is about the credentials`(_ reply: String) {
        expect("S: +OK\nC: USER joe\nS: \(reply)\n=> refused: \(reply)⏎", .byteByByte)
        expect("S: +OK\nC: USER joe\nS: +OK\nC: PASS pass word\nS: \(reply)\n=> refused: \(reply)⏎", .byteByByte)
    }

    @Test(arguments: ["-ERR [SYS/TEMP] later", "-ERR [IN-USE] locked", "-ERR [login-delay] wait", "+ more", "220 mx", ""])
    func `what is not about the credentials fails`(_ reply: String) {
        expect("S: \(reply)\n=> failed: \(reply)⏎", .byteByByte)
        expect("S: +OK\nC: USER joe\nS: \(reply)\n=> failed: \(reply)⏎", .byteByByte)
        expect("S: +OK\nC: USER joe\nS: +OK\nC: PASS pass word\nS: \(reply)\n=> failed: \(reply)⏎", .byteByByte)
    }

    @Test func `a greeting that is an error fails`() {
        expect("S: -ERR go away\n=> failed: -ERR go away⏎", .whole)
    }

    @Test(arguments: [
        ("joe\r\nDELE 1", "x"), ("joe\n", "x"), ("joe\r", "x"), ("joe\0", "x"), ("joe", "x\r\nDELE 1"), ("joe", "x\0"),
    ])
    func `credentials that would end their line are not said`(_ login: String, _ password: String) {
        expect("S: +OK\n=> unspeakable", from: Self.dialogue(.plain, login, password), .whole)
    }

    @Test func `without a password there is no login`() {
        expect("S: +OK\n=> noPassword", from: Self.dialogue(.external, "joe", nil), .whole)
    }

    @Test(arguments: [AuthMethod.apop, .cramMD5])
    func `a digest that nobody has checked is no password`(_ method: AuthMethod) {
        expect("S: +OK\n=> noPassword", from: Self.dialogue(method, "joe", "0123", upstreamDecides: true), .whole)
    }

    @Test(arguments: Delivery.allCases)
    func `a token that nobody has checked is put to the upstream by its own mechanism`(_ delivery: Delivery) {
        expect("""
            S: +OK
            C: AUTH XOAUTH2
            S: + 
            C: dXNlcj1qb2UBYXV0aD1CZWFyZXIgdG9rZW4BAQ==
            S: +OK welcome
            => accepted: +OK welcome⏎
            """, from: Self.dialogue(.xoauth2, "joe", "token", upstreamDecides: true), delivery)
    }

    @Test(arguments: [(AuthMethod.xoauth2, "XOAUTH2", "dXNlcj1qb2UBYXV0aD1CZWFyZXIgdG9rZW4BAQ==", ""),
        (.oauthbearer, "OAUTHBEARER", "bixhPWpvZSwBYXV0aD1CZWFyZXIgdG9rZW4BAQ==", "AQ==")])
    func `the upstream's explanation is answered and reported`(
        _ method: AuthMethod, _ name: String, _ response: String, _ answer: String
    ) {
        expect("""
            S: +OK
            C: AUTH \(name)
            S: +
            C: \(response)
            S: + e30=
            C: \(answer)
            S: -ERR expired
            => refused, error e30=: -ERR expired⏎
            """, from: Self.dialogue(method, "joe", "token", upstreamDecides: true), .byteByByte)
    }

    @Test(arguments: ["", "S: + e30=\nC: \n"])
    func `an upstream that cannot judge the token now fails`(_ explanation: String) {
        expect("""
            S: +OK
            C: AUTH XOAUTH2
            S: +
            C: dXNlcj1qb2UBYXV0aD1CZWFyZXIgdG9rZW4BAQ==
            \(explanation)S: -ERR [SYS/TEMP] later
            => failed: -ERR [SYS/TEMP] later⏎
            """, from: Self.dialogue(.xoauth2, "joe", "token", upstreamDecides: true), .byteByByte)
    }

    @Test func `a token is refused without an explanation too, and an unknown mechanism is a fault`() {
        let dialogue = Self.dialogue(.xoauth2, "joe", "token", upstreamDecides: true)
        let response = "dXNlcj1qb2UBYXV0aD1CZWFyZXIgdG9rZW4BAQ=="
        expect("S: +OK\nC: AUTH XOAUTH2\nS: +\nC: \(response)\nS: -ERR no\n=> refused: -ERR no⏎", from: dialogue, .whole)
        expect("S: +OK\nC: AUTH XOAUTH2\nS: -ERR what\n=> failed: -ERR what⏎", from: dialogue, .whole)
        expect(
            "S: +OK\nC: AUTH XOAUTH2\nS: +\nC: \(response)\nS: + e30=\nC: \nS: +OK\n=> failed: +OK⏎", from: dialogue, .whole)
    }

    @Test(arguments: [("jo\u{1}e", "token"), ("joe", "tok\u{1}en")])
    func `a token that would end its field is not said`(_ login: String, _ token: String) {
        expect("S: +OK\n=> unspeakable", from: Self.dialogue(.xoauth2, login, token, upstreamDecides: true), .whole)
    }

    @Test func `the log hears what is going on`() {
        var dialogue = Self.dialogue()
        var activities = ["\(dialogue.activity)"]
        for _ in 0..<2 {
            _ = dialogue.receive(Array("+OK\r\n".utf8).span)
            activities.append("\(dialogue.activity)")
        }
        #expect(activities == [
            "reading response from upstream", "sending user name to upstream", "sending password to upstream",
        ])
        var token = Self.dialogue(.xoauth2, "joe", "token", upstreamDecides: true)
        _ = token.receive(Array("+OK\r\n".utf8).span)
        #expect("\(token.activity)" == "sending AUTH to upstream")
    }

    @Test(arguments: [(65_536, UpstreamAction.awaitInput), (65_537, .tooLong)])
    func `a line has its bound`(_ byteCount: Int, _ action: UpstreamAction) {
        var dialogue = Self.dialogue()
        let line = Array(repeating: UInt8(ascii: "+"), count: byteCount)
        #expect(dialogue.receive(line.span).action == action)
        #expect(dialogue.receive((line + [.lineFeed]).span).action == .tooLong)
    }

    @Test func `no reply whatever traps the machine`() {
        var random = SeededBytes(seed: 1995)
        let lines = ["+OK", "+", "+ e30=", "-ERR", "-ERR [SYS/TEMP]"].map { Array(($0 + "\r\n").utf8) }
        let dialogues = [Self.dialogue(), Self.dialogue(.oauthbearer, "a,b=", "token", upstreamDecides: true)]
        var dialogue = dialogues[0]
        for round in 0..<100_000 {
            if round % 4 == 0 { dialogue = dialogues[random.below(2)] }
            let line = lines[random.below(lines.count)]
            let input = random.below(3) == 0 ? random.mutate(line) : line
            let step = dialogue.receive(input.span)
            #expect(step.byteCount <= input.count && (step.byteCount > 0 || step.action == .awaitInput))
        }
    }
}
