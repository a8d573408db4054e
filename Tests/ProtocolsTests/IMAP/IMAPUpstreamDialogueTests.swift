import Protocols
import TestSupport
import Testing

private func credentials(_ method: AuthMethod = .plain, _ login: String = "user", _ password: String? = "pass") -> Credentials {
    Credentials(method: method, login: Array(login.utf8), secret: password.map { Secret(Array($0.utf8)) })
}

private func upstream(_ credentials: Credentials, decides: Bool = false) -> IMAPUpstreamDialogue {
    let terms = UpstreamTerms(client: ClientFacts(source: nil), upstreamDecides: decides)
    return IMAPUpstreamDialogue(tag: Array("a4".utf8), credentials, to: terms)
}

/// Holds a login to a transcript, however the upstream's bytes arrive.
private func hold(
    _ dialogue: IMAPUpstreamDialogue, to text: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    let script = Transcript(text)
    for delivery in Delivery.allCases {
        var runner = UpstreamTranscriptRunner(dialogue)
        let seen = runner.play(script, delivery)
        #expect(seen.description == script.description, "\(delivery)", sourceLocation: sourceLocation)
    }
}

/// How a login is said (`mail-proxy.md`, section 5).
@Suite struct IMAPUpstreamLoginTests {
    @Test func `what can be quoted is said in one line`() {
        hold(upstream(credentials()), to: """
            S: * OK ready
            C: a4 LOGIN "user" "pass"
            S: a4 OK done
            => accepted: a4 OK done⏎
            """)
        hold(upstream(credentials(.plain, "u\"s\\e r{1}", "")), to: #"""
            S: * OK ready
            C: a4 LOGIN "u\"s\\e r{1}" ""
            S: a4 OK done
            => accepted: a4 OK done⏎
            """#)
    }

    @Test func `LITERAL+ saves the waiting`() {
        hold(upstream(credentials(.plain, "usér", "pässword")), to: """
            S: * OK [CAPABILITY IMAP4rev1 literal+] ready
            C: a4 LOGIN {5+}
            C: usér {9+}
            C: pässword
            S: a4 OK done
            => accepted: a4 OK done⏎
            """)
    }

    @Test func `without it, each literal waits to be asked for`() {
        hold(upstream(credentials(.plain, "usér", "pässword")), to: """
            S: * OK [CAPABILITY IMAP4rev1] ready
            C: a4 LOGIN {5}
            S: + OK
            C: usér {9}
            S: + go on
            C: pässword
            S: a4 OK done
            => accepted: a4 OK done⏎
            """)
        hold(upstream(credentials(.plain, "user", "pässword")), to: """
            S: * OK ready
            C: a4 LOGIN "user" {9}
            S: +
            C: pässword
            S: a4 OK done
            => accepted: a4 OK done⏎
            """)
    }

    @Test(arguments: ["a\r\nb OK", "a\nb", "a\0b", "a\u{7F}", String(repeating: "x", count: 451)])
    func `what a line cannot carry, or not at that length, is a literal`(_ password: String) {
        var dialogue = upstream(credentials(.plain, "user", password))
        let greeting = Array("* OK ready\r\n".utf8)
        let first = dialogue.receive(greeting.span)
        #expect(first.action == .send(Secret(Array("a4 LOGIN \"user\" {\(password.utf8.count)}\r\n".utf8))))
        let prompt = Array("+ OK\r\n".utf8)
        let second = dialogue.receive(prompt.span)
        #expect(second.action == .send(Secret(Array((password + "\r\n").utf8))))
    }

    @Test(arguments: [(4096, "{4096+}"), (4097, "{4097}")])
    func `LITERAL- is for literals up to a size`(_ length: Int, _ announcement: String) {
        var dialogue = upstream(credentials(.plain, "user", String(repeating: "x", count: length)))
        let greeting = Array("* OK [CAPABILITY LITERAL-] ready\r\n".utf8)
        guard case .send(let line) = dialogue.receive(greeting.span).action else {
            Issue.record("nothing sent")
            return
        }
        #expect(line.bytes.starts(with: Array("a4 LOGIN \"user\" \(announcement)\r\n".utf8)))
    }

    @Test func `a token is a password where the auth server has judged it`() {
        hold(upstream(credentials(.xoauth2, "u", "token")), to: """
            S: * OK [CAPABILITY SASL-IR AUTH=XOAUTH2] ready
            C: a4 LOGIN "u" "token"
            S: a4 OK done
            => accepted: a4 OK done⏎
            """)
    }

    @Test func `a login without a password says nothing`() {
        hold(upstream(credentials(.external, "u", nil)), to: """
            S: * OK ready
            => noPassword
            """)
        hold(upstream(credentials(.cramMD5, "u", "digest"), decides: true), to: """
            S: * OK ready
            => noPassword
            """)
        hold(upstream(credentials(.cramMD5, "u", "pass")), to: """
            S: * OK ready
            C: a4 LOGIN "u" "pass"
            """)
    }

    @Test(arguments: [
        (credentials(), "* OK ready\r\n", ["sending LOGIN command to upstream"]),
        (
            credentials(.plain, "ü", "p"), "* OK ready\r\n+\r\n",
            ["sending LOGIN command to upstream", "sending user name to upstream"]
        ),
        (
            credentials(.plain, "u", "pä"), "* OK ready\r\n+\r\n",
            ["sending LOGIN command to upstream", "sending password to upstream"]
        ),
    ])
    func `a log line says what is being done`(_ credentials: Credentials, _ said: String, _ after: [String]) {
        var dialogue = upstream(credentials)
        var activities = ["\(dialogue.activity)"]
        var input = Array(said.utf8)
        while !input.isEmpty {
            let bytes = input
            input.removeFirst(dialogue.receive(bytes.span).byteCount)
            activities.append("\(dialogue.activity)")
        }
        #expect(activities == ["reading response from upstream"] + after)
    }
}

/// What the upstream says to it.
@Suite struct IMAPUpstreamDecisionTests {
    @Test func `any number of untagged lines is the client's too`() {
        hold(upstream(credentials()), to: """
            S: * OK ready
            C: a4 LOGIN "user" "pass"
            S: * CAPABILITY IMAP4rev1 IDLE
            S: * OK [ALERT] mind the gap
            S: * NO slow today
            S: * ID NIL
            S: a4 OK done
            => accepted: * CAPABILITY IMAP4rev1 IDLE⏎* OK [ALERT] mind the gap⏎* NO slow today⏎* ID NIL⏎a4 OK done⏎
            """)
        hold(upstream(credentials(.plain, "ü", "p")), to: """
            S: * OK ready
            C: a4 LOGIN {2}
            S: * ID NIL
            S: + OK
            C: ü "p"
            S: * ID NIL
            S: a4 OK done
            => accepted: * ID NIL⏎* ID NIL⏎a4 OK done⏎
            """)
    }

    @Test(arguments: [
        "* PREAUTH welcome", "* BYE go away", "* BAD x", "* NO x", "* OKAY", "* CAPABILITY IMAP4", "+OK ready",
        "220 ready", "a4 OK done", "+ OK", "",
    ])
    func `a greeting that is not OK fails the login, and nothing is said`(_ greeting: String) {
        hold(upstream(credentials()), to: """
            S: \(greeting)
            => failed: \(greeting)⏎
            """)
    }

    @Test(arguments: ["", "[AUTHENTICATIONFAILED] ", "[authorizationfailed] ", "[EXPIRED] ", "[ALERT] ", "[UNKNOWN x] "])
    func `NO refuses the credentials`(_ code: String) {
        hold(upstream(credentials()), to: """
            S: * OK ready
            C: a4 LOGIN "user" "pass"
            S: * OK hm
            S: a4 NO \(code)no
            => refused: * OK hm⏎a4 NO \(code)no⏎
            """)
    }

    @Test(arguments: [
        "a4 NO [UNAVAILABLE] x", "a4 NO [inuse] x", "a4 NO [LIMIT] x", "a4 NO [SERVERBUG] x", "a4 NO [CONTACTADMIN] x",
        "a4 NO [PRIVACYREQUIRED] x", "a4 BAD x", "a4 BYE x", "a5 OK x", "* BYE x", "* BAD x", "* PREAUTH x", "+ more", "x",
    ])
    func `anything else is not about the credentials`(_ line: String) {
        hold(upstream(credentials()), to: """
            S: * OK ready
            C: a4 LOGIN "user" "pass"
            S: \(line)
            => failed: \(line)⏎
            """)
    }

    @Test(arguments: ["a4 OK done", "a4 NO no", "a4 BAD no", "* BYE no"])
    func `nothing is accepted or refused before the password has been said`(_ line: String) {
        hold(upstream(credentials(.plain, "user", "pässword")), to: """
            S: * OK ready
            C: a4 LOGIN "user" {9}
            S: \(line)
            => failed: \(line)⏎
            """)
    }

    @Test func `what comes before the decision is bounded`() {
        var dialogue = upstream(credentials())
        let greeting = Array("* OK ready\r\n".utf8)
        _ = dialogue.receive(greeting.span)
        let line = Array("* X ".utf8) + Array(repeating: 0x78, count: 1018) + [13, 10]
        #expect(line.count == 1024)
        for _ in 0..<63 {
            let step = dialogue.receive(line.span)
            #expect(step.action == .skip)
        }
        var fits = dialogue
        let last = Array("a4 OK ".utf8) + Array(repeating: 0x78, count: 1016) + [13, 10]
        guard case .accepted(let reply) = fits.receive(last.span).action else {
            Issue.record("what just fits was not accepted")
            return
        }
        #expect(reply.count == IMAPUpstreamDialogue.maxReplyLength)
        let unfinished = Array(last.dropLast()) + [0x78]
        let waiting = dialogue.receive(unfinished.span)
        #expect(waiting.action == .tooLong)
        let longer = [0x61] + last
        let whole = dialogue.receive(longer.span)
        #expect(whole.action == .tooLong)
    }
}

/// Tokens that the upstream must judge itself.
@Suite struct IMAPUpstreamTokenTests {
    @Test func `a token goes with the command where the upstream takes it there`() {
        hold(upstream(credentials(.xoauth2, "u", "t"), decides: true), to: """
            S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready
            C: a4 AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==
            S: * CAPABILITY IMAP4rev1
            S: a4 OK done
            => accepted: * CAPABILITY IMAP4rev1⏎a4 OK done⏎
            """)
    }

    @Test func `a token follows the continuation elsewhere`() {
        hold(upstream(credentials(.oauthbearer, "u", "t"), decides: true), to: """
            S: * OK ready
            C: a4 AUTHENTICATE OAUTHBEARER
            S: + 
            C: bixhPXUsAWF1dGg9QmVhcmVyIHQBAQ==
            S: a4 OK done
            => accepted: a4 OK done⏎
            """)
    }

    @Test func `an explained refusal is acknowledged as the mechanism says, and reported`() {
        hold(upstream(credentials(.xoauth2, "u", "t"), decides: true), to: """
            S: * OK [CAPABILITY SASL-IR] ready
            C: a4 AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==
            S: + eyJzIjo0MDF9
            C: 
            S: a4 NO expired
            => refused, error eyJzIjo0MDF9: a4 NO expired⏎
            """)
        hold(upstream(credentials(.oauthbearer, "u", "t"), decides: true), to: """
            S: * OK ready
            C: a4 AUTHENTICATE OAUTHBEARER
            S: +
            C: bixhPXUsAWF1dGg9QmVhcmVyIHQBAQ==
            S: + eyJzIjo0MDF9
            C: AQ==
            S: a4 NO expired
            => refused, error eyJzIjo0MDF9: a4 NO expired⏎
            """)
    }

    @Test(arguments: ["a4 OK done", "a4 NO [UNAVAILABLE] later", "a4 BAD no", "+ again"])
    func `nothing but a refusal can follow an explanation`(_ line: String) {
        hold(upstream(credentials(.xoauth2, "u", "t"), decides: true), to: """
            S: * OK [CAPABILITY SASL-IR] ready
            C: a4 AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==
            S: + eyJzIjo0MDF9
            C: 
            S: \(line)
            => failed: \(line)⏎
            """)
    }

    @Test func `a password is said by LOGIN though the upstream decides`() {
        hold(upstream(credentials(), decides: true), to: """
            S: * OK [CAPABILITY SASL-IR AUTH=PLAIN] ready
            C: a4 LOGIN "user" "pass"
            S: a4 OK done
            => accepted: a4 OK done⏎
            """)
    }

    @Test func `a login that would end its field is not said at all`() {
        hold(upstream(credentials(.xoauth2, "u\u{1}auth=Bearer x", "t"), decides: true), to: """
            S: * OK ready
            => unspeakable
            """)
    }

    @Test func `any bytes of an upstream are read without a trap`() {
        let samples = [
            "* OK [CAPABILITY LITERAL+ SASL-IR] x\r\n* ID NIL\r\na4 OK done\r\n",
            "* OK x\r\n+ OK\r\n+ OK\r\na4 NO [LIMIT] no\r\n", "* PREAUTH x\r\n* BYE\r\n",
        ].map { Array($0.utf8) }
        let starts = [
            upstream(credentials(.plain, "ü", "pä")), upstream(credentials()),
            upstream(credentials(.xoauth2, "u", "t"), decides: true),
        ]
        var random = SeededBytes(seed: 6)
        for round in 0..<100_000 {
            var dialogue = starts[round % starts.count]
            var input = random.mutate(samples[round / 3 % samples.count])
            var steps = 0
            while !input.isEmpty && steps < 100 {
                steps += 1
                let bytes = input
                let step = dialogue.receive(bytes.span)
                if step.action == .awaitInput { break }
                input.removeFirst(step.byteCount)
            }
            if steps == 100 { Issue.record("no end: \(input)") }
        }
    }
}
