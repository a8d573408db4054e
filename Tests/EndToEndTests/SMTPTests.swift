import TestSupport
import Testing

/// SMTP before the login, as a client sees it (`mail-smtp.md`).
@Suite(.ownWorkspace) struct SMTPTests {
    static let commands: [Dialogue] = [
        Dialogue("the commands that need no login", """
            S: 220 mx.test ESMTP ready
            C: HELO me
            S: 250 mx.test
            C: ehlo me
            S: 250-mx.test
            S: 250 AUTH PLAIN LOGIN
            C: NOOP
            S: 250 2.0.0 OK
            C: RSET
            S: 250 2.0.0 OK
            C: MAIL FROM:<a@b>
            S: 530 5.7.1 Authentication required
            C: RCPT TO:<a@b>
            S: 503 5.5.1 Bad sequence of commands
            C: VRFY someone
            S: 500 5.5.1 Invalid command
            C: QUIT
            S: 221 2.0.0 Bye
            S.
            """),
        Dialogue("wrong arguments and lines that are no commands", "max_errors 10;", """
            S: 220 mx.test ESMTP ready
            C: EHLO
            S: 501 5.5.4 Invalid argument
            C: HELO one two
            S: 501 5.5.4 Invalid argument
            C: AUTH
            S: 501 5.5.4 Invalid argument
            C: DATA
            S: 500 5.5.1 Invalid command
            C: XCLIENT ADDR=1.2.3.4
            S: 500 5.5.1 Invalid command
            C:
            S: 500 5.5.1 Invalid command
            C:  NOOP
            S: 500 5.5.1 Invalid command
            C: NOOP 1 2 3 4 5 6 7 8 9 10 11
            S: 250 2.0.0 OK
            C: NOOP 1 2 3 4 5 6 7 8 9 10 11 12
            S: 500 5.5.1 Invalid command
            C: STARTTLS
            S: 500 5.5.1 Invalid command
            """),
        Dialogue("a line too many of those ends the session", "max_errors 2;", """
            S: 220 mx.test ESMTP ready
            C: DATA
            S: 500 5.5.1 Invalid command
            C: VRFY x
            S: 500 5.5.1 Invalid command
            C: BDAT 1
            S: 500 5.5.1 Invalid command
            S.
            """),
        Dialogue("capabilities and mechanisms as configured", "smtp_capabilities \"SIZE 100\" PIPELINING; smtp_auth cram-md5 plain;", """
            S: 220 mx.test ESMTP ready
            C: EHLO me
            S: 250-mx.test
            S: 250-SIZE 100
            S: 250-PIPELINING
            S: 250 AUTH PLAIN CRAM-MD5
            """),
        Dialogue("no mechanism, no AUTH line", "smtp_auth none;", """
            S: 220 mx.test ESMTP ready
            C: EHLO me
            S: 250 mx.test
            """),
        Dialogue("a command longer than the buffer", "smtp_client_buffer 128;", """
            S: 220 mx.test ESMTP ready
            C: NOOP \(String(repeating: "x", count: 200))
            S: 500 5.5.1 Invalid command
            S.
            """),
        Dialogue("commands sent together are answered in order", """
            S: 220 mx.test ESMTP ready
            C: EHLO me
            C: NOOP
            C: AUTH PLAIN \("\0user\0secret".base64)
            C: MAIL FROM:<a@b>
            S: 250-mx.test
            S: 250 AUTH PLAIN LOGIN
            S: 250 2.0.0 OK
            S: 235 2.0.0 OK
            S: 250 2.1.0 sender
            """),
    ]

    static let logins: [Dialogue] = [
        Dialogue("AUTH PLAIN", """
            S: 220 mx.test ESMTP ready
            C: AUTH PLAIN
            S: 334␠
            C: \("\0user\0secret".base64)
            S: 235 2.0.0 OK
            """),
        Dialogue("AUTH LOGIN", """
            S: 220 mx.test ESMTP ready
            C: auth login
            S: 334 VXNlcm5hbWU6
            C: \("user".base64)
            S: 334 UGFzc3dvcmQ6
            C: \("secret".base64)
            S: 235 2.0.0 OK
            """),
        Dialogue("what cannot be decoded, is cancelled or not offered, and then a good login", """
            S: 220 mx.test ESMTP ready
            C: AUTH PLAIN !
            S: 500 5.5.1 Invalid command
            C: AUTH LOGIN
            S: 334 VXNlcm5hbWU6
            C: *
            S: 500 5.5.1 Invalid command
            C: AUTH CRAM-MD5
            S: 500 5.5.1 Invalid command
            C: AUTH KERBEROS x
            S: 500 5.5.1 Invalid command
            C: AUTH LOGIN \("user".base64)
            S: 334 UGFzc3dvcmQ6
            C: \("secret".base64)
            S: 235 2.0.0 OK
            """),
        Dialogue("a refusal for good", """
            S: 220 mx.test ESMTP ready
            C: AUTH PLAIN \("\0nobody\0secret".base64)
            S: 535 5.7.0 Invalid login
            S.
            """),
        Dialogue("a refusal with Auth-Wait lets the client try again", """
            S: 220 mx.test ESMTP ready
            C: AUTH PLAIN \("\0slow\0secret".base64)
            S: 535 5.7.0 Try again
            C: AUTH PLAIN \("\0user\0secret".base64)
            S: 235 2.0.0 OK
            """),
    ]

    static let withoutLogin: [Dialogue] = [
        Dialogue("the upstream answers the recipient, and the rest goes to it", "smtp_auth none; xclient off;", """
            S: 220 mx.test ESMTP ready
            C: EHLO me
            S: 250 mx.test
            C: MAIL FROM:<a@b> SIZE=1
            S: 250 2.0.0 OK
            C: RCPT TO:<c@d>
            S: 250 2.1.5 recipient
            C: DATA
            S: 354 go ahead
            C: Subject: x
            C:
            C: .
            S: 250 2.0.0 queued
            C: QUIT
            S: 221 2.0.0 upstream bye
            S.
            """),
        Dialogue("the order of commands", "smtp_auth none; xclient off;", """
            S: 220 mx.test ESMTP ready
            C: RCPT TO:<c@d>
            S: 503 5.5.1 Bad sequence of commands
            C: MAIL
            S: 501 5.5.4 Invalid argument
            C: MAIL FROM:<a@b>
            S: 250 2.0.0 OK
            C: MAIL FROM:<a@b>
            S: 503 5.5.1 Bad sequence of commands
            C: RCPT
            S: 501 5.5.4 Invalid argument
            C: RSET
            S: 250 2.0.0 OK
            C: RCPT TO:<c@d>
            S: 503 5.5.1 Bad sequence of commands
            """),
        Dialogue("a whole envelope in one piece", "smtp_auth none; xclient off;", """
            S: 220 mx.test ESMTP ready
            C: EHLO me
            C: MAIL FROM:<a@b>
            C: RCPT TO:<c@d>
            C: RCPT TO:<e@f>
            C: DATA
            S: 250 mx.test
            S: 250 2.0.0 OK
            S: 250 2.1.5 recipient
            S: 250 2.1.5 recipient
            S: 354 go ahead
            """),
    ]

    @Test(arguments: commands) func `commands before the login`(_ dialogue: Dialogue) throws {
        try dialogue.play(.smtp)
    }

    @Test(arguments: logins) func `ways to log in`(_ dialogue: Dialogue) throws {
        try dialogue.play(.smtp)
    }

    @Test(arguments: withoutLogin) func `mail without a login`(_ dialogue: Dialogue) throws {
        try dialogue.play(.smtp)
    }

    /// nginx damages what is pipelined behind a MAIL that it rejects.
    @Test func `commands behind a rejected MAIL are answered too`() throws {
        let auth = try StubAuthServer { _ in .close }
        try MailServer(.smtp, asking: auth).client().converse("""
            S: 220 mx.test ESMTP ready
            C: MAIL FROM:<a>
            C: RCPT TO:<b>
            C: NOOP
            S: 530 5.7.1 Authentication required
            S: 503 5.5.1 Bad sequence of commands
            S: 250 2.0.0 OK
            """)
    }

    @Test func `who speaks before the greeting is sent away`() throws {
        let auth = try StubAuthServer { _ in .close }
        let proxy = try MailServer(.smtp, "auth_http \(auth.url); smtp_greeting_delay 2s;", until: .connects)
        let client = try proxy.client()
        try client.send("EHLO early\r\n")
        try client.converse("S: 503 5.5.0 Improper use of SMTP command pipelining\nS.")
        try proxy.server.awaitLog("client was rejected before greeting: \"EHLO early__\" while in delay pipelining state")
    }

    @Test(arguments: [
        ("EHLO early\r\nMAIL FROM:<a>\r\nAUTH PLAIN \("\0user\0secret".base64)\r\n", "EHLO early__MAIL FROM:<a>__"),
        ("AUTH LOGIN\r\n\("user".base64)\r\n\("secret".base64)\r\n", ""), ("PASS secret\r\n", ""), ("EHLO early", ""),
    ])
    func `of what is said before the greeting the log shows nothing that may be a password`(_ text: String, _ shown: String) throws {
        let proxy = try MailServer(.smtp, "auth_http 127.0.0.1:1; smtp_greeting_delay 2s;", until: .connects)
        let client = try proxy.client()
        try client.send(text)
        try client.converse("S: 503 5.5.0 Improper use of SMTP command pipelining\nS.")
        try proxy.server.awaitLog("client was rejected before greeting: \"\(shown)\" while in delay pipelining state")
    }

    @Test func `who waits for the greeting gets it after the delay`() throws {
        let auth = try StubAuthServer { _ in .close }
        let proxy = try MailServer(.smtp, "auth_http \(auth.url); smtp_greeting_delay 500ms;", until: .connects)
        let start = ContinuousClock.now
        try proxy.client().converse("S: 220 mx.test ESMTP ready\nC: NOOP\nS: 250 2.0.0 OK")
        #expect(ContinuousClock.now - start >= .milliseconds(450))
    }

    @Test func `the auth server chooses the code of a refusal`() throws {
        let auth = try StubAuthServer { _ in .refuse("Try later", "Auth-Error-Code: 451 4.3.0") }
        try MailServer(.smtp, asking: auth).client().converse("""
            S: 220 mx.test ESMTP ready
            C: AUTH PLAIN \("\0user\0secret".base64)
            S: 451 4.3.0 Try later
            S.
            """)
    }

    @Test func `a client that is too slow is told so`() throws {
        let auth = try StubAuthServer { _ in .hang }
        let proxy = try MailServer(.smtp, asking: auth, "timeout 1s;")
        try proxy.client().converse("S: 220 mx.test ESMTP ready\nC: NOOP\nS: 250 2.0.0 OK\nS: 421 …\nS.")
        try proxy.server.awaitLog("client timed out (110: Connection timed out) while in auth state, client: 127.0.0.1")
    }
}
