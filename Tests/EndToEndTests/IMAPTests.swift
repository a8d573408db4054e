import TestSupport
import Testing

/// IMAP before the login, as a client sees it (`mail-imap.md`).
@Suite(.ownWorkspace) struct IMAPTests {
    static let commands: [Dialogue] = [
        Dialogue("the commands that need no login", """
            S: * OK IMAP4 ready
            C: a NOOP
            S: a OK completed
            C: b noop 1 2 3
            S: b OK completed
            C: c CAPABILITY
            S: * CAPABILITY IMAP4 IMAP4rev1 UIDPLUS AUTH=PLAIN
            S: c OK completed
            C: d LOGOUT
            S: * BYE
            S: d OK completed
            S.
            """),
        Dialogue("lines that are no commands", "max_errors 10;", """
            S: * OK IMAP4 ready
            C: a SELECT INBOX
            S: a BAD invalid command
            C: b NOOP 1 2 3 4
            S: b BAD invalid command
            C: *** NOOP
            S: * BAD invalid command
            C: 123456789012345678901234567890123 NOOP
            S: * BAD invalid command
            C: c STARTTLS
            S: c BAD invalid command
            C: d LOGIN user
            S: d BAD invalid command
            C: e LOGIN "" secret
            S: e BAD invalid command
            C: f LOGIN {5}}
            S: f BAD invalid command
            C: g NOOP
            S: g OK completed
            """),
        Dialogue("a line too many of those ends the session", "max_errors 2;", """
            S: * OK IMAP4 ready
            C: a FOO
            S: a BAD invalid command
            C: b LOGIN user
            S: b BAD invalid command
            C: c BAR
            S: c BAD invalid command
            S.
            """),
        Dialogue("commands sent together are answered in order", """
            S: * OK IMAP4 ready
            C: a NOOP
            C: b FOO
            C: c CAPABILITY
            C: d LOGIN user secret
            C: e NOOP
            S: a OK completed
            S: b BAD invalid command
            S: * CAPABILITY IMAP4 IMAP4rev1 UIDPLUS AUTH=PLAIN
            S: c OK completed
            S: d OK logged in
            S: e NOOP
            """),
        Dialogue("capabilities and mechanisms as configured", "imap_capabilities IMAP4rev1 IDLE; imap_auth cram-md5 login plain;", """
            S: * OK IMAP4 ready
            C: a CAPABILITY
            S: * CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5
            S: a OK completed
            """),
        Dialogue("a command longer than the buffer", "imap_client_buffer 128;", """
            S: * OK IMAP4 ready
            C: a LOGIN user \(String(repeating: "x", count: 200))
            S: a BAD invalid command
            S.
            """),
        Dialogue("a literal longer than the buffer", "imap_client_buffer 128;", """
            S: * OK IMAP4 ready
            C: a LOGIN {200}
            S: + OK
            C: \(String(repeating: "x", count: 200))
            S: a BAD invalid command
            S.
            """),
    ]

    static let logins: [Dialogue] = [
        Dialogue("quoted strings", """
            S: * OK IMAP4 ready
            C: a LOGIN "us\\er" "secret"
            S: a OK logged in
            """),
        Dialogue("synchronising literals", """
            S: * OK IMAP4 ready
            C: a LOGIN {4}
            S: + OK
            C: user {6}
            S: + OK
            C: secret
            S: a OK logged in
            """),
        Dialogue("literals that need no answer", """
            S: * OK IMAP4 ready
            C: a LOGIN {4+}
            C: user {6+}
            C: secret
            S: a OK logged in
            """),
        Dialogue("AUTHENTICATE PLAIN", """
            S: * OK IMAP4 ready
            C: a authenticate plain
            S: +␠
            C: \("\0user\0secret".base64)
            S: a OK logged in
            """),
        Dialogue("AUTHENTICATE PLAIN with an initial response", """
            S: * OK IMAP4 ready
            C: a AUTHENTICATE PLAIN \("\0user\0secret".base64)
            S: a OK logged in
            """),
        Dialogue("AUTHENTICATE LOGIN", """
            S: * OK IMAP4 ready
            C: a AUTHENTICATE LOGIN
            S: + VXNlcm5hbWU6
            C: \("user".base64)
            S: + UGFzc3dvcmQ6
            C: \("secret".base64)
            S: a OK logged in
            """),
        Dialogue("AUTHENTICATE LOGIN with the name at once", """
            S: * OK IMAP4 ready
            C: a AUTHENTICATE LOGIN \("user".base64)
            S: + UGFzc3dvcmQ6
            C: \("secret".base64)
            S: a OK logged in
            """),
        Dialogue("what cannot be decoded, is cancelled or not offered, and then a good login", """
            S: * OK IMAP4 ready
            C: a AUTHENTICATE PLAIN
            S: +␠
            C: *
            S: a BAD invalid command
            C: b AUTHENTICATE PLAIN !!!!
            S: b BAD invalid command
            C: c AUTHENTICATE PLAIN \("user".base64)
            S: c BAD invalid command
            C: d AUTHENTICATE CRAM-MD5
            S: d BAD invalid command
            C: e AUTHENTICATE KERBEROS
            S: e BAD invalid command
            C: f AUTHENTICATE
            S: f BAD invalid command
            C: g LOGIN user secret
            S: g OK logged in
            """),
        Dialogue("a refusal for good", """
            S: * OK IMAP4 ready
            C: a LOGIN nobody secret
            S: a NO Invalid login
            S.
            """),
        Dialogue("a refusal with Auth-Wait lets the client try again", """
            S: * OK IMAP4 ready
            C: a LOGIN slow secret
            C: b NOOP
            S: a NO Try again
            S: b OK completed
            C: c LOGIN user secret
            S: c OK logged in
            """),
    ]

    /// Where nginx does otherwise (`README.md` and the weaknesses of `mail-imap.md`).
    static let betterThanNginx: [Dialogue] = [
        Dialogue("a literal of no bytes is an empty argument", """
            S: * OK IMAP4 ready
            C: a LOGIN {0+}
            C:  secret
            S: a BAD invalid command
            C: b NOOP
            S: b OK completed
            """),
        Dialogue("a quote that is not closed ends with its line", """
            S: * OK IMAP4 ready
            C: a LOGIN "abc
            S: a BAD invalid command
            C: b LOGIN user secret
            S: b OK logged in
            """),
        Dialogue("a literal too large for any number", """
            S: * OK IMAP4 ready
            C: a LOGIN {18446744073709551620}
            S: a BAD invalid command
            C: b NOOP
            S: b OK completed
            """),
        Dialogue("a bad user name in AUTHENTICATE LOGIN is answered with the tag", """
            S: * OK IMAP4 ready
            C: a AUTHENTICATE LOGIN
            S: + VXNlcm5hbWU6
            C: !
            S: a BAD invalid command
            """),
        Dialogue("EXTERNAL that is not configured is refused however it is asked for", """
            S: * OK IMAP4 ready
            C: a AUTHENTICATE EXTERNAL \("user".base64)
            S: a BAD invalid command
            """),
        Dialogue("many pipelined commands need not fit into the buffer together", "imap_client_buffer 128;", """
            S: * OK IMAP4 ready
            \(String(repeating: "C: a NOOP\n", count: 40))\(String(repeating: "S: a OK completed\n", count: 40))
            """),
        Dialogue("a command too many ends the session", "max_commands 3;", """
            S: * OK IMAP4 ready
            C: a NOOP
            S: a OK completed
            C: b NOOP
            S: b OK completed
            C: c NOOP
            S: c OK completed
            C: d NOOP
            S: d BAD invalid command
            S.
            """),
        Dialogue("XOAUTH2", "imap_auth xoauth2;", """
            S: * OK IMAP4 ready
            C: a CAPABILITY
            S: * CAPABILITY IMAP4 IMAP4rev1 UIDPLUS AUTH=XOAUTH2
            S: a OK completed
            C: b AUTHENTICATE XOAUTH2 \("user=user\u{1}auth=Bearer secret\u{1}\u{1}".base64)
            S: b OK logged in
            """),
        Dialogue("OAUTHBEARER", "imap_auth oauthbearer;", """
            S: * OK IMAP4 ready
            C: a AUTHENTICATE OAUTHBEARER
            S: +␠
            C: \("n,a=user,\u{1}host=x\u{1}auth=Bearer secret\u{1}\u{1}".base64)
            S: a OK logged in
            """),
    ]

    @Test(arguments: commands) func `commands before the login`(_ dialogue: Dialogue) throws {
        try dialogue.play(.imap)
    }

    @Test(arguments: logins) func `ways to log in`(_ dialogue: Dialogue) throws {
        try dialogue.play(.imap)
    }

    @Test(arguments: betterThanNginx) func `better than nginx`(_ dialogue: Dialogue) throws {
        try dialogue.play(.imap)
    }

    @Test func `CRAM-MD5 goes to the auth server with its challenge`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer(accepting: upstream, "Auth-Pass: other")
        let client = try MailServer(.imap, asking: auth, "imap_auth cram-md5;").client()
        let digest = String(repeating: "0123456789abcdef", count: 2)
        try client.converse("S: * OK IMAP4 ready\nC: a AUTHENTICATE CRAM-MD5")
        let challenge = try #require(try client.line()).dropFirst(2)
        try client.converse("C: \("user \(digest)".base64)\nS: a OK logged in")
        let question = try auth.question()
        #expect(question["Auth-Method"] == "cram-md5")
        #expect(question["Auth-Pass"] == digest)
        #expect(question["Auth-Salt"]?.base64 == String(challenge))
        #expect(try upstream.session().notes["password"] == ["other"])
    }

    @Test func `OAuth clients hear what is wrong before the final refusal`() throws {
        let auth = try StubAuthServer { _ in .refuse("Expired", "Auth-Error-SASL: eyJzdGF0dXMiOiI0MDEifQ==") }
        try MailServer(.imap, asking: auth, "imap_auth xoauth2 oauthbearer;").client().converse("""
            S: * OK IMAP4 ready
            C: a AUTHENTICATE XOAUTH2 \("user=user\u{1}auth=Bearer token\u{1}\u{1}".base64)
            S: + eyJzdGF0dXMiOiI0MDEifQ==
            C:
            S: a NO Expired
            S.
            """)
    }

    @Test func `a client that is too slow is told so`() throws {
        let auth = try StubAuthServer { _ in .hang }
        let proxy = try MailServer(.imap, asking: auth, "timeout 1s;")
        try proxy.client().converse("S: * OK IMAP4 ready\nC: a NOOP\nS: a OK completed\nS: * BYE …\nS.")
        try proxy.server.awaitLog("client timed out (110: Connection timed out) while in auth state, client: 127.0.0.1, server: 127.0.0.1:\(proxy.port)")
    }
}
