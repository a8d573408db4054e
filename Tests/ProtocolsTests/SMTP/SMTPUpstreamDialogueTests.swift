import Configuration
import TestSupport
import Testing

@testable import Protocols

@Suite struct SMTPUpstreamDialogueTests {
    /// What a login depends on, with a value for each that most tests leave alone.
    private struct Terms {
        var method = AuthMethod.plain
        var login = "joe"
        var secret: String? = "pass"
        var envelope: SMTPEnvelope?
        var helo: String? = "me"
        var speaksESMTP = true
        var address: String? = "127.0.0.1"
        var host = "[UNAVAILABLE]"
        var upstreamDecides = false
        var proxiesSMTPAuth = false
        var sendsXCLIENT = false

        var dialogue: SMTPUpstreamDialogue {
            let credentials = Credentials(
                method: method, login: Array(login.utf8), secret: secret.map { Secret(Array($0.utf8)) },
                envelope: envelope)
            let source = address.flatMap { InternetAddress(Array($0.utf8).span) }.map { Endpoint($0, port: 40000) }
            let route = UpstreamTerms(
                client: ClientFacts(source: source, hostName: Array(host.utf8)), upstreamDecides: upstreamDecides)
            let policy = DialoguePolicy(
                serverName: Array("mx.test".utf8), proxiesSMTPAuth: proxiesSMTPAuth, sendsXCLIENT: sendsXCLIENT)
            let client = SMTPClientWords(helo: helo.map { Array($0.utf8) }, speaksESMTP: speaksESMTP)
            return SMTPUpstreamDialogue(credentials, from: client, to: route, of: SMTP(Settings(), policy: policy))
        }

        static func message(from: String = "MAIL FROM:<>", to: String = "RCPT TO:<x> FOO=1") -> Terms {
            let envelope = SMTPEnvelope(helo: Array("me".utf8), from: Array(from.utf8), to: Array(to.utf8))
            return Terms(method: .none, login: "", secret: nil, envelope: envelope)
        }

        func with(_ change: (inout Terms) -> Void) -> Terms {
            var terms = self
            change(&terms)
            return terms
        }
    }

    private func expect(_ text: String, _ terms: Terms, _ delivery: Delivery = .byteByByte) {
        let script = Transcript(text)
        var runner = UpstreamTranscriptRunner(terms.dialogue)
        #expect(runner.play(script, delivery) == script)
    }

    @Test(arguments: [(true, "EHLO"), (false, "HELO")])
    func `an upstream that trusts us is only greeted`(_ speaksESMTP: Bool, _ verb: String) {
        expect("""
            S: 220-mx.example
            S: 220 ready
            C: \(verb) mx.test
            S: 250-mx.example
            S: 250 SIZE
            => accepted: 235 2.0.0 OK⏎
            """, Terms().with { $0.speaksESMTP = speaksESMTP })
    }

    @Test(arguments: Delivery.allCases)
    func `XCLIENT tells of the client, whose own greeting follows`(_ delivery: Delivery) {
        expect("""
            S: 220 ready
            C: EHLO mx.test
            S: 250-mx.example
            S: 250-XCLIENT NAME ADDR LOGIN
            S: 250 SIZE
            C: XCLIENT ADDR=127.0.0.1 LOGIN=u+20ser+2B+3D NAME=[UNAVAILABLE]
            S: 220 again
            C: EHLO me
            S: 250 mx.example
            => accepted: 235 2.0.0 OK⏎
            """, Terms(login: "u ser+=", sendsXCLIENT: true), delivery)
    }

    @Test func `XCLIENT follows EHLO even where the client says HELO or nothing`() {
        let start = """
            S: 220 ready
            C: EHLO mx.test
            S: 250 mx.example
            C: XCLIENT ADDR=IPV6:::1 LOGIN=joe NAME=host.example
            S: 250 fine

            """
        let terms = Terms(speaksESMTP: false, address: "::1", host: "host.example", sendsXCLIENT: true)
        expect(start + "C: HELO me\nS: 250 fine\n=> accepted: 235 2.0.0 OK⏎", terms)
        expect(start + "=> accepted: 235 2.0.0 OK⏎", terms.with { $0.helo = nil })
    }

    @Test(arguments: [
        ("250 x", "ADDR=[UNAVAILABLE] LOGIN=joe NAME=[TEMPUNAVAIL]"), ("250-x\nS: 250 XCLIENT ADDR PORT", "ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE]"),
    ])
    func `XCLIENT tells of a client without an address, too`(_ offer: String, _ attributes: String) {
        expect("""
            S: 220 x
            C: EHLO mx.test
            S: \(offer)
            C: XCLIENT \(attributes)
            S: 220 again
            C: EHLO me
            S: 250 x
            => accepted: 235 2.0.0 OK⏎
            """, Terms(address: nil, host: "[TEMPUNAVAIL]", sendsXCLIENT: true))
    }

    @Test(arguments: [(true, false, "joe"), (false, true, "joe"), (false, false, "")])
    func `XCLIENT names no login that the upstream checks itself, and none that is empty`(
        _ proxiesSMTPAuth: Bool, _ upstreamDecides: Bool, _ login: String
    ) {
        var terms = Terms(login: login, upstreamDecides: upstreamDecides, proxiesSMTPAuth: proxiesSMTPAuth)
        terms.sendsXCLIENT = true
        var dialogue = terms.dialogue
        _ = dialogue.receive(Array("220 x\r\n".utf8).span)
        let xclient = dialogue.receive(Array("250 x\r\n".utf8).span)
        #expect(xclient.action == .send(Secret(Array("XCLIENT ADDR=127.0.0.1 NAME=[UNAVAILABLE]\r\n".utf8))))
    }

    @Test(arguments: ["\r\nQUIT", "a b\0", "\u{7F}é"])
    func `nothing in a login or host name ends the attribute`(_ text: String) {
        var dialogue = Terms(login: text, host: text, sendsXCLIENT: true).dialogue
        _ = dialogue.receive(Array("220 x\r\n".utf8).span)
        guard case .send(let line) = dialogue.receive(Array("250 x\r\n".utf8).span).action else {
            Issue.record("nothing was sent")
            return
        }
        #expect(line.bytes.dropLast(2).allSatisfy { $0.isPrintableASCII })
        #expect(line.bytes.count { $0 == .space } == 3)
    }

    @Test(arguments: Delivery.allCases)
    func `AUTH PLAIN puts the password to the upstream`(_ delivery: Delivery) {
        let script = """
            S: 220 x
            C: EHLO mx.test
            S: 250 x
            C: AUTH PLAIN AGpvZQBwYXNz
            S: 235-2.7.0 fine
            S: 235 2.7.0 welcome
            => accepted: 235 2.0.0 OK⏎
            """
        expect(script, Terms(proxiesSMTPAuth: true), delivery)
        expect(script, Terms(upstreamDecides: true), delivery)
        expect(script, Terms(method: .oauthbearer, proxiesSMTPAuth: true), delivery)
    }

    @Test func `the whole way has five steps`() {
        expect("""
            S: 220 x
            C: EHLO mx.test
            S: 250 x
            C: XCLIENT ADDR=127.0.0.1 NAME=[UNAVAILABLE]
            S: 220 x
            C: EHLO me
            S: 250 x
            C: AUTH PLAIN AGpvZQBwYXNz
            S: 235 x
            => accepted: 235 2.0.0 OK⏎
            """, Terms(proxiesSMTPAuth: true, sendsXCLIENT: true))
    }

    @Test func `an upstream that decides is greeted with EHLO, for AUTH needs it`() {
        var dialogue = Terms(speaksESMTP: false, upstreamDecides: true).dialogue
        let step = dialogue.receive(Array("220 x\r\n".utf8).span)
        #expect(step.action == .send(Secret(Array("EHLO mx.test\r\n".utf8))))
    }

    @Test(arguments: [
        ("535 5.7.8 no", "refused"), ("550 no", "refused"), ("454 4.7.0 later", "failed"), ("250 what", "failed"),
        ("334 more", "failed"),
    ])
    func `only a permanent error to AUTH is about the credentials`(_ reply: String, _ verdict: String) {
        expect(
            "S: 220 x\nC: EHLO mx.test\nS: 250 x\nC: AUTH PLAIN AGpvZQBwYXNz\nS: \(reply)\n=> \(verdict): \(reply)⏎",
            Terms(proxiesSMTPAuth: true))
    }

    @Test func `the whole of a refusal is told`() {
        expect("""
            S: 220 x
            C: EHLO mx.test
            S: 250 x
            C: AUTH PLAIN AGpvZQBwYXNz
            S: 535-5.7.8 no
            S: 535 5.7.8 really
            => refused: 535-5.7.8 no⏎535 5.7.8 really⏎
            """, Terms(proxiesSMTPAuth: true))
    }

    @Test(arguments: [(AuthMethod.xoauth2, "XOAUTH2", "dXNlcj1qb2UBYXV0aD1CZWFyZXIgcGFzcwEB", ""),
        (.oauthbearer, "OAUTHBEARER", "bixhPWpvZSwBYXV0aD1CZWFyZXIgcGFzcwEB", "AQ==")])
    func `a token that nobody has checked is put to the upstream by its own mechanism`(
        _ method: AuthMethod, _ name: String, _ response: String, _ answer: String
    ) {
        let start = "S: 220 x\nC: EHLO mx.test\nS: 250 x\nC: AUTH \(name) \(response)\n"
        let terms = Terms(method: method, upstreamDecides: true)
        expect(start + "S: 235 welcome\n=> accepted: 235 2.0.0 OK⏎", terms)
        expect(start + "S: 535 no\n=> refused: 535 no⏎", terms)
        expect(start + "S: 334 e30=\nC: \(answer)\nS: 535 no\n=> refused, error e30=: 535 no⏎", terms)
        expect(start + "S: 334 e30=\nC: \(answer)\nS: 454 later\n=> failed: 454 later⏎", terms)
        expect(start + "S: 334 e30=\nC: \(answer)\nS: 235 ok\n=> failed: 235 ok⏎", terms)
    }

    @Test(arguments: ["250 2.1.5 OK", "550 5.1.1 no such user", "451 later", "250-one\nS: 250 two"])
    func `without a login the client hears the upstream's word on its recipient`(_ reply: String) {
        let told = reply.replacing("\nS: ", with: "⏎")
        let script = """
            S: 220 x
            C: HELO mx.test
            S: 250 x
            C: MAIL FROM:<>
            S: 250 2.1.0 OK
            C: RCPT TO:<x> FOO=1
            S: \(reply)
            => accepted: \(told)⏎
            """
        expect(script, .message().with { $0.speaksESMTP = false })
        expect(script, .message().with { $0.speaksESMTP = false; $0.proxiesSMTPAuth = true })
        expect(script, .message().with { $0.speaksESMTP = false; $0.upstreamDecides = true })
    }

    @Test func `a sender that the upstream will not have fails`() {
        expect("S: 220 x\nC: EHLO mx.test\nS: 250 x\nC: MAIL FROM:<>\nS: 550 no\n=> failed: 550 no⏎", .message())
    }

    @Test(arguments: ["220-x\nS: 554 no", "554 no", "250 x", "xyz", "+OK", ""])
    func `a greeting other than 220 fails`(_ greeting: String) {
        expect("S: \(greeting)\n=> failed: \(greeting.replacing("\nS: ", with: "⏎"))⏎", Terms())
    }

    @Test(arguments: ["550 no", "421 later", "220 x", "no"])
    func `an upstream that will not be greeted, or not be told of the client, fails`(_ reply: String) {
        expect("S: 220 x\nC: EHLO mx.test\nS: \(reply)\n=> failed: \(reply)⏎", Terms())
        if reply == "220 x" { return }
        let terms = Terms(login: "", sendsXCLIENT: true)
        let start = "S: 220 x\nC: EHLO mx.test\nS: 250 x\nC: XCLIENT ADDR=127.0.0.1 NAME=[UNAVAILABLE]\n"
        expect(start + "S: \(reply)\n=> failed: \(reply)⏎", terms)
        expect(start + "S: 250 x\nC: EHLO me\nS: \(reply)\n=> failed: \(reply)⏎", terms)
    }

    @Test func `without a password there is no login`() {
        expect("S: 220 x\n=> noPassword", Terms(method: .external, secret: nil, proxiesSMTPAuth: true))
        expect("S: 220 x\n=> noPassword", Terms(method: .cramMD5, upstreamDecides: true))
    }

    @Test func `what would end a line or a field is not said`() {
        expect("S: 220 x\n=> unspeakable", Terms(login: "jo\0e", proxiesSMTPAuth: true))
        expect("S: 220 x\n=> unspeakable", Terms(secret: "pa\0ss", proxiesSMTPAuth: true))
        expect("S: 220 x\n=> unspeakable", Terms(method: .xoauth2, secret: "to\u{1}ken", upstreamDecides: true))
        expect("S: 220 x\n=> unspeakable", Terms(helo: "m\0e", sendsXCLIENT: true))
        expect("S: 220 x\n=> unspeakable", .message(from: "MAIL FROM:<\0>"))
        expect("S: 220 x\n=> unspeakable", .message(to: "RCPT TO:<a>\r\nDATA"))
    }

    @Test func `the log hears what is going on`() {
        var dialogue = Terms.message().with { $0.sendsXCLIENT = true }.dialogue
        var activities = ["\(dialogue.activity)"]
        for reply in ["220", "250", "250", "250", "250"] {
            _ = dialogue.receive(Array("\(reply) x\r\n".utf8).span)
            activities.append("\(dialogue.activity)")
        }
        #expect(activities == [
            "reading response from upstream", "sending HELO/EHLO to upstream", "sending XCLIENT to upstream",
            "sending client HELO/EHLO to upstream", "sending MAIL FROM to upstream", "sending RCPT TO to upstream",
        ])
        var auth = Terms(proxiesSMTPAuth: true).dialogue
        for reply in ["220", "250"] { _ = auth.receive(Array("\(reply) x\r\n".utf8).span) }
        #expect("\(auth.activity)" == "sending AUTH to upstream")
    }

    @Test func `a reply of many lines has its bound, as one long line has`() {
        var dialogue = Terms().dialogue
        let line = Array("220-\(String(repeating: "x", count: 1018))\r\n".utf8)
        for _ in 0..<64 { #expect(dialogue.receive(line.span).action == .awaitInput) }
        var same = dialogue
        #expect(same.receive(Array("2".utf8).span).action == .tooLong)
        #expect(dialogue.receive(Array("220 x\r\n".utf8).span).action == .tooLong)
        var another = Terms().dialogue
        let endless = Array(repeating: UInt8(ascii: "2"), count: SMTPReply.maxByteCount)
        #expect(another.receive(endless.span).action == .awaitInput)
        #expect(another.receive((endless + [50]).span).action == .tooLong)
    }

    @Test func `no reply whatever traps the machine`() {
        var random = SeededBytes(seed: 2525)
        let lines = ["220 x", "250-x", "250 x", "235 x", "334 e30=", "535 no", "454 x"].map { Array(($0 + "\r\n").utf8) }
        let terms = [
            Terms(proxiesSMTPAuth: true, sendsXCLIENT: true), .message(), Terms(method: .xoauth2, upstreamDecides: true),
        ]
        let dialogues = terms.map { $0.dialogue }
        var dialogue = dialogues[0]
        for round in 0..<100_000 {
            if round % 8 == 0 { dialogue = dialogues[random.below(dialogues.count)] }
            let line = lines[random.below(lines.count)]
            let input = random.below(3) == 0 ? random.mutate(line) : line
            let step = dialogue.receive(input.span)
            #expect(step.byteCount <= input.count)
        }
    }
}
