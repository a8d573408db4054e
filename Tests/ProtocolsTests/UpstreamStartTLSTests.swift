import Configuration
import TestSupport
import Testing

@testable import Protocols

/// Logins at upstreams with which TLS begins first (`proxy_ssl starttls`).
@Suite struct UpstreamStartTLSTests {
    enum Upstream: CaseIterable {
        case imap, pop3, smtp

        /// The login of a client that is called `joe`, under the tag `a4` in IMAP.
        var dialogue: any UpstreamDialogue {
            let terms = UpstreamTerms(client: ClientFacts(source: nil), upstreamDecides: true, startsTLS: true)
            let credentials = Credentials(method: .plain, login: Array("joe".utf8), secret: Secret(Array("pass".utf8)))
            let policy = DialoguePolicy(serverName: Array("mx.test".utf8), startTLS: .off, sendsXCLIENT: false)
            switch self {
            case .imap:
                var client = IMAP(Settings(), policy: policy).makeClientDialogue(DialogueStart(challenge: 0, time: 0))
                _ = client.receive(Array("a4 LOGIN joe pass\r\n".utf8).span, overTLS: false)
                return client.makeUpstreamDialogue(with: credentials, to: terms)
            case .pop3:
                return POP3(Settings(), policy: policy).makeClientDialogue(DialogueStart(challenge: 0, time: 0))
                    .makeUpstreamDialogue(with: credentials, to: terms)
            case .smtp:
                return SMTP(Settings(), policy: policy).makeClientDialogue(DialogueStart(challenge: 0, time: 0))
                    .makeUpstreamDialogue(with: credentials, to: terms)
            }
        }

        /// All up to the reply that lets TLS begin, which is what follows.
        var prelude: String {
            switch self {
            case .imap: "S: * OK ready\nC: a4S STARTTLS\n"
            case .pop3: "S: +OK ready\nC: STLS\n"
            case .smtp: "S: 220 mx ready\nC: EHLO mx.test\nS: 250-mx\nS: 250-starttls\nS: 250 SIZE\nC: STARTTLS\n"
            }
        }

        var consent: String {
            switch self {
            case .imap: "a4S OK begin"
            case .pop3: "+OK begin"
            case .smtp: "220 2.0.0 begin"
            }
        }

        var login: String {
            switch self {
            case .imap: "C: a4 LOGIN \"joe\" \"pass\"\nS: a4 OK in\n=> accepted: a4 OK in⏎"
            case .pop3: "C: USER joe\nS: +OK\nC: PASS pass\nS: +OK in\n=> accepted: +OK in⏎"
            case .smtp: "C: EHLO mx.test\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AGpvZQBwYXNz\nS: 235 in\n=> accepted: 235 2.0.0 OK⏎"
            }
        }
    }

    private func hold(_ upstream: Upstream, to text: String, _ deliveries: [Delivery] = Delivery.allCases) {
        let script = Transcript(text)
        for delivery in deliveries {
            var runner = UpstreamTranscriptRunner(upstream.dialogue)
            let seen = runner.play(script, delivery)
            #expect(seen.description == script.description, "\(delivery)")
        }
    }

    @Test(arguments: Upstream.allCases) func `the login is said under TLS, and nothing of it before`(_ upstream: Upstream) {
        hold(upstream, to: upstream.prelude + "S: \(upstream.consent)\n=> startTLS\n" + upstream.login)
    }

    @Test func `IMAP lines that nobody asked for change nothing`() {
        hold(.imap, to: """
            S: * OK [CAPABILITY IMAP4rev1 starttls LOGINDISABLED] ready
            C: a4S STARTTLS
            S: * CAPABILITY IMAP4rev1
            S: * NO so busy
            S: a4S OK [X] begin
            => startTLS
            """ + "\n" + Upstream.imap.login)
    }

    /// A greeting in the clear is anyone's, and so is what it offers.
    @Test func `what an IMAP upstream offers in the clear is not relied upon under TLS`() {
        let terms = UpstreamTerms(client: ClientFacts(source: nil), startsTLS: true)
        let credentials = Credentials(method: .plain, login: Array("jöe".utf8), secret: Secret(Array("pass".utf8)))
        let tag = Array("a4".utf8)
        let dialogue = UpstreamStartTLS(
            IMAPStartTLS(loginTag: tag), before: IMAPUpstreamDialogue(tag: tag, credentials, to: terms))
        let script = Transcript("""
            S: * OK [CAPABILITY IMAP4rev1 STARTTLS LITERAL+] ready
            C: a4S STARTTLS
            S: a4S OK
            => startTLS
            C: a4 LOGIN {4}
            S: + go on
            C: jöe "pass"
            S: a4 OK
            => accepted: a4 OK⏎
            """)
        var runner = UpstreamTranscriptRunner(dialogue)
        #expect(runner.play(script, .whole) == script)
    }

    @Test(arguments: [
        (Upstream.imap, "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\n=> notOffered"),
        (.smtp, "S: 220 mx\nC: EHLO mx.test\nS: 250-STARTTLS\nS: 250-XSTARTTLS\nS: 250 STARTTLSX\n=> notOffered"),
        (.smtp, "S: 220 mx\nC: EHLO mx.test\nS: 250 STARTTLS\n=> notOffered"),
    ])
    func `without an offer there is no TLS, and no login`(_ upstream: Upstream, _ text: String) {
        hold(upstream, to: text)
    }

    @Test(arguments: [
        (Upstream.imap, "a4S NO not today"), (.imap, "a4S BAD what"), (.pop3, "-ERR what"), (.pop3, "-ERR [SYS/TEMP] later"),
        (.smtp, "454 4.7.0 not today"), (.smtp, "500 what"), (.smtp, "250 as you like"),
    ])
    func `a refusal ends the login`(_ upstream: Upstream, _ reply: String) {
        hold(upstream, to: upstream.prelude + "S: \(reply)\n=> refused TLS: \(reply)⏎")
    }

    @Test(arguments: [
        (Upstream.imap, "* PREAUTH welcome"), (.imap, "* BYE go"), (.imap, "* NO"), (.imap, "a4S OK"), (.imap, "+ go on"), (.imap, "+OK"),
        (.pop3, "-ERR go"), (.pop3, "+ challenge"), (.pop3, "* OK"), (.smtp, "554 go"), (.smtp, "421 go"), (.smtp, "2x0 mx"), (.smtp, "* OK"),
    ])
    func `a greeting that is none ends the login`(_ upstream: Upstream, _ greeting: String) {
        hold(upstream, to: "S: \(greeting)\n=> invalid before TLS: \(greeting)⏎")
    }

    @Test(arguments: [
        (Upstream.imap, "* BYE"), (.imap, "a4 OK"), (.imap, "+ go on"), (.imap, "* PREAUTH"), (.pop3, "+ go on"), (.pop3, "OK"), (.smtp, "OK"),
    ])
    func `a reply that is none ends the login`(_ upstream: Upstream, _ reply: String) {
        hold(upstream, to: upstream.prelude + "S: \(reply)\n=> invalid before TLS: \(reply)⏎")
    }

    @Test func `an SMTP upstream that takes no EHLO has no TLS`() {
        hold(.smtp, to: "S: 220 mx\nC: EHLO mx.test\nS: 502 what\n=> invalid before TLS: 502 what⏎")
    }

    /// Injection: what comes with the reply would be taken for the upstream's word under TLS.
    @Test(arguments: Upstream.allCases, ["x", "a4 OK in\r\n", "+OK in\r\n", "220 mx\r\n", "\u{16}\u{3}\u{1}"])
    func `one byte behind the reply that lets TLS begin ends the login`(_ upstream: Upstream, _ injected: String) {
        var dialogue = upstream.dialogue
        for line in upstream.prelude.split(separator: "\n") where line.hasPrefix("S: ") {
            _ = dialogue.receive(Array("\(line.dropFirst(3))\r\n".utf8).span)
        }
        let (reply, more) = (Array("\(upstream.consent)\r\n".utf8), Array(injected.utf8))
        for split in reply.indices {
            var cut = dialogue
            let start = cut.receive(Array(reply[..<split]).span).action
            #expect(start == .awaitInput)
            let step = cut.receive((reply + more).span)
            #expect(step.action == .cannotStartTLS(.saidMore) && step.byteCount == reply.count + more.count)
        }
    }

    @Test(arguments: Upstream.allCases) func `an upstream that talks on and on is cut off`(_ upstream: Upstream) {
        var dialogue = upstream.dialogue
        let endless = [UInt8](repeating: UInt8(ascii: "x"), count: 70_000)
        let action = dialogue.receive(endless.span).action
        #expect(action == .tooLong)
    }

    @Test func `endless lines are cut off too`() {
        var imap = Upstream.imap.dialogue
        _ = imap.receive(Array("* OK\r\n".utf8).span)
        let line = Array(("* OK " + String(repeating: "x", count: 1000) + "\r\n").utf8)
        let actions = (0..<80).map { _ in imap.receive(line.span).action }
        #expect(actions.prefix(50).allSatisfy { $0 == .skip } && actions.contains(.tooLong))
        var smtp = Upstream.smtp.dialogue
        let reply = Array(("220-" + String(repeating: "x", count: 1000) + "\r\n").utf8)
        let steps = (0..<80).map { _ in smtp.receive(reply.span).action }
        #expect(steps.prefix(50).allSatisfy { $0 == .awaitInput } && steps.contains(.tooLong))
    }

    @Test func `a tag that could be the login's is not used before it`() {
        var dialogue = IMAPStartTLS(loginTag: Array("S".utf8))
        let action = dialogue.receive(Array("* OK\r\n".utf8).span).action
        #expect(action == .send(Secret(Array("SS STARTTLS\r\n".utf8))))
    }

    @Test func `the log can tell which step it was`() {
        let activities: [(Upstream, [String])] = [
            (.imap, ["reading response from upstream", "sending STARTTLS to upstream"]),
            (.pop3, ["reading response from upstream", "sending STLS to upstream"]),
            (.smtp, ["reading response from upstream", "sending HELO/EHLO to upstream", "sending STARTTLS to upstream"]),
        ]
        for (upstream, expected) in activities {
            var dialogue = upstream.dialogue
            var seen = ["\(dialogue.activity)"]
            for line in upstream.prelude.split(separator: "\n") where line.hasPrefix("S: ") {
                _ = dialogue.receive(Array("\(line.dropFirst(3))\r\n".utf8).span)
                let activity = "\(dialogue.activity)"
                if seen.last != activity { seen.append(activity) }
            }
            #expect(seen == expected)
        }
    }
}
