import Configuration
import TestSupport
import Testing

@testable import Protocols

/// Who the client is, in the dialogues of all protocols: what proxies before us may say, and what upstreams hear.
@Suite struct ClientIdentityTests {
    private static func dialogue(
        _ type: any MailProtocol.Type, trusted: Bool = true, startTLS: StartTLS = .off, passesClientID: Bool = true
    ) -> any ClientDialogue {
        let policy = DialoguePolicy(
            serverName: Array("mx.test".utf8), startTLS: startTLS, sendsXCLIENT: true, passesClientID: passesClientID)
        return type.init(Settings(), policy: policy).makeClientDialogue(DialogueStart(challenge: 1, time: 2, believesClaims: trusted))
    }

    private func hold(
        _ dialogue: any ClientDialogue, overTLS: Bool = false, to text: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let script = Transcript(text)
        for delivery in Delivery.allCases {
            var runner = ClientTranscriptRunner(dialogue, overTLS: overTLS)
            let seen = runner.play(script, delivery)
            #expect(seen.description == script.description, "\(delivery)", sourceLocation: sourceLocation)
        }
    }

    // MARK: In

    @Test func `a trusted proxy says by XCLIENT who its client is, once, and the session begins anew`() {
        hold(Self.dialogue(SMTP.self), to: """
            S: 220 mx.test ESMTP ready
            C: EHLO proxy
            S: 250-mx.test
            S: 250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT TTL SESSION
            S: 250 AUTH PLAIN LOGIN
            C: XCLIENT HELO=client PROTO=ESMTP LOGIN=joe+2B PORT=40000
            => adopt 40000
            S: 220 mx.test ESMTP ready
            C: XCLIENT ADDR=192.0.2.1 NAME=client.example
            => adopt 192.0.2.1 40000 client.example
            S: 220 mx.test ESMTP ready
            C: XCLIENT ADDR=192.0.2.2
            S: 500 5.5.1 Invalid command
            C: EHLO client
            S: 250-mx.test
            S: 250 AUTH PLAIN LOGIN
            C: MAIL FROM:<a>
            S: 250 2.0.0 OK
            C: RCPT TO:<b>
            => authenticate none [joe+] [none]
            """)
    }

    @Test func `XCLIENT needs its order and its words`() {
        hold(Self.dialogue(SMTP.self), to: """
            S: 220 mx.test ESMTP ready
            C: XCLIENT
            S: 501 5.5.4 Invalid argument
            C: XCLIENT ADDR=me
            S: 501 5.5.4 Invalid argument
            C: XCLIENT FOO=1
            S: 501 5.5.4 Invalid argument
            C: XCLIENT HELO=a+20b
            S: 501 5.5.4 Invalid argument
            C: XCLIENT PROTO=LMTP
            S: 501 5.5.4 Invalid argument
            C: XCLIENT LOGIN=joe
            => adopt
            S: 220 mx.test ESMTP ready
            C: MAIL FROM:<a>
            S: 250 2.0.0 OK
            C: XCLIENT ADDR=192.0.2.1
            S: 503 5.5.1 Bad sequence of commands
            C: RSET
            S: 250 2.0.0 OK
            C: XCLIENT ADDR=192.0.2.1
            => adopt 192.0.2.1
            S: 220 mx.test ESMTP ready
            """)
    }

    @Test func `a trusted proxy says it in POP3`() {
        hold(Self.dialogue(POP3.self), to: """
            S: +OK [XCLIENT] POP3 ready
            C: XCLIENT
            S: -ERR Invalid parameters
            C: XCLIENT ADDR=nowhere
            S: -ERR Invalid parameters
            C: XCLIENT ADDR=192.0.2.1 PORT=40000 SESSION=a TTL=4 FORWARD=YT1i
            C: USER joe
            => adopt 192.0.2.1 40000 TTL 4 a=b
            S: +OK Updated
            S: +OK
            C: XCLIENT ADDR=192.0.2.1
            S: -ERR invalid command
            """)
    }

    @Test func `a trusted proxy says it in IMAP, where ID is offered to it alone`() {
        hold(Self.dialogue(IMAP.self), to: """
            S: * OK [CAPABILITY IMAP4 IMAP4rev1 UIDPLUS ID AUTH=PLAIN] IMAP4 ready
            C: a CAPABILITY
            S: * CAPABILITY IMAP4 IMAP4rev1 UIDPLUS ID AUTH=PLAIN
            S: a OK completed
            C: b ID ("name" "x")
            S: * ID NIL
            S: b OK completed
            C: c ID ("x-originating-ip" "192.0.2.1" "x-proxy-ttl" "4")
            => adopt 192.0.2.1 TTL 4
            S: * ID NIL
            S: c OK completed
            C: d ID ("x-originating-ip" "192.0.2.2")
            S: * ID NIL
            S: d OK completed
            C: e CAPABILITY
            S: * CAPABILITY IMAP4 IMAP4rev1 UIDPLUS AUTH=PLAIN
            S: e OK completed
            """)
    }

    @Test func `whoever is not trusted is answered in IMAP, and told elsewhere that there is no such command`() {
        hold(Self.dialogue(IMAP.self, trusted: false), to: """
            S: * OK IMAP4 ready
            C: c ID ("x-originating-ip" "192.0.2.1" "x-proxy-ttl" "0")
            S: * ID NIL
            S: c OK completed
            C: d ID ("x-originating-ip" x)
            S: d BAD invalid command
            """)
        hold(Self.dialogue(POP3.self, trusted: false), to: """
            S: +OK POP3 ready
            C: XCLIENT ADDR=192.0.2.1
            S: -ERR invalid command
            """)
        hold(Self.dialogue(SMTP.self, trusted: false), to: """
            S: 220 mx.test ESMTP ready
            C: XCLIENT ADDR=192.0.2.1
            S: 500 5.5.1 Invalid command
            """)
    }

    @Test func `what was claimed in the clear is forgotten under TLS, and may be claimed again`() {
        hold(Self.dialogue(POP3.self, startTLS: .on), to: """
            S: +OK [XCLIENT] POP3 ready
            C: XCLIENT ADDR=192.0.2.1
            => adopt 192.0.2.1
            S: +OK Updated
            C: STLS
            S: +OK
            => TLS
            -> TLS
            C: XCLIENT ADDR=192.0.2.2
            => adopt 192.0.2.2
            S: +OK Updated
            """)
        hold(Self.dialogue(IMAP.self, startTLS: .on), to: """
            S: * OK [CAPABILITY IMAP4 IMAP4rev1 UIDPLUS ID AUTH=PLAIN STARTTLS] IMAP4 ready
            C: a ID ("x-originating-ip" "192.0.2.1")
            => adopt 192.0.2.1
            S: * ID NIL
            S: a OK completed
            C: b STARTTLS
            S: b OK completed
            => TLS
            -> TLS
            C: c ID ("x-originating-ip" "192.0.2.2")
            => adopt 192.0.2.2
            S: * ID NIL
            S: c OK completed
            """)
    }

    /// The proxy relays as soon as it has introduced its client, who could speak in its place under TLS.
    @Test func `in SMTP no TLS begins behind a claim`() {
        hold(Self.dialogue(SMTP.self, startTLS: .on), to: """
            S: 220 mx.test ESMTP ready
            C: EHLO proxy
            S: 250-mx.test
            S: 250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT TTL SESSION
            S: 250-AUTH PLAIN LOGIN
            S: 250 STARTTLS
            C: XCLIENT LOGIN=joe
            => adopt
            S: 220 mx.test ESMTP ready
            C: STARTTLS
            S: 500 5.5.1 Invalid command
            C: XCLIENT ADDR=192.0.2.1
            => adopt 192.0.2.1
            S: 220 mx.test ESMTP ready
            C: EHLO client
            S: 250-mx.test
            S: 250 AUTH PLAIN LOGIN
            C: STARTTLS
            S: 500 5.5.1 Invalid command
            """)
    }

    @Test func `where nothing counts in the clear, no claim does`() {
        hold(Self.dialogue(SMTP.self, startTLS: .only), to: """
            S: 220 mx.test ESMTP ready
            C: EHLO proxy
            S: 250-mx.test
            S: 250 STARTTLS
            C: XCLIENT ADDR=192.0.2.1
            S: 530 5.7.0 Must issue a STARTTLS command first
            C: STARTTLS
            S: 220 2.0.0 Start TLS
            => TLS
            -> TLS
            C: XCLIENT ADDR=192.0.2.1
            => adopt 192.0.2.1
            S: 220 mx.test ESMTP ready
            """)
    }

    @Test func `a proxy that does not know its client has said so, and says nothing else`() {
        hold(Self.dialogue(SMTP.self), to: """
            S: 220 mx.test ESMTP ready
            C: XCLIENT ADDR=[UNAVAILABLE]
            => adopt
            S: 220 mx.test ESMTP ready
            C: XCLIENT ADDR=192.0.2.1
            S: 500 5.5.1 Invalid command
            """)
        hold(Self.dialogue(POP3.self), to: """
            S: +OK [XCLIENT] POP3 ready
            C: XCLIENT ADDR=[UNAVAILABLE]
            => adopt
            S: +OK Updated
            C: XCLIENT ADDR=192.0.2.1
            S: -ERR invalid command
            """)
    }

    // MARK: Out

    private static let facts = ClientFacts(
        source: Endpoint(.ipv4(0xC000_0201), port: 40000), destination: Endpoint(.ipv4(0xC000_0202), port: 143))

    /// The login of a client, who has said `ID` in IMAP.
    private static func upstream(
        _ type: any MailProtocol.Type, startsTLS: Bool = false, passesClientID: Bool = true, facts: ClientFacts = facts
    ) -> any UpstreamDialogue {
        var client = dialogue(type, trusted: false, passesClientID: passesClientID)
        if type == IMAP.self {
            for line in ["a1 ID (\"name\" \"x\")\r\n", "a4 LOGIN joe pass\r\n"] { _ = client.receive(Array(line.utf8).span, overTLS: false) }
        }
        if type == SMTP.self { _ = client.receive(Array("EHLO me\r\n".utf8).span, overTLS: false) }
        let credentials = Credentials(method: .plain, login: Array("joe".utf8), secret: Secret(Array("pass".utf8)))
        return client.makeUpstreamDialogue(with: credentials, to: UpstreamTerms(client: facts, startsTLS: startsTLS))
    }

    private func hold(_ dialogue: any UpstreamDialogue, to text: String, sourceLocation: SourceLocation = #_sourceLocation) {
        let script = Transcript(text)
        for delivery in Delivery.allCases {
            var runner = UpstreamTranscriptRunner(dialogue)
            let seen = runner.play(script, delivery)
            #expect(seen.description == script.description, "\(delivery)", sourceLocation: sourceLocation)
        }
    }

    private static let idLine =
        #"C: a4I ID ("x-originating-ip" "192.0.2.1" "x-originating-port" "40000" "x-connected-ip" "192.0.2.2" "x-connected-port" "143" "x-proxy-ttl" "4" "name" "x")"#

    @Test(arguments: ["", "[CAPABILITY IMAP4rev1 ID] "], ["OK fine", "NO not today", "BAD what"])
    func `an upstream of IMAP hears ID along with the login, whatever it thinks of it`(_ code: String, _ answer: String) {
        hold(Self.upstream(IMAP.self), to: """
            S: * OK \(code)ready
            \(Self.idLine)
            C: a4 LOGIN "joe" "pass"
            S: * ID NIL
            S: a4I \(answer)
            S: * CAPABILITY x
            S: a4 OK in
            => accepted: * CAPABILITY x⏎a4 OK in⏎
            """)
    }

    @Test func `ID is no login, and what comes in its place is none either`() {
        let start = "S: * OK ready\n\(Self.idLine)\nC: a4 LOGIN \"joe\" \"pass\"\n"
        hold(Self.upstream(IMAP.self), to: start + "S: a4 OK in\n=> failed: a4 OK in⏎")
        hold(Self.upstream(IMAP.self), to: start + "S: * BYE no\n=> failed: * BYE no⏎")
        hold(Self.upstream(IMAP.self), to: start + "S: a4I OK\nS: a4I OK in\n=> failed: a4I OK in⏎")
    }

    @Test func `who does not offer ID, or is not to hear it, does not`() {
        let login = "C: a4 LOGIN \"joe\" \"pass\"\nS: a4 OK in\n=> accepted: a4 OK in⏎"
        hold(Self.upstream(IMAP.self), to: "S: * OK [CAPABILITY IMAP4rev1] ready\n" + login)
        hold(Self.upstream(IMAP.self, passesClientID: false), to: "S: * OK ready\n" + login)
        hold(Self.upstream(IMAP.self, facts: ClientFacts(source: nil)), to: "S: * OK ready\n" + login)
    }

    @Test func `under STARTTLS, ID is said under TLS`() {
        hold(Self.upstream(IMAP.self, startsTLS: true), to: """
            S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready
            C: a4S STARTTLS
            S: a4S OK begin
            => startTLS
            \(Self.idLine)
            C: a4 LOGIN "joe" "pass"
            S: a4I OK
            S: a4 OK in
            => accepted: a4 OK in⏎
            """)
    }

    private static let xclient = "C: XCLIENT ADDR=192.0.2.1 PORT=40000 TTL=4\n"

    @Test func `an upstream of POP3 hears XCLIENT where its greeting asks for it`() {
        let login = "C: USER joe\nS: +OK Updated\nS: +OK\nC: PASS pass\nS: +OK in\n=> accepted: +OK in⏎"
        hold(Self.upstream(POP3.self), to: "S: +OK [XCLIENT] Dovecot ready.\n" + Self.xclient + login)
        hold(Self.upstream(POP3.self, startsTLS: true), to: "S: +OK [XCLIENT] x\nC: STLS\nS: +OK\n=> startTLS\n" + Self.xclient + login)
        hold(Self.upstream(POP3.self), to: "S: +OK [XCLIENT] x\n" + Self.xclient + "C: USER joe\nS: -ERR no\n=> failed: -ERR no⏎")
    }

    @Test func `an upstream of POP3 that does not ask, or is not to hear it, hears nothing`() {
        let login = "C: USER joe\nS: +OK\nC: PASS pass\nS: +OK in\n=> accepted: +OK in⏎"
        hold(Self.upstream(POP3.self), to: "S: +OK [XCLIENTS] x\n" + login)
        hold(Self.upstream(POP3.self), to: "S: +OK ready [XCLIENT]\n" + login)
        hold(Self.upstream(POP3.self, passesClientID: false), to: "S: +OK [XCLIENT] x\n" + login)
        hold(Self.upstream(POP3.self, startsTLS: true), to: "S: +OK x\nC: STLS\nS: +OK\n=> startTLS\n" + login)
    }

    @Test(arguments: [
        ("XCLIENT", "ADDR=192.0.2.1 LOGIN=joe NAME=[UNAVAILABLE]"), ("SIZE 1", "ADDR=192.0.2.1 LOGIN=joe NAME=[UNAVAILABLE]"),
        ("xclient addr port", "ADDR=192.0.2.1 PORT=40000"),
        ("XCLIENT NAME ADDR PROTO HELO", "ADDR=192.0.2.1 NAME=[UNAVAILABLE] PROTO=ESMTP HELO=me"),
        ("XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT FOO",
         "ADDR=192.0.2.1 LOGIN=joe NAME=[UNAVAILABLE] PORT=40000 PROTO=ESMTP HELO=me DESTADDR=192.0.2.2 DESTPORT=143"),
        ("XCLIENT ADDR TTL SESSION TIMEOUT", "ADDR=192.0.2.1 TTL=4"),
    ])
    func `an upstream of SMTP is told what it lists, or what nginx tells`(_ offer: String, _ attributes: String) {
        hold(Self.upstream(SMTP.self), to: """
            S: 220 x
            C: EHLO mx.test
            S: 250-XCLIENT HELO
            S: 250-\(offer)
            S: 250 x
            C: XCLIENT \(attributes)
            S: 220 again
            C: EHLO me
            S: 250 x
            => accepted: 235 2.0.0 OK⏎
            """)
    }

    @Test func `an upstream of SMTP that lists only what we do not know is told nothing`() {
        hold(Self.upstream(SMTP.self), to: "S: 220 x\nC: EHLO mx.test\nS: 250-x\nS: 250 XCLIENT FOO\n=> accepted: 235 2.0.0 OK⏎")
    }

    // MARK: Fuzzing

    @Test func `no claim whatever traps a dialogue`() {
        var random = SeededBytes(seed: 550)
        let lines = [
            "XCLIENT ADDR=192.0.2.1 PORT=1 NAME=a LOGIN=b HELO=c PROTO=SMTP", "XCLIENT ADDR=::1 SESSION=a TTL=1 FORWARD=YT1i",
            #"a ID ("x-originating-ip" "::1" "x-proxy-ttl" "1")"#, "EHLO x", "MAIL FROM:<a>", "RCPT TO:<b>", "USER a", "STARTTLS",
        ].map { Array(($0 + "\r\n").utf8) }
        for type in mailProtocols {
            var dialogue = Self.dialogue(type, startTLS: .on)
            for round in 0..<20_000 {
                let line = lines[random.below(lines.count)]
                let input = random.below(3) == 0 ? random.mutate(line) : line
                let step = dialogue.receive(input.span, overTLS: false)
                if step.byteCount > input.count { Issue.record("\(input)") }
                switch step.action {
                case .authenticate: _ = dialogue.refuse(Refusal(.message([])), thenCloses: false)
                case .startTLS: dialogue.forgetPlaintext()
                case .close: dialogue = Self.dialogue(type, startTLS: .on)
                case .awaitInput, .reply, .adopt: break
                }
                if round % 50 == 0 { dialogue = Self.dialogue(type, startTLS: .on) }
            }
        }
    }
}
