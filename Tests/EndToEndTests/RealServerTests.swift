import Foundation
import TestSupport
import Testing

/// Who knows where the mailbox is: an auth server, or the configuration alone.
enum RouteSource: CaseIterable, Sendable { case authServer, proxyPass }

/// The server under test in front of real mail servers.
private struct RealProxy {
    let imap: UInt16
    let pop3: UInt16
    /// With a login.
    let submission: UInt16
    /// Without one.
    let smtp: UInt16
    let server: ServerUnderTest

    init(_ source: RouteSource) throws {
        let real = try RealMailServers.here()
        (imap, pop3, submission, smtp) = (try Ports.free(), try Ports.free(), try Ports.free(), try Ports.free())
        let auth = try StubAuthServer { question in
            switch (question["Auth-Protocol"], question["Auth-Method"]) {
            case ("imap", _): .accept(.port(real.imap))
            case ("pop3", _): .accept(.port(real.pop3))
            case (_, "none"): .accept(.port(real.smtp))
            default: .accept(.port(real.submission))
            }
        }
        func route(_ port: UInt16) -> String {
            source == .proxyPass ? "proxy_pass 127.0.0.1:\(port);" : "auth_http \(auth.url);"
        }
        server = try ServerUnderTest(workers: 2, mail: """
            server { listen 127.0.0.1:\(imap); protocol imap; \(route(real.imap)) }
            server { listen 127.0.0.1:\(pop3); protocol pop3; \(route(real.pop3)) }
            server { listen 127.0.0.1:\(submission); protocol smtp; proxy_smtp_auth on; xclient off; \(route(real.submission)) }
            server { listen 127.0.0.1:\(smtp); protocol smtp; smtp_auth none; auth_http \(auth.url); }
            """)
    }

    /// Runs a program of Python that begins with these ports and the user's name and password.
    func python(_ program: String, input: String? = nil, file: String = #fileID, line: Int = #line) throws -> String {
        let preface = """
            import imaplib, poplib, smtplib, sys, time, hashlib, socket
            imap, pop3, submission, smtp = \(imap), \(pop3), \(submission), \(smtp)
            user, password = "\(RealMailServers.user)", "\(RealMailServers.password)"
            imaplib._MAXLINE = poplib._MAXLINE = 1 << 20
            def text(fetched):
                # What other sessions have changed meanwhile may be told ahead of it.
                return next(part[1] for part in fetched[1] if isinstance(part, tuple))
            def mailbox():
                client = imaplib.IMAP4("127.0.0.1", imap)
                client.login(user, password)
                return client

            """
        let result = try run(["python3", "-c", preface + program], input: input, file: file, line: line)
        guard result.succeeded else {
            throw TestFailure("Python: \(result.standardError)", at: Place(file: file, line: line))
        }
        return result.standardOutput
    }

    /// Waits until a message with this subject is in the INBOX, and returns it.
    func awaitMessage(_ subject: String, file: String = #fileID, line: Int = #line) throws -> String {
        try python("""
            client = mailbox()
            end = time.monotonic() + 30
            while time.monotonic() < end:
                client.select("INBOX")
                found = client.search(None, "SUBJECT", '"\(subject)"')[1][0].split()
                if found:
                    sys.stdout.write(text(client.fetch(found[0], "(RFC822)")).decode())
                    sys.exit(0)
                time.sleep(0.05)
            sys.exit("no message \(subject)")
            """, file: file, line: line)
    }

    /// Runs a command that must succeed.
    @discardableResult
    func command(_ words: String..., input: String? = nil, file: String = #fileID, line: Int = #line) throws -> String {
        try succeed(words, input: input, file: file, line: line)
    }

    var login: String { "\(RealMailServers.user):\(RealMailServers.password)" }
}

/// Real clients reach real mailboxes.
@Suite(.realMailServers, .ownWorkspace, .serialized) struct RealServerTests {
    /// A message of that many bytes, different in every line.
    private func message(_ subject: String, byteCount: Int) -> String {
        var text = "From: a@example.org\r\nTo: \(RealMailServers.user)\r\nSubject: \(subject)\r\n\r\n"
        text.reserveCapacity(byteCount + 100)
        var number = 0
        while text.utf8.count < byteCount {
            text += "line \(number) of a message that is to arrive byte for byte\r\n"
            number += 1
        }
        return text
    }

    @Test(arguments: RouteSource.allCases)
    func `curl appends 25 MB by IMAP and fetches them byte for byte`(_ source: RouteSource) throws {
        let proxy = try RealProxy(source)
        let box = "big-\(source)"
        let path = try Workspace.here().write(message("big", byteCount: 25 << 20), to: "big.eml")
        let url = "imap://127.0.0.1:\(proxy.imap)"
        try proxy.command("curl", "-sSv", "-u", proxy.login, url, "-X", "CREATE \(box)")
        try proxy.command("curl", "-sS", "-u", proxy.login, "\(url)/\(box)", "-T", path)
        let fetched = try Workspace.here().file("fetched.eml")
        try proxy.command("curl", "-sS", "-u", proxy.login, "\(url)/\(box);MAILINDEX=1", "-o", fetched)
        try proxy.command("cmp", path, fetched)
    }

    @Test(arguments: RouteSource.allCases)
    func `curl lists the mailboxes, and the messages by POP3`(_ source: RouteSource) throws {
        let proxy = try RealProxy(source)
        let list = try proxy.command("curl", "-sS", "-u", proxy.login, "imap://127.0.0.1:\(proxy.imap)/")
        #expect(list.contains("INBOX"))
        try proxy.command("curl", "-sS", "-u", proxy.login, "pop3://127.0.0.1:\(proxy.pop3)/")
    }

    @Test(arguments: RouteSource.allCases)
    func `Python logs in, appends, searches and fetches by IMAP`(_ source: RouteSource) throws {
        #expect(try RealProxy(source).python("""
            client = mailbox()
            client.create("python-\(source)")
            body = b"Subject: x\\r\\n\\r\\n" + b"".join(b"%d of many\\r\\n" % n for n in range(20000))
            print(client.append("python-\(source)", None, None, body)[0])
            client.select("python-\(source)")
            print(client.search(None, "ALL")[1][0].decode())
            print(text(client.fetch("1", "(RFC822)")) == body)
            print(client.logout()[0])
            other = imaplib.IMAP4("127.0.0.1", imap)
            print(other.authenticate("PLAIN", lambda _: b"\\0" + user.encode() + b"\\0" + password.encode())[0])
            """) == "OK\n1\nTrue\nBYE\nOK\n")
    }

    @Test(arguments: RouteSource.allCases)
    func `IDLE brings news`(_ source: RouteSource) throws {
        let proxy = try RealProxy(source)
        let (watcher, sender) = (try LineClient(proxy.imap), try LineClient(proxy.imap))
        for client in [watcher, sender] {
            try client.converse("S: * OK IMAP4 ready\nC: a LOGIN \(RealMailServers.user) \(RealMailServers.password)")
            try client.expect("a OK …")
        }
        func finish(_ client: LineClient, _ command: String, _ tag: String) throws {
            try client.send("\(tag) \(command)\r\n")
            while let line = try client.line(), !line.hasPrefix("\(tag) OK") {
                guard !line.hasPrefix("\(tag) ") else { throw TestFailure(line) }
            }
        }
        try finish(watcher, "CREATE idle-\(source)", "b")
        try finish(watcher, "SELECT idle-\(source)", "c")
        try watcher.converse("C: d IDLE\nS: + idling")
        try sender.converse("C: b APPEND idle-\(source) {14}")
        try sender.expect("+ …")
        try sender.converse("C: Subject: new\n")
        try sender.send("\r\n")
        while try watcher.line() != "* 1 EXISTS" {}
        try watcher.send("DONE\r\n")
        while let line = try watcher.line(), !line.hasPrefix("d OK") {}
    }

    @Test(arguments: RouteSource.allCases)
    func `Python sends by SMTP and retrieves by POP3`(_ source: RouteSource) throws {
        let proxy = try RealProxy(source)
        let subject = "python \(source)"
        _ = try proxy.python("""
            client = smtplib.SMTP("127.0.0.1", submission)
            client.login(user, password)
            client.sendmail("a@example.org", [user], "Subject: \(subject)\\r\\n\\r\\n" + "a line of it\\r\\n" * 1000)
            client.quit()
            """)
        _ = try proxy.awaitMessage(subject)
        #expect(try proxy.python("""
            client = poplib.POP3("127.0.0.1", pop3)
            client.user(user)
            client.pass_(password)
            for number in range(1, client.stat()[0] + 1):
                lines = client.retr(number)[1]
                if b"Subject: \(subject)" in lines:
                    print(lines.count(b"a line of it"))
            client.quit()
            """) == "1000\n")
    }

    @Test(arguments: RouteSource.allCases, ["PLAIN", "LOGIN"])
    func `swaks submits with a login`(_ source: RouteSource, _ mechanism: String) throws {
        let proxy = try RealProxy(source)
        let subject = "swaks \(source) \(mechanism)"
        try proxy.command(
            "swaks", "--server", "127.0.0.1:\(proxy.submission)", "--auth", mechanism, "--auth-user", RealMailServers.user,
            "--auth-password", RealMailServers.password, "--from", "a@example.org", "--to", RealMailServers.user,
            "--header", "Subject: \(subject)", "--body", "hello")
        #expect(try proxy.awaitMessage(subject).contains("hello"))
    }

    @Test func `swaks sends without a login, and the upstream is told the client's address`() throws {
        let proxy = try RealProxy(.authServer)
        try proxy.command(
            "swaks", "--server", "127.0.0.1:\(proxy.smtp)", "--helo", "client.test", "--from", "a@example.org",
            "--to", RealMailServers.user, "--header", "Subject: swaks none", "--body", "hello")
        let message = try proxy.awaitMessage("swaks none")
        #expect(message.contains("hello"))
        #expect(message.contains("client.test"))
    }

    /// Behind a login at the proxy the client speaks with the upstream itself.
    @Test func `a client that comes by a UNIX-domain socket cannot tell the upstream that it is somebody else`() throws {
        let real = try RealMailServers.here()
        let auth = try StubAuthServer { _ in .accept(.port(real.smtp)) }
        let path = try Workspace.here().file("client.sock")
        _ = try ServerUnderTest(mail: "server { listen unix:\(path); protocol smtp; auth_http \(auth.url); }", until: .nothing)
        let client = try eventually("a listener") { try? LineClient(.path(path)) }
        try client.converse("""
            S: 220 mx.test ESMTP ready
            C: EHLO client.test
            S: 250-mx.test
            S: 250 AUTH PLAIN LOGIN
            C: AUTH PLAIN \("\0\(RealMailServers.user)\0\(RealMailServers.password)".base64)
            S: 235 2.0.0 OK
            C: XCLIENT ADDR=192.0.2.9 LOGIN=admin
            S: 550 5.7.0 Error: insufficient authorization
            C: MAIL FROM:<a@example.org>
            S: 250 2.1.0 Ok
            C: RCPT TO:<\(RealMailServers.user)>
            S: 250 2.1.5 Ok
            """)
        try real.awaitLog("postfix", "client=unknown[unknown]", "sasl_username=\(RealMailServers.user)")
    }

    @Test func `a recipient that the upstream refuses is refused in its words`() throws {
        let proxy = try RealProxy(.authServer)
        let result = try run([
            "swaks", "--server", "127.0.0.1:\(proxy.smtp)", "--from", "a@example.org", "--to", "b@elsewhere.test",
        ])
        #expect(result.status == .code(24))
        #expect(result.standardOutput.contains("554 5.7.1 <b@elsewhere.test>: Relay access denied"))
    }

    @Test(arguments: RouteSource.allCases)
    func `msmtp submits a message`(_ source: RouteSource) throws {
        let proxy = try RealProxy(source)
        let subject = "msmtp \(source)"
        try proxy.command(
            "msmtp", "--host=127.0.0.1", "--port=\(proxy.submission)", "--tls=off", "--auth=plain",
            "--user=\(RealMailServers.user)", "--passwordeval=echo \(RealMailServers.password)", "--from=a@example.org",
            RealMailServers.user, input: "Subject: \(subject)\n\n.leading dot\nhello\n")
        #expect(try proxy.awaitMessage(subject).contains("\r\n.leading dot\r\nhello\r\n"))
    }

    @Test(arguments: RouteSource.allCases)
    func `mbsync brings a mailbox home and takes a message back`(_ source: RouteSource) throws {
        let proxy = try RealProxy(source)
        let (workspace, box) = (try Workspace.here(), "mbsync-\(source)")
        _ = try proxy.python("""
            client = mailbox()
            client.create("\(box)")
            client.append("\(box)", None, None, b"Subject: there\\r\\n\\r\\nfrom there\\r\\n")
            """)
        try FileManager.default.createDirectory(atPath: workspace.file("mail/\(box)/new"), withIntermediateDirectories: true)
        for folder in ["cur", "tmp"] {
            try FileManager.default.createDirectory(atPath: workspace.file("mail/\(box)/\(folder)"), withIntermediateDirectories: true)
        }
        try workspace.write("Subject: here\n\nfrom here\n", to: "mail/\(box)/new/1.here")
        try workspace.writeMbsyncConfiguration(port: proxy.imap, security: "SSLType None", box: box)
        try proxy.command("mbsync", "-c", workspace.file("mbsyncrc"), "-a")
        let home = try proxy.command("grep", "-rl", "from there", workspace.file("mail/\(box)"))
        #expect(home.contains("/mail/\(box)/"))
        #expect(try proxy.python("""
            client = mailbox()
            client.select("\(box)")
            print(len(client.search(None, "ALL")[1][0].split()), len(client.search(None, "SUBJECT", "here")[1][0].split()))
            """) == "2 2\n")
    }

    @Test func `a wrong password is refused in the protocol's words`() throws {
        let proxy = try RealProxy(.proxyPass)
        try LineClient(proxy.imap).converse("""
            S: * OK IMAP4 ready
            C: a LOGIN \(RealMailServers.user) wrong
            S: a NO …
            C: b LOGIN \(RealMailServers.user) \(RealMailServers.password)
            S: …
            """)
        try LineClient(proxy.pop3).converse("""
            S: +OK POP3 ready
            C: USER \(RealMailServers.user)
            S: +OK
            C: PASS wrong
            S: -ERR …
            C: USER \(RealMailServers.user)
            S: +OK
            C: PASS \(RealMailServers.password)
            S: +OK …
            """)
        try LineClient(proxy.submission).converse("""
            S: 220 mx.test ESMTP ready
            C: AUTH PLAIN \("\0\(RealMailServers.user)\0wrong".base64)
            S: 535 …
            C: AUTH PLAIN \("\0\(RealMailServers.user)\0\(RealMailServers.password)".base64)
            S: 235 2.0.0 OK
            """)
    }
}
