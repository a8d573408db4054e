import Foundation
import TestSupport
import Testing

/// The login at the upstream (`mail-proxy.md`).
@Suite(.ownWorkspace) struct UpstreamTests {
    static let afterLogin = "C: x hello\nS: x hello\n"

    @Test(arguments: Speech.allCases, [Delivery.byteByByte, .splitAt(1), .splitAt(3), .splitAt(5), .splitAt(10)])
    func `replies may come in any pieces`(_ speech: Speech, _ delivery: Delivery) throws {
        let upstream = try speech.upstream(UpstreamManner(delivery: delivery))
        try MailServer(speech, accepting: upstream).client().converse(speech.login() + speech.welcome + Self.afterLogin)
    }

    @Test func `untagged lines before the tagged one are the client's`() throws {
        let upstream = try StubServer.imap(UpstreamManner([
            .login: .text("* CAPABILITY IMAP4rev1 IDLE\r\n* ID NIL\r\n* OK still here\r\nTAG OK [READ-WRITE] in\r\n* 3 EXISTS\r\n")
        ]))
        try MailServer(.imap, accepting: upstream).client().converse(Speech.imap.login() + """
            S: * CAPABILITY IMAP4rev1 IDLE
            S: * ID NIL
            S: * OK still here
            S: a OK [READ-WRITE] in
            S: * 3 EXISTS
            """)
    }

    @Test func `an IMAP login costs one round trip where name and password can be quoted`() throws {
        let upstream = try StubServer.imap()
        try MailServer(.imap, accepting: upstream).client()
            .converse("S: …\nC: A1 LOGIN user \"pass \\\"word\"\nS: A1 OK logged in")
        #expect(try upstream.session().receivedText == "A1 LOGIN \"user\" \"pass \\\"word\"\r\n")
    }

    @Test func `LITERAL+ is used where the upstream offers it and quoting would not do`() throws {
        let upstream = try StubServer.imap(UpstreamManner([.greeting: .text("* OK [CAPABILITY IMAP4rev1 LITERAL+] ready\r\n")]))
        try MailServer(.imap, accepting: upstream).client()
            .converse("S: …\nC: a LOGIN user {4+}\nC: p\u{1}é\nS: a OK logged in")
        #expect(try upstream.session().notes["password"] == ["p\u{1}é"])
        #expect(try upstream.session().receivedText.contains("{4+}\r\np\u{1}é"))
    }

    @Test func `synchronising literals are used where nothing else will do`() throws {
        let upstream = try StubServer.imap()
        try MailServer(.imap, accepting: upstream).client()
            .converse("S: …\nC: a LOGIN user {4+}\nC: p\u{1}é\nS: a OK logged in")
        #expect(try upstream.session().notes["password"] == ["p\u{1}é"])
    }

    @Test func `POP3 is told name and password, each after a +OK`() throws {
        let upstream = try StubServer.pop3(UpstreamManner([.login: .text("+OK 7 messages\r\n")]))
        try MailServer(.pop3, accepting: upstream).client().converse(Speech.pop3.login() + "S: +OK 7 messages")
        #expect(try upstream.session().receivedText == "USER user\r\nPASS secret\r\n")
    }

    /// What SMTP upstreams hear, by settings and by what the client said first.
    static let smtp: [(settings: String, hello: String, heard: [String])] = [
        ("", "", ["EHLO mx.test", "XCLIENT ADDR=127.0.0.1 LOGIN=us+20er+2B+3D NAME=[UNAVAILABLE]"]),
        ("", "EHLO me", ["EHLO mx.test", "XCLIENT ADDR=127.0.0.1 LOGIN=us+20er+2B+3D NAME=[UNAVAILABLE]", "EHLO me"]),
        ("", "HELO me", ["EHLO mx.test", "XCLIENT ADDR=127.0.0.1 LOGIN=us+20er+2B+3D NAME=[UNAVAILABLE]", "HELO me"]),
        ("xclient off;", "", ["HELO mx.test"]),
        ("xclient off;", "EHLO me", ["EHLO mx.test"]),
        ("xclient off; proxy_smtp_auth on;", "EHLO me", ["EHLO mx.test", "AUTH PLAIN \("\0us er+=\0secret".base64)"]),
        ("proxy_smtp_auth on;", "EHLO me", [
            "EHLO mx.test", "XCLIENT ADDR=127.0.0.1 NAME=[UNAVAILABLE]", "EHLO me", "AUTH PLAIN \("\0us er+=\0secret".base64)",
        ]),
    ]

    @Test(arguments: smtp)
    func `what an SMTP upstream hears`(_ case: (settings: String, hello: String, heard: [String])) throws {
        let upstream = try StubServer.smtp()
        let client = try MailServer(.smtp, accepting: upstream, `case`.settings).client()
        try client.expect("220 mx.test ESMTP ready")
        if !`case`.hello.isEmpty {
            try client.send(`case`.hello + "\r\n")
            while try client.line()?.hasPrefix("250-") == true {}
        }
        try client.converse("C: AUTH PLAIN \("\0us er+=\0secret".base64)\nS: 235 2.0.0 OK")
        #expect(try upstream.session().notes["command"] == `case`.heard)
    }

    @Test func `mail without a login takes its envelope to the upstream`() throws {
        let upstream = try StubServer.smtp(UpstreamManner([.rcpt: .text("550 5.1.1 No such user\r\n")]))
        try MailServer(.smtp, accepting: upstream, "smtp_auth none; xclient off;").client().converse("""
            S: …
            C: HELO me
            S: 250 mx.test
            C: MAIL FROM:<>
            S: 250 2.0.0 OK
            C: RCPT TO:<x> FOO=1
            S: 550 5.1.1 No such user
            C: RSET
            S: 250 2.0.0 upstream OK
            """)
        #expect(try upstream.session().notes["command"] == ["HELO mx.test", "MAIL FROM:<>", "RCPT TO:<x> FOO=1", "RSET"])
    }

    // MARK: Misbehaviour

    struct Step: Sendable, CustomTestStringConvertible {
        let speech: Speech
        let step: UpstreamStep
        var settings = ""

        var testDescription: String { "\(speech) \(step)" }
    }

    static let steps: [Step] = [
        Step(speech: .imap, step: .greeting), Step(speech: .imap, step: .login),
        Step(speech: .pop3, step: .greeting), Step(speech: .pop3, step: .user), Step(speech: .pop3, step: .login),
        Step(speech: .smtp, step: .greeting), Step(speech: .smtp, step: .hello), Step(speech: .smtp, step: .xclient),
        Step(speech: .smtp, step: .login, settings: "xclient off; proxy_smtp_auth on;"),
    ]

    @Test(arguments: steps, [UpstreamReply.close, .reset])
    func `an upstream that closes at a step is an internal error`(_ case: Step, _ reply: UpstreamReply) throws {
        let upstream = try `case`.speech.upstream(UpstreamManner([`case`.step: reply]))
        try MailServer(`case`.speech, accepting: upstream, `case`.settings).client()
            .converse(`case`.speech.login() + "S: \(`case`.speech.internalError)\nS.")
    }

    @Test(arguments: steps)
    func `an upstream that is silent at a step is an internal error after timeout`(_ case: Step) throws {
        let upstream = try `case`.speech.upstream(UpstreamManner([`case`.step: .hang]))
        let proxy = try MailServer(`case`.speech, accepting: upstream, `case`.settings + " timeout 700ms;")
        try proxy.client().converse(`case`.speech.login() + "S: \(`case`.speech.internalError)\nS.")
        try proxy.server.awaitLog("upstream timed out (110: Connection timed out)")
    }

    @Test(arguments: steps)
    func `a reply that is no reply is told to nobody but the log`(_ case: Step) throws {
        let upstream = try `case`.speech.upstream(UpstreamManner([`case`.step: .text("?? what\r\n")]))
        let proxy = try MailServer(`case`.speech, accepting: upstream, `case`.settings)
        try proxy.client().converse(`case`.speech.login() + "S: \(`case`.speech.internalError)\nS.")
        let line = try proxy.server.awaitLog("upstream sent invalid response: \"?? what\" while ")
        #expect(line.contains("[error]"))
    }

    @Test(arguments: steps)
    func `proxy_pass_error_message shows the client what its upstream said`(_ case: Step) throws {
        let said = ["imap": "a NO sorry", "pop3": "-ERR sorry", "smtp": "554 5.7.1 sorry"][`case`.speech.rawValue]!
        let upstream = try `case`.speech.upstream(UpstreamManner([`case`.step: .text(said + "\r\n")]))
        let proxy = try MailServer(
            `case`.speech, accepting: upstream, `case`.settings + " proxy_pass_error_message on;")
        try proxy.client().converse(`case`.speech.login() + "S: \(said)\nS.")
        #expect(try proxy.server.awaitLog("upstream sent invalid response: ").contains("[info]"))
    }

    @Test(arguments: Speech.allCases)
    func `a refusal by the upstream is an internal error where its words stay secret`(_ speech: Speech) throws {
        let said = ["imap": "TAG NO [AUTHENTICATIONFAILED] sorry", "pop3": "-ERR sorry", "smtp": "535 5.7.8 sorry"][speech.rawValue]!
        let upstream = try speech.upstream(UpstreamManner([.login: .text(said + "\r\n")]))
        let settings = speech == .smtp ? "proxy_smtp_auth on;" : ""
        try MailServer(speech, accepting: upstream, settings).client()
            .converse(speech.login() + "S: \(speech.internalError)\nS.")
    }

    @Test func `an upstream that has authenticated somebody already is refused`() throws {
        let upstream = try StubServer.imap(UpstreamManner([.greeting: .text("* PREAUTH welcome\r\n")]))
        try MailServer(.imap, accepting: upstream).client()
            .converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
    }

    @Test(arguments: Speech.allCases)
    func `a line without an end is cut off`(_ speech: Speech) throws {
        let upstream = try speech.upstream(UpstreamManner([.greeting: .text(String(repeating: "x", count: 200_000))]))
        let proxy = try MailServer(speech, accepting: upstream)
        try proxy.client().converse(speech.login() + "S: \(speech.internalError)\nS.")
        try proxy.server.awaitLog("upstream sent too long response line")
    }

    @Test(arguments: Speech.allCases)
    func `nobody listening at the upstream's port is an internal error`(_ speech: Speech) throws {
        let port = try Ports.free()
        let auth = try StubAuthServer { _ in .accept(.port(port)) }
        let proxy = try MailServer(speech, asking: auth)
        try proxy.client().converse(speech.login() + "S: \(speech.internalError)\nS.")
        #expect(try proxy.server.awaitLog("(111: Connection refused)").contains("upstream: 127.0.0.1:\(port)"))
    }
}

/// `proxy_pass`: one upstream, which decides itself (no counterpart in nginx).
@Suite(.ownWorkspace) struct ProxyPassTests {
    private func proxy(_ speech: Speech, to upstream: StubServer, _ settings: String = "") throws -> MailServer {
        try MailServer(speech, "proxy_pass 127.0.0.1:\(upstream.port); \(settings)")
    }

    @Test(arguments: Speech.allCases)
    func `a good login is let in without an auth server`(_ speech: Speech) throws {
        let upstream = try speech.upstream()
        try proxy(speech, to: upstream).client()
            .converse(speech.login() + speech.welcome + UpstreamTests.afterLogin)
        if speech == .smtp {
            #expect(try upstream.session().notes["command"].contains("AUTH PLAIN \("\0user\0secret".base64)"))
        }
    }

    static let refusals: [(speech: Speech, said: String, secret: String)] = [
        (.imap, "TAG NO [AUTHENTICATIONFAILED] wrong", "a NO …"), (.pop3, "-ERR [AUTH] wrong", "-ERR …"),
        (.smtp, "535 5.7.8 wrong", "535 …"),
    ]

    @Test(arguments: refusals)
    func `a refused client stays and may try again`(_ case: (speech: Speech, said: String, secret: String)) throws {
        let upstream = try `case`.speech.upstream(UpstreamManner([.login: .text(`case`.said + "\r\n")]))
        let client = try proxy(`case`.speech, to: upstream).client()
        try client.converse(`case`.speech.login() + "S: \(`case`.secret)\n")
        let noop = ["imap": "C: b NOOP\nS: b OK completed", "pop3": "C: NOOP\nS: +OK", "smtp": "C: NOOP\nS: 250 2.0.0 OK"]
        try client.converse(noop[`case`.speech.rawValue]!)
        let again = `case`.speech.login().split(separator: "\n").dropFirst().joined(separator: "\n")
        try client.converse(again + "\nS: \(`case`.secret)\n")
        #expect(upstream.sessions.count == 2)
    }

    @Test(arguments: refusals)
    func `the upstream's own words are passed where asked for`(_ case: (speech: Speech, said: String, secret: String)) throws {
        let upstream = try `case`.speech.upstream(UpstreamManner([.login: .text(`case`.said + "\r\n")]))
        try proxy(`case`.speech, to: upstream, "proxy_pass_error_message on;").client()
            .converse(`case`.speech.login() + "S: \(`case`.said.replacingOccurrences(of: "TAG", with: "a"))\n")
    }

    @Test func `OAuth tokens are tried by their own mechanism`() throws {
        let upstream = try StubServer.imap()
        let response = "user=user\u{1}auth=Bearer token\u{1}\u{1}".base64
        try proxy(.imap, to: upstream, "imap_auth plain xoauth2;").client()
            .converse("S: …\nC: a AUTHENTICATE XOAUTH2 \(response)\nS: a OK logged in\n")
        #expect(try upstream.session().notes["response"] == [response])
    }

    @Test(arguments: [
        ("auth_http 127.0.0.1:1; proxy_pass 127.0.0.1:2;", "proxy_pass"),
        ("proxy_pass 127.0.0.1:2; imap_auth cram-md5;", "cram-md5"),
        ("proxy_pass 127.0.0.1:2; imap_auth external;", "external"),
    ])
    func `what cannot go together is refused`(_ settings: String, _ named: String) throws {
        let workspace = try Workspace.here()
        try workspace.write(
            ServerUnderTest.configuration(mail: "server { listen 127.0.0.1:\(try Ports.free()); protocol imap; \(settings) }"),
            to: "server.conf")
        let result = try run([ProgramUnderTest.path, "-t", "-p", workspace.path, "-c", "server.conf", "-e", "error.log"])
        #expect(result.status == .code(1))
        #expect(result.standardError.contains("[emerg]"))
        #expect(result.standardError.contains(named))
    }
}
