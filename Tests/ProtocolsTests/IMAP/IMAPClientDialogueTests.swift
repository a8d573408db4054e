import Protocols
import TestSupport
import Testing

private let everyMechanism = saslMechanisms.map { $0.keyword }

private func dialogue(
    auth: [String] = ["plain"], startTLS: StartTLS = .off, maxErrors: Int = 5, maxCommands: Int = 1000
) -> any ClientDialogue {
    let policy = DialoguePolicy(
        serverName: Array("mx.test".utf8), startTLS: startTLS, maxErrors: maxErrors, maxCommands: maxCommands)
    return IMAP(imap: { $0.auth = auth }, policy: policy).makeClientDialogue(DialogueStart(challenge: 1, time: 2))
}

/// Holds a dialogue to a transcript, however its bytes arrive.
private func hold(
    _ dialogue: any ClientDialogue, overTLS: Bool = false, to text: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let script = Transcript("S: * OK IMAP4 ready\n" + text)
    for delivery in Delivery.allCases {
        var runner = ClientTranscriptRunner(dialogue, overTLS: overTLS)
        let seen = runner.play(script, delivery)
        #expect(seen.description == script.description, "\(delivery)", sourceLocation: sourceLocation)
    }
}

@Suite struct IMAPClientDialogueTests {
    @Test func `commands that need no login are answered`() {
        hold(dialogue(), to: """
            C: a NOOP
            S: a OK completed
            C: b NOOP 1 2 3
            S: b OK completed
            C: c capability
            S: * CAPABILITY IMAP4 IMAP4rev1 UIDPLUS AUTH=PLAIN
            S: c OK completed
            C:  NOOP
            S:  OK completed
            C: d LOGOUT
            S: * BYE
            S: d OK completed
            => close
            """)
    }

    @Test func `pipelined commands are answered one by one, in order`() {
        hold(dialogue(), to: """
            C: a NOOP
            C: b FOO
            C: c NOOP
            C: d LOGOUT
            S: a OK completed
            S: b BAD invalid command
            S: c OK completed
            S: * BYE
            S: d OK completed
            => close
            """)
    }

    @Test func `LOGIN is put to the test in every form of its arguments`() {
        hold(dialogue(), to: """
            C: a LOGIN user pass
            => authenticate plain [user] [pass]
            """)
        hold(dialogue(), to: """
            C: a LOGIN "us\\"er" ""
            => authenticate plain [us"er] []
            """)
        hold(dialogue(), to: """
            C: a LOGIN {4+}
            C: user {0+}
            C: 
            => authenticate plain [user] []
            """)
    }

    @Test func `a literal is asked for once, before or after its bytes`() {
        hold(dialogue(), to: """
            C: a LOGIN {4}
            S: + OK
            C: user {4}
            S: + OK
            C: pass
            => authenticate plain [user] [pass]
            """)
        hold(dialogue(), to: """
            C: a LOGIN {4}
            C: user {4}
            C: pass
            S: + OK
            S: + OK
            => authenticate plain [user] [pass]
            """)
        hold(dialogue(), to: """
            C: a NOOP {1}
            S: + OK
            C: x
            S: a OK completed
            C: b NOOP {1}
            S: + OK
            C: x
            S: b OK completed
            """)
    }

    @Test func `nothing is read while a login is judged, and the upstream is told it under the client's tag`() {
        var dialogue = dialogue()
        let commands = Array("A.1 LOGIN user pass\r\nb NOOP\r\n".utf8)
        let login = dialogue.receive(commands.span, overTLS: false)
        guard case .authenticate(let credentials) = login.action else {
            Issue.record("no login")
            return
        }
        #expect(login.byteCount == 21)
        let rest = Array(commands.dropFirst(login.byteCount))
        let meanwhile = dialogue.receive(rest.span, overTLS: false)
        #expect(meanwhile.action == .awaitInput)
        #expect(meanwhile.byteCount == 0)
        var upstream = dialogue.makeUpstreamDialogue(with: credentials, to: UpstreamTerms(client: ClientFacts(source: nil)))
        let greeting = Array("* OK ready\r\n".utf8)
        let said = upstream.receive(greeting.span)
        #expect(said.action == .send(Secret(Array("A.1 LOGIN \"user\" \"pass\"\r\n".utf8))))
    }

    @Test func `a refusal of nothing has no tag`() {
        var dialogue = dialogue()
        let action = dialogue.refuse(Refusal(.message(Array("no".utf8))), thenCloses: false)
        #expect(action == .reply(Array("* NO no\r\n".utf8)))
    }

    @Test(arguments: [
        "a LOGIN", "a LOGIN u", "a LOGIN \"\" p", "a LOGIN u p q", "a LOGIN {0+}\r\n p", "a AUTHENTICATE",
        "a AUTHENTICATE GSSAPI", "a AUTHENTICATE CRAM-MD5", "a AUTHENTICATE EXTERNAL", "a AUTHENTICATE EXTERNAL dXNlcg==",
        "a AUTHENTICATE XOAUTH2", "a AUTHENTICATE OAUTHBEARER", "a AUTHENTICATE PLAIN AHUAcA== x", "a STARTTLS",
    ])
    func `a command that cannot be obeyed is invalid, but no error of the lexer`(_ line: String) {
        var dialogue = dialogue(maxErrors: 1)
        let bytes = Array((line + "\r\n").utf8)
        let step = dialogue.receive(bytes.span, overTLS: false)
        #expect(step.action == .reply(Array("a BAD invalid command\r\n".utf8)))
        #expect(step.byteCount == bytes.count)
    }

    @Test func `starttls only lets nobody log in before TLS`() {
        hold(dialogue(startTLS: .only), to: """
            C: a LOGIN user pass
            S: a BAD invalid command
            C: b AUTHENTICATE PLAIN AHUAcA==
            S: b BAD invalid command
            C: c AUTHENTICATE PLAIN
            S: c BAD invalid command
            C: d STARTTLS
            S: d OK completed
            => TLS
            -> TLS
            C: e STARTTLS
            S: e BAD invalid command
            C: f LOGIN user pass
            => authenticate plain [user] [pass]
            """)
        hold(dialogue(startTLS: .only), overTLS: true, to: """
            C: a STARTTLS
            S: a BAD invalid command
            C: b LOGIN user pass
            => authenticate plain [user] [pass]
            """)
    }

    @Test func `nothing said in the clear is obeyed after STARTTLS`() {
        hold(dialogue(startTLS: .on), to: """
            C: a STARTTLS
            C: b LOGIN evil evil
            S: a OK completed
            => TLS
            -> TLS
            C: c NOOP
            S: c OK completed
            """)
        // An exchange that has begun, and a literal that is awaited, are forgotten as well.
        var begun = dialogue(startTLS: .on)
        let authenticate = Array("a AUTHENTICATE PLAIN\r\n".utf8)
        _ = begun.receive(authenticate.span, overTLS: false)
        begun.forgetPlaintext()
        hold(begun, overTLS: true, to: """
            C: AHUAcA==
            S: * BAD invalid command
            """)
        var halfway = dialogue(startTLS: .on)
        let literal = Array("a LOGIN {4}\r\n".utf8)
        _ = halfway.receive(literal.span, overTLS: false)
        halfway.forgetPlaintext()
        hold(halfway, overTLS: true, to: """
            C: a LOGIN {4}
            S: + OK
            C: user pass
            => authenticate plain [user] [pass]
            """)
    }
}

/// AUTHENTICATE (`mail-imap.md`, section 6).
@Suite struct IMAPAuthenticateTests {
    @Test func `PLAIN and LOGIN work though no directive lists them`() {
        hold(dialogue(auth: []), to: """
            C: a AUTHENTICATE plain
            S: + 
            C: AHVzZXIAcGFzcw==
            => authenticate plain [user] [pass]
            """)
        hold(dialogue(auth: []), to: """
            C: a AUTHENTICATE PLAIN AHVzZXIAcGFzcw==
            => authenticate plain [user] [pass]
            """)
        hold(dialogue(auth: []), to: """
            C: a AUTHENTICATE LOGIN
            S: + VXNlcm5hbWU6
            C: dXNlcg==
            S: + UGFzc3dvcmQ6
            C: cGFzcw==
            => authenticate plain [user] [pass]
            """)
        hold(dialogue(auth: []), to: """
            C: a AUTHENTICATE LOGIN dXNlcg==
            S: + UGFzc3dvcmQ6
            C: 
            => authenticate plain [user] []
            """)
    }

    @Test func `CRAM-MD5 challenges with one salt for the whole session`() {
        hold(dialogue(auth: everyMechanism), to: """
            C: a AUTHENTICATE CRAM-MD5
            S: + PDEuMkBteC50ZXN0Pg==
            C: *
            => note client sent invalid base64 encoding in AUTH CRAM-MD5 command
            S: a BAD invalid command
            C: b AUTHENTICATE CRAM-MD5 dXNlcg==
            S: b BAD invalid command
            C: c AUTHENTICATE CRAM-MD5
            S: + PDEuMkBteC50ZXN0Pg==
            C: dXNlciAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==
            => authenticate cram-md5 [user] [0123456789abcdef0123456789abcdef]
            """)
    }

    @Test func `EXTERNAL never carries a password of an earlier attempt`() {
        hold(dialogue(auth: everyMechanism), to: """
            C: a LOGIN other secret
            => authenticate plain [other] [secret]
            -> refused, may try again: no
            S: a NO no
            C: b AUTHENTICATE EXTERNAL
            S: + VXNlcm5hbWU6
            C: dXNlcg==
            => authenticate external [user] [none]
            -> refused, may try again: no
            S: b NO no
            C: c AUTHENTICATE EXTERNAL dXNlcg==
            => authenticate external [user] [none]
            """)
    }

    @Test func `tokens are taken with and without an initial response`() {
        hold(dialogue(auth: everyMechanism), to: """
            C: a AUTHENTICATE XOAUTH2
            S: + 
            C: dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==
            => authenticate xoauth2 [u] [t]
            """)
        hold(dialogue(auth: everyMechanism), to: """
            C: a AUTHENTICATE OAUTHBEARER bixhPXUsAWF1dGg9QmVhcmVyIHQBAQ==
            => authenticate oauthbearer [u] [t]
            """)
    }

    @Test func `only the first word of a response counts, and a fourth is an error`() {
        hold(dialogue(), to: """
            C: a AUTHENTICATE PLAIN
            S: + 
            C: AHVzZXIAcGFzcw== b c
            => authenticate plain [user] [pass]
            """)
        hold(dialogue(maxErrors: 2), to: """
            C: a AUTHENTICATE PLAIN
            S: + 
            C: AHVzZXIAcGFzcw== b c d
            S: a BAD invalid command
            C: AHVzZXIAcGFzcw==
            => note client sent too many invalid commands
            S: * BAD invalid command
            => close
            """)
    }

    @Test(arguments: ["PLAIN", "LOGIN", "CRAM-MD5", "EXTERNAL", "XOAUTH2", "OAUTHBEARER"])
    func `a response that cannot be read ends the exchange with the tag, and is no error`(_ name: String) {
        var dialogue = dialogue(auth: everyMechanism, maxErrors: 1)
        let begin = Array("tag AUTHENTICATE \(name)\r\n".utf8)
        guard case .reply(let challenge) = dialogue.receive(begin.span, overTLS: false).action else {
            Issue.record("no challenge")
            return
        }
        #expect(challenge.starts(with: Array("+ ".utf8)))
        let cancel = Array("*\r\n".utf8)
        let step = dialogue.receive(cancel.span, overTLS: false)
        #expect(step.action == .reply(Array("tag BAD invalid command\r\n".utf8)))
        #expect(step.note == "client sent invalid base64 encoding in AUTH \(name) command")
        let noop = Array("b NOOP\r\n".utf8)
        let next = dialogue.receive(noop.span, overTLS: false)
        #expect(next.action == .reply(Array("b OK completed\r\n".utf8)))
    }
}

/// What follows a refused login (`mail-imap.md`, sections 3, 7 and 9).
@Suite struct IMAPRefusalTests {
    @Test func `a refusal is told with the tag, and closes unless another try is allowed`() {
        hold(dialogue(), to: """
            C: a LOGIN user bad
            => authenticate plain [user] [bad]
            -> refused: Invalid login
            S: a NO Invalid login
            => close
            """)
        hold(dialogue(), to: """
            C: a LOGIN user bad
            => authenticate plain [user] [bad]
            -> refused, may try again: 
            S: a NO 
            C: b LOGIN user good
            => authenticate plain [user] [good]
            """)
    }

    @Test func `commands that were pipelined behind a refused login are read afterwards`() {
        hold(dialogue(), to: """
            C: a LOGIN user bad
            C: b NOOP
            => authenticate plain [user] [bad]
            -> refused, may try again: no
            S: a NO no
            S: b OK completed
            """)
    }

    @Test func `the tag of a refused login is not used again`() {
        hold(dialogue(), to: """
            C: zz LOGIN bad y
            => authenticate plain [bad] [y]
            -> refused, may try again: no
            S: zz NO no
            C: ***
            S: * BAD invalid command
            """)
    }

    @Test func `control bytes of the auth server become spaces`() {
        var dialogue = dialogue()
        let login = Array("a LOGIN u p\r\n".utf8)
        _ = dialogue.receive(login.span, overTLS: false)
        let action = dialogue.refuse(Refusal(.message(Array("no\r\nb OK\u{0}\u{1B}é".utf8))), thenCloses: true)
        #expect(action == .close(after: Array("a NO no  b OK  é\r\n".utf8)))
    }

    @Test func `an upstream's reply is passed on as it is`() {
        var dialogue = dialogue()
        let login = Array("a LOGIN u p\r\n".utf8)
        _ = dialogue.receive(login.span, overTLS: false)
        let reply = Array("* OK hello\r\na NO [AUTHENTICATIONFAILED] no\r\n".utf8)
        let action = dialogue.refuse(Refusal(.reply(reply)), thenCloses: false)
        #expect(action == .reply(reply))
    }

    @Test func `an XOAUTH2 client is told why, and hears the refusal after an empty line`() {
        hold(dialogue(auth: everyMechanism), to: """
            C: a AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==
            => authenticate xoauth2 [u] [t]
            -> refused, may try again, error eyJzIjo0MDF9: expired
            S: + eyJzIjo0MDF9
            C: 
            S: a NO expired
            C: b NOOP
            S: b OK completed
            """)
        hold(dialogue(auth: everyMechanism), to: """
            C: a AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==
            => authenticate xoauth2 [u] [t]
            -> refused, error eyJzIjo0MDF9: expired
            S: + eyJzIjo0MDF9
            C: b NOOP
            S: a BAD invalid command
            => close
            """)
    }

    @Test func `an OAUTHBEARER client is told why, and hears the refusal after its answer`() {
        hold(dialogue(auth: everyMechanism), to: """
            C: a AUTHENTICATE OAUTHBEARER bixhPXUsAWF1dGg9QmVhcmVyIHQBAQ==
            => authenticate oauthbearer [u] [t]
            -> refused, error eyJzIjo0MDF9: expired
            S: + eyJzIjo0MDF9
            C: AQ==
            S: a NO expired
            => close
            """)
        hold(dialogue(auth: everyMechanism), to: """
            C: a AUTHENTICATE OAUTHBEARER bixhPXUsAWF1dGg9QmVhcmVyIHQBAQ==
            => authenticate oauthbearer [u] [t]
            -> refused, may try again, error eyJzIjo0MDF9: expired
            S: + eyJzIjo0MDF9
            C: 
            S: a BAD invalid command
            C: b NOOP
            S: b OK completed
            """)
    }

    @Test func `other mechanisms, and refusals without an explanation, are final at once`() {
        hold(dialogue(), to: """
            C: a LOGIN u p
            => authenticate plain [u] [p]
            -> refused, error eyJzIjo0MDF9: no
            S: a NO no
            => close
            """)
        hold(dialogue(auth: everyMechanism), to: """
            C: a AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==
            => authenticate xoauth2 [u] [t]
            -> refused: no
            S: a NO no
            => close
            """)
    }
}

/// How much a client may say, and what ends a session (`mail-imap.md`, sections 2, 8 and 10).
@Suite struct IMAPLimitsTests {
    @Test func `the fifth line that cannot be read is the last`() {
        hold(dialogue(), to: """
            C: ?
            S: * BAD invalid command
            C: a FOO
            S: a BAD invalid command
            C: b NOOP
            S: b OK completed
            C: c NOOP 1 2 3 4
            S: c BAD invalid command
            C: d LOGIN "u
            S: d BAD invalid command
            C: e FOO
            => note client sent too many invalid commands
            S: e BAD invalid command
            => close
            """)
    }

    @Test func `errors are counted on after STARTTLS`() {
        hold(dialogue(startTLS: .on, maxErrors: 2), to: """
            C: a FOO
            S: a BAD invalid command
            C: b STARTTLS
            S: b OK completed
            => TLS
            -> TLS
            C: c FOO
            => note client sent too many invalid commands
            S: c BAD invalid command
            => close
            """)
    }

    @Test func `the first command beyond max_commands is the last, responses included`() {
        hold(dialogue(maxCommands: 3), to: """
            C: a NOOP
            S: a OK completed
            C: b FOO
            S: b BAD invalid command
            C: c AUTHENTICATE PLAIN
            S: + 
            C: *
            => note client sent invalid base64 encoding in AUTH PLAIN command
            S: c BAD invalid command
            C: d NOOP
            => note client sent too many commands
            S: d BAD invalid command
            => close
            """)
    }

    @Test func `a literal that nobody reads ends the session`() {
        hold(dialogue(), to: """
            C: a FOO {5+}
            S: a BAD invalid command
            => close
            """)
    }

    @Test(arguments: [
        ("a LOGIN user secr", "a BAD invalid command\r\n", "client sent too long command \"LOGIN\""),
        ("a FOO secr", "a BAD invalid command\r\n", "client sent too long command \"\""),
        ("secr", "* BAD invalid command\r\n", "client sent too long command \"\""),
    ])
    func `a command that does not fit is refused, and its arguments are told to nobody`(
        _ text: String, _ reply: String, _ note: String
    ) {
        var dialogue = dialogue()
        let bytes = Array(text.utf8)
        let step = dialogue.receiveTooLong(bytes.span)
        #expect(step.action == .close(after: Array(reply.utf8)))
        #expect(step.note == note)
        #expect(step.byteCount == bytes.count)
    }

    @Test func `a response that does not fit is refused with the tag`() {
        var dialogue = dialogue()
        let begin = Array("a AUTHENTICATE PLAIN\r\n".utf8)
        _ = dialogue.receive(begin.span, overTLS: false)
        let secret = Array("AHVzZXIAcGFz".utf8)
        let step = dialogue.receiveTooLong(secret.span)
        #expect(step.action == .close(after: Array("a BAD invalid command\r\n".utf8)))
        #expect(step.note == "client sent too long command \"\"")
    }

    @Test(arguments: [
        (Farewell.internalError, "* BAD internal server error"), (.certificateError, "* BYE SSL certificate error"),
        (.noRequiredCertificate, "* BYE No required SSL certificate"), (.timedOut, "* BYE Login timed out"),
        (.shuttingDown, "* BYE Server shutting down"), (.tooManyConnections, "* BYE Too many connections"),
        (.spokeTooSoon, "* BYE Commands sent before the greeting"), (.accessForbidden, "* BYE Access denied"),
        (.tooManyFailures, "* BYE Too many failed logins, try again later"),
    ])
    func `every farewell has its words`(_ reason: Farewell, _ words: String) {
        #expect(dialogue().farewell(reason) == Array((words + "\r\n").utf8))
    }
}

/// What clients say that no RFC foresaw.
@Suite struct IMAPClientMutationTests {
    private static let samples = [
        "a LOGIN {4}\r\nuser {4+}\r\npass\r\nb NOOP\r\n", "a AUTHENTICATE LOGIN\r\ndXNlcg==\r\ncGFzcw==\r\n",
        "a AUTHENTICATE XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==\r\n\r\nc NOOP\r\n",
        "a NOOP {1}\r\nx\r\nb CAPABILITY\r\nc LOGIN \"u\\\"\" \"p\"\r\n", "a FOO {5+}\r\n* x\r\n\r\nd LOGOUT\r\n",
        "a AUTHENTICATE OAUTHBEARER bixhPXUsAWF1dGg9QmVhcmVyIHQBAQ==\r\nAQ==\r\nb STARTTLS\r\nc NOOP\r\n",
    ].map { Array($0.utf8) }

    /// Feeds the pieces and gives everything that was decided. A login is refused at once, with an
    /// explanation and another try; the end of the dialogue, or TLS, ends it.
    private func decisions(of dialogue: any ClientDialogue, on pieces: [[UInt8]]) -> [ClientAction] {
        var dialogue = dialogue
        var input: [UInt8] = []
        var actions: [ClientAction] = []
        for piece in pieces {
            input += piece
            while true {
                let bytes = input
                let step = dialogue.receive(bytes.span, overTLS: false)
                input.removeFirst(step.byteCount)
                if step.action == .awaitInput { break }
                actions.append(step.action)
                switch step.action {
                case .authenticate:
                    actions.append(dialogue.refuse(Refusal(.message([]), saslError: [0x41]), thenCloses: false))
                case .startTLS, .close:
                    return actions
                case .awaitInput, .reply, .adopt:
                    break
                }
            }
        }
        return actions
    }

    @Test func `mutated dialogues are answered without a trap, and alike however they are cut`() {
        let fresh = dialogue(auth: everyMechanism, startTLS: .on, maxErrors: 3, maxCommands: 6)
        var random = SeededBytes(seed: 4)
        for round in 0..<50_000 {
            let bytes = random.mutate(Self.samples[round % Self.samples.count])
            let cut = random.below(bytes.count + 1)
            let whole = decisions(of: fresh, on: [bytes])
            let pieces = decisions(of: fresh, on: [Array(bytes[..<cut]), Array(bytes[cut...])])
            if whole != pieces { Issue.record("cut at \(cut): \(bytes)") }
        }
    }
}
