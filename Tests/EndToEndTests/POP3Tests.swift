import TestSupport
import Testing

/// POP3 before the login, as a client sees it (`mail-pop3.md`).
@Suite(.ownWorkspace) struct POP3Tests {
    static let commands: [Dialogue] = [
        Dialogue("the commands that need no login", """
            S: +OK POP3 ready
            C: NOOP
            S: +OK
            C: capa
            S: +OK Capability list follows
            S: TOP
            S: USER
            S: UIDL
            S: SASL PLAIN LOGIN
            S: .
            C: AUTH
            S: +OK methods supported:
            S: PLAIN
            S: LOGIN
            S: .
            C: QUIT
            S: +OK
            S.
            """),
        Dialogue("lines that are no commands", "max_errors 10;", """
            S: +OK POP3 ready
            C: STAT
            S: -ERR invalid command
            C:  NOOP
            S: -ERR invalid command
            C:
            S: -ERR invalid command
            C: PASS secret
            S: -ERR invalid command
            C: STLS
            S: -ERR invalid command
            C: USER
            S: -ERR invalid command
            C: APOP user 0123456789abcdef0123456789abcdef
            S: -ERR invalid command
            C: NOOP 1 2 3 4
            S: -ERR invalid command
            C: NOOP
            S: +OK
            """),
        Dialogue("after USER only a few commands make sense, and a wrong one forgets the name", """
            S: +OK POP3 ready
            C: USER user
            S: +OK
            C: NOOP
            S: +OK
            C: USER user
            S: -ERR invalid command
            C: PASS secret
            S: -ERR invalid command
            """),
        Dialogue("a line too many of those ends the session", "max_errors 2;", """
            S: +OK POP3 ready
            C: FOO
            S: -ERR invalid command
            C: PASS x
            S: -ERR invalid command
            C: BAR
            S: -ERR invalid command
            S.
            """),
        Dialogue("capabilities and mechanisms as configured", "pop3_capabilities TOP \"EXPIRE NEVER\"; pop3_auth cram-md5;", """
            S: +OK POP3 ready <…@mx.test>
            C: CAPA
            S: +OK Capability list follows
            S: TOP
            S: EXPIRE NEVER
            S: SASL CRAM-MD5
            S: .
            """),
    ]

    static let logins: [Dialogue] = [
        Dialogue("USER and PASS", """
            S: +OK POP3 ready
            C: user user
            S: +OK
            C: pass secret
            S: +OK logged in
            """),
        Dialogue("everything in one piece", """
            S: +OK POP3 ready
            C: USER user
            C: PASS secret
            C: STAT
            S: +OK
            S: +OK logged in
            S: STAT
            """),
        Dialogue("AUTH PLAIN", """
            S: +OK POP3 ready
            C: AUTH PLAIN
            S: +␠
            C: \("\0user\0secret".base64)
            S: +OK logged in
            """),
        Dialogue("AUTH PLAIN with an initial response", """
            S: +OK POP3 ready
            C: auth plain \("x\0user\0secret".base64)
            S: +OK logged in
            """),
        Dialogue("AUTH LOGIN", """
            S: +OK POP3 ready
            C: AUTH LOGIN
            S: + VXNlcm5hbWU6
            C: \("user".base64)
            S: + UGFzc3dvcmQ6
            C: \("secret".base64)
            S: +OK logged in
            """),
        Dialogue("what cannot be decoded, is cancelled or not offered, and then a good login", """
            S: +OK POP3 ready
            C: AUTH PLAIN
            S: +␠
            C: *
            S: -ERR invalid command
            C: AUTH PLAIN \("\0user".base64)
            S: -ERR invalid command
            C: AUTH CRAM-MD5
            S: -ERR invalid command
            C: AUTH LOGIN \("user".base64)
            S: + UGFzc3dvcmQ6
            C: \("secret".base64)
            S: +OK logged in
            """),
        Dialogue("a refusal for good", """
            S: +OK POP3 ready
            C: USER nobody
            S: +OK
            C: PASS secret
            S: -ERR Invalid login
            S.
            """),
        Dialogue("a refusal with Auth-Wait lets the client try again", """
            S: +OK POP3 ready
            C: USER slow
            C: PASS secret
            C: USER user
            C: PASS secret
            S: +OK
            S: -ERR Try again
            S: +OK
            S: +OK logged in
            """),
    ]

    @Test(arguments: commands) func `commands before the login`(_ dialogue: Dialogue) throws {
        try dialogue.play(.pop3)
    }

    @Test(arguments: logins) func `ways to log in`(_ dialogue: Dialogue) throws {
        try dialogue.play(.pop3)
    }

    @Test func `blanks in a name or a password are part of it`() throws {
        let upstream = try StubServer.pop3()
        let auth = try StubAuthServer(accepting: upstream)
        try MailServer(.pop3, asking: auth).client().converse("""
            S: +OK POP3 ready
            C: USER joe ␠
            S: +OK
            C: PASS  my pass␠
            S: +OK logged in
            """)
        #expect(try auth.question()["Auth-User"] == "joe%20%20")
        #expect(try auth.question()["Auth-Pass"] == "my%20pass%20")
        #expect(try upstream.session().receivedText.hasPrefix("USER joe  \r\nPASS my pass \r\n"))
    }

    @Test func `APOP goes to the auth server with the challenge of the greeting`() throws {
        let upstream = try StubServer.pop3()
        let auth = try StubAuthServer(accepting: upstream, "Auth-Pass: other", "Auth-User: else")
        let client = try MailServer(.pop3, asking: auth, "pop3_auth apop;").client()
        let challenge = try client.expect("+OK POP3 ready <…@mx.test>").dropFirst("+OK POP3 ready ".count)
        let digest = String(repeating: "0123456789abcdef", count: 2)
        try client.converse("C: APOP user \(digest)\nS: +OK logged in")
        let question = try auth.question()
        #expect(question["Auth-Method"] == "apop")
        #expect(question["Auth-Pass"] == digest)
        #expect(question["Auth-Salt"] == String(challenge))
        #expect(try upstream.session().receivedText == "USER else\r\nPASS other\r\n")
    }

    /// nginx knows no line longer than 128 bytes.
    @Test func `a line may be as long as any SASL response`() throws {
        let upstream = try StubServer.pop3()
        let auth = try StubAuthServer(accepting: upstream)
        let password = String(repeating: "x", count: 600)
        try MailServer(.pop3, asking: auth).client().converse("""
            S: +OK POP3 ready
            C: AUTH PLAIN \("\0user\0\(password)".base64)
            S: +OK logged in
            """)
        #expect(try auth.question()["Auth-Pass"] == password)
    }

    @Test func `a line without an end is cut off`() throws {
        let auth = try StubAuthServer { _ in .close }
        let client = try MailServer(.pop3, asking: auth).client()
        try client.converse("S: +OK POP3 ready")
        try client.send("USER " + String(repeating: "x", count: 100_000))
        try client.converse("S: -ERR invalid command\nS.")
    }

    @Test func `a client that is too slow is told so`() throws {
        let auth = try StubAuthServer { _ in .hang }
        let proxy = try MailServer(.pop3, asking: auth, "timeout 1s;")
        try proxy.client().converse("S: +OK POP3 ready\nC: USER user\nS: +OK\nS: -ERR …\nS.")
        try proxy.server.awaitLog("client timed out (110: Connection timed out) while in auth state, client: 127.0.0.1")
    }
}
