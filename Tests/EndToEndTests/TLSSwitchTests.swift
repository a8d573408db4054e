import Foundation
import TestSupport
import Testing

/// STARTTLS and STLS: what is offered and refused before, and that nothing crosses the switch
/// (`mail-tls.md`, section 2; `security.md`, rule 4).
@Suite(.ownWorkspace) struct TLSSwitchTests {
    // MARK: What is offered

    /// A value of `starttls`, and the capabilities of each protocol before TLS and in it.
    static let offers: [(mode: String, before: [Speech: String], within: [Speech: String])] = {
        let within: [Speech: String] = [
            .imap: "C: c CAPABILITY\nS: * CAPABILITY IMAP4 IMAP4rev1 UIDPLUS AUTH=PLAIN\nS: c OK completed\n",
            .pop3: "C: CAPA\nS: +OK Capability list follows\nS: TOP\nS: USER\nS: UIDL\nS: SASL PLAIN LOGIN\nS: .\n",
            .smtp: "C: EHLO me\nS: 250-mx.test\nS: 250 AUTH PLAIN LOGIN\n",
        ]
        let offered: [Speech: String] = [
            .imap: "C: c CAPABILITY\nS: * CAPABILITY IMAP4 IMAP4rev1 UIDPLUS AUTH=PLAIN STARTTLS\nS: c OK completed\n",
            .pop3: "C: CAPA\nS: +OK Capability list follows\nS: TOP\nS: USER\nS: UIDL\nS: SASL PLAIN LOGIN\nS: STLS\nS: .\n",
            .smtp: "C: EHLO me\nS: 250-mx.test\nS: 250-AUTH PLAIN LOGIN\nS: 250 STARTTLS\n",
        ]
        let required: [Speech: String] = [
            .imap: "C: c CAPABILITY\nS: * CAPABILITY IMAP4 IMAP4rev1 UIDPLUS STARTTLS LOGINDISABLED\nS: c OK completed\n",
            .pop3: "C: CAPA\nS: +OK Capability list follows\nS: TOP\nS: UIDL\nS: STLS\nS: .\n",
            .smtp: "C: EHLO me\nS: 250-mx.test\nS: 250 STARTTLS\n",
        ]
        return [("off", within, within), ("on", offered, within), ("only", required, within)]
    }()

    @Test(arguments: offers)
    func `capabilities say whether TLS is to be had, and no more once it is on`(
        _ offer: (mode: String, before: [Speech: String], within: [Speech: String])
    ) throws {
        let proxy = try TLSServer(starttls: offer.mode)
        for speech in Speech.allCases {
            let (before, within) = (try #require(offer.before[speech]), try #require(offer.within[speech]))
            try proxy.plainClient(speech, .starttls).converse("S: \(speech.greeting)\n" + before)
            if offer.mode != "off" { try proxy.client(speech, .starttls).converse(within) }
            try proxy.client(speech, .implicit).converse(within)
        }
    }

    @Test func `STARTTLS is refused where it is off, and where TLS is on`() throws {
        let (off, on) = (try TLSServer(starttls: "off"), try TLSServer())
        for speech in Speech.allCases {
            let refusal = "C: \(speech.startTLS.command)\nS: \(speech.refusal(ofTag: "s"))\n" + speech.noopScript
            try off.plainClient(speech, .starttls).converse("S: \(speech.greeting)\n" + refusal)
            for way in TLSWay.allCases { try on.client(speech, way).converse(refusal) }
        }
    }

    @Test func `arguments of STARTTLS do not matter, letter case neither`() throws {
        let proxy = try TLSServer()
        for (speech, command, reply) in [
            (Speech.imap, "s starttls now", "s OK completed"), (.pop3, "stls now", "+OK"), (.smtp, "starttls now", "220 2.0.0 Start TLS"),
        ] {
            let client = try proxy.plainClient(speech, .starttls)
            try client.converse("S: \(speech.greeting)\nC: \(command)\nS: \(reply)")
            try client.startTLS()
            try client.converse(speech.noopScript)
        }
    }

    // MARK: starttls only

    /// What `starttls only` refuses in the clear.
    static let loginsInClear: [(Speech, String)] = [
        (.imap, "C: a LOGIN user secret\nS: a BAD invalid command"), (.imap, "C: a AUTHENTICATE PLAIN\nS: a BAD invalid command"),
        (.imap, "C: a AUTHENTICATE PLAIN \("\0user\0secret".base64)\nS: a BAD invalid command"),
        (.imap, "C: a AUTHENTICATE LOGIN\nS: a BAD invalid command"),
        (.imap, "C: a AUTHENTICATE EXTERNAL \("user".base64)\nS: a BAD invalid command"),
        (.imap, "C: a AUTHENTICATE CRAM-MD5\nS: a BAD invalid command"),
        (.pop3, "C: USER user\nS: -ERR invalid command"), (.pop3, "C: AUTH PLAIN\nS: -ERR invalid command"),
        (.pop3, "C: AUTH\nS: -ERR invalid command"), (.pop3, "C: AUTH EXTERNAL \("user".base64)\nS: -ERR invalid command"),
        (.pop3, "C: APOP user 0123456789abcdef0123456789abcdef\nS: -ERR invalid command"),
        (.pop3, "C: PASS secret\nS: -ERR invalid command"),
        (.smtp, "C: AUTH PLAIN \("\0user\0secret".base64)\nS: 500 5.5.1 Invalid command"),
        (.smtp, "C: AUTH LOGIN\nS: 500 5.5.1 Invalid command"), (.smtp, "C: AUTH EXTERNAL =\nS: 500 5.5.1 Invalid command"),
    ]

    @Test func `starttls only lets nobody log in before TLS, and everybody after`() throws {
        let proxy = try TLSServer(starttls: "only") {
            switch $0 {
            case .imap: "imap_auth plain login cram-md5 external;"
            case .pop3: "pop3_auth plain apop cram-md5 external;"
            case .smtp: "smtp_auth plain login cram-md5 external;"
            }
        }
        func greeting(_ speech: Speech) -> String { speech == .pop3 ? "+OK …" : speech.greeting }
        for (speech, script) in Self.loginsInClear {
            try proxy.plainClient(speech, .starttls).converse("S: \(greeting(speech))\n\(script)\n" + speech.noopScript)
        }
        #expect(proxy.auth.questions.isEmpty)
        for speech in Speech.allCases {
            let client = try proxy.plainClient(speech, .starttls)
            try client.converse("S: \(greeting(speech))\nC: \(speech.startTLS.command)\nS: \(speech.startTLS.reply)")
            try client.startTLS()
            try client.converse(speech.loginAfterGreeting() + speech.welcome)
        }
    }

    /// nginx takes unauthenticated mail in the clear here.
    @Test func `starttls only takes no mail before TLS where no login is asked for`() throws {
        let proxy = try TLSServer(starttls: "only") { $0 == .smtp ? "smtp_auth none; xclient off;" : "" }
        let client = try proxy.plainClient(.smtp, .starttls)
        try client.converse("""
            S: 220 mx.test ESMTP ready
            C: EHLO me
            S: 250-mx.test
            S: 250 STARTTLS
            C: MAIL FROM:<a@b>
            S: 5…
            C: RCPT TO:<c@d>
            S: 5…
            C: STARTTLS
            S: 220 2.0.0 Start TLS
            """)
        #expect(proxy.auth.questions.isEmpty)
        try client.startTLS()
        try client.converse("""
            C: RCPT TO:<c@d>
            S: 503 5.5.1 Bad sequence of commands
            C: EHLO me
            S: 250 mx.test
            C: MAIL FROM:<a@b>
            S: 250 2.0.0 OK
            C: RCPT TO:<c@d>
            S: 250 2.1.5 recipient
            """)
    }

    // MARK: Nothing crosses the switch

    /// What an attacker on the path adds behind the client's STARTTLS.
    static let injections: [Speech: [String]] = [
        .imap: [
            "x NOOP\r\n", "x LOGIN evil secret\r\n", "x LOGOUT\r\n", "x LOGIN {4}\r\n", "x LOGIN {60+}\r\nevil", "x LOGIN evil ",
            "x LOGIN \"", "x AUTHENTICATE PLAIN\r\n", "x AUTHENTICATE LOGIN \("evil".base64)\r\n", "x AUTHENTICATE PLAIN {99+}\r\n", "\r\n", "x",
        ],
        .pop3: [
            "NOOP\r\n", "USER evil\r\n", "USER evil\r\nPASS secret\r\n", "QUIT\r\n", "AUTH PLAIN\r\n", "AUTH LOGIN \("evil".base64)\r\n",
            "USER ", "NO", "\r\n",
        ],
        .smtp: [
            "NOOP\r\n", "EHLO evil\r\n", "HELO evil\r\nMAIL FROM:<evil@b>\r\n", "QUIT\r\n", "AUTH PLAIN\r\n",
            "AUTH LOGIN \("evil".base64)\r\n", "MAIL FROM:<evil@b> ", "RSET\r\nNO", "\r\n",
        ],
    ]

    @Test(arguments: Speech.allCases)
    func `what is pipelined behind STARTTLS is forgotten, be it whole or half a command`(_ speech: Speech) throws {
        let proxy = try TLSServer()
        for injection in try #require(Self.injections[speech]) {
            let client = try proxy.plainClient(speech, .starttls)
            try client.expect(speech.greeting)
            try client.send("\(speech.startTLS.command)\r\n\(injection)")
            try client.expect(speech.startTLS.reply)
            try client.startTLS()
            try client.converse(speech.noopScript + speech.loginAfterGreeting() + speech.welcome)
        }
        #expect(proxy.auth.questions.allSatisfy { $0["Auth-User"] == "user" && $0["Auth-Login-Attempt"] == "1" })
    }

    @Test(arguments: Speech.allCases)
    func `where the bytes are cut changes nothing of it`(_ speech: Speech) throws {
        let proxy = try TLSServer()
        let command = Array("\(speech.startTLS.command)\r\n".utf8)
        let bytes = command + Array("\(speech.noop.command)\r\n".utf8)
        for cut in 1..<bytes.count {
            let client = try proxy.plainClient(speech, .starttls)
            try client.expect(speech.greeting)
            try client.send(Array(bytes.prefix(cut)))
            // Behind the command, the rest is sent when the switch has been made: it is no handshake.
            if cut >= command.count { try client.expect(speech.startTLS.reply) } else { usleep(1500) }
            try client.send(Array(bytes.dropFirst(cut)))
            if cut >= command.count {
                client.finishSending()
                let rest = try client.rest()
                #expect(rest.isEmpty || rest[0] == 0x15)
            } else {
                try client.expect(speech.startTLS.reply)
                try client.startTLS()
                try client.converse(speech.noopScript)
            }
        }
    }

    @Test func `a name that was given in the clear must be given again`() throws {
        let proxy = try TLSServer { $0 == .smtp ? "smtp_auth none; xclient off;" : "" }
        let client = try proxy.plainClient(.smtp, .starttls)
        try client.converse("""
            S: 220 mx.test ESMTP ready
            C: EHLO evil
            S: 250-mx.test
            S: 250 STARTTLS
            C: MAIL FROM:<evil@b>
            S: 250 2.0.0 OK
            C: STARTTLS
            S: 220 2.0.0 Start TLS
            """)
        try client.startTLS()
        try client.converse("""
            C: RCPT TO:<c@d>
            S: 503 5.5.1 Bad sequence of commands
            C: MAIL FROM:<a@b>
            S: 250 2.0.0 OK
            C: RCPT TO:<c@d>
            S: 250 2.1.5 recipient
            """)
        let question = try proxy.auth.question()
        #expect(question["Auth-SMTP-Helo"] == "")
        #expect(question["Auth-SMTP-From"] == "MAIL FROM:<a@b>")
        #expect(question["Auth-SSL"] == "on")
    }

    @Test func `POP3 takes no STLS after USER, and no PASS after STLS`() throws {
        let proxy = try TLSServer()
        let client = try proxy.plainClient(.pop3, .starttls)
        try client.converse("""
            S: +OK POP3 ready
            C: USER evil
            S: +OK
            C: STLS
            S: -ERR invalid command
            C: STLS
            S: +OK
            """)
        try client.startTLS()
        try client.converse("""
            C: PASS secret
            S: -ERR invalid command
            C: NOOP
            S: +OK
            """)
        #expect(proxy.auth.questions.isEmpty)
    }

    /// A mechanism begun in the clear, and its next line, sent in TLS.
    static let exchanges: [(Speech, begin: String, next: String)] = [
        (
            .imap, "C: a AUTHENTICATE LOGIN \("evil".base64)\nS: + UGFzc3dvcmQ6\nC: *\nS: a BAD invalid command\n",
            "C: \("secret".base64)\nS: * BAD invalid command"
        ),
        (
            .pop3, "C: AUTH LOGIN \("evil".base64)\nS: + UGFzc3dvcmQ6\nC: *\nS: -ERR invalid command\n",
            "C: \("secret".base64)\nS: -ERR invalid command"
        ),
        (
            .smtp, "C: AUTH LOGIN \("evil".base64)\nS: 334 UGFzc3dvcmQ6\nC: *\nS: 500 5.5.1 Invalid command\n",
            "C: \("secret".base64)\nS: 500 5.5.1 Invalid command"
        ),
    ]

    @Test(arguments: exchanges)
    func `an exchange begun in the clear does not go on in TLS`(_ speech: Speech, _ begin: String, _ next: String) throws {
        let proxy = try TLSServer()
        let client = try proxy.plainClient(speech, .starttls)
        try client.converse("S: \(speech.greeting)\n\(begin)C: \(speech.startTLS.command)\nS: \(speech.startTLS.reply)")
        try client.startTLS()
        try client.converse(next)
        #expect(proxy.auth.questions.isEmpty)
    }

    @Test func `faults are counted on both sides of the switch`() throws {
        let proxy = try TLSServer("max_errors 2;")
        let client = try proxy.plainClient(.imap, .starttls)
        try client.converse("S: * OK IMAP4 ready\nC: a FOO\nS: a BAD invalid command\nC: s STARTTLS\nS: s OK completed")
        try client.startTLS()
        try client.converse("C: b FOO\nS: b BAD invalid command\nS.")
    }

    // MARK: The log

    @Test(arguments: Speech.allCases) func `log lines say by which way TLS came`(_ speech: Speech) throws {
        let proxy = try TLSServer()
        for way in TLSWay.allCases {
            let client = try proxy.loggedInClient(speech, way)
            let line = try proxy.server.awaitLog("client logged in", count: way == .implicit ? 1 : 2)
            let mark = way == .starttls ? " using starttls" : ""
            let upstream = try proxy.upstream(speech).address
            #expect(line.hasSuffix(
                ", client: 127.0.0.1\(mark), server: 127.0.0.1:\(proxy.port(speech, way)), login: \"user\", upstream: \(upstream)"))
            client.close()
        }
    }

    @Test func `no password that came by TLS is in the log`() throws {
        let proxy = try TLSServer()
        for route in TLSRoute.all {
            let client = try proxy.client(route.speech, route.way)
            try client.converse(route.speech.loginAfterGreeting("user", "V3rySecret") + route.speech.welcome)
            client.finishSending()
            try client.expectEnd()
        }
        try proxy.server.awaitLog("proxied session done", count: TLSRoute.all.count)
        for secret in ["V3rySecret", "\0user\0V3rySecret".base64] { #expect(!proxy.server.log.contains(secret)) }
    }
}
