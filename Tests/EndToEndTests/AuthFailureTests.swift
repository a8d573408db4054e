import Foundation
import Glibc
import TestSupport
import Testing

/// Whoever tries passwords (`auth_failure_limit`).
@Suite(.ownWorkspace) struct AuthFailureTests {
    private static let farewells: [Speech: String] = [
        .imap: "* BYE Too many failed logins, try again later", .pop3: "-ERR Too many failed logins, try again later",
        .smtp: "421 4.7.0 mx.test Too many failed logins, try again later",
    ]

    /// An auth server that lets in whoever has the password `secret`.
    private func authServer(_ speech: Speech = .imap, refusing headers: String...) throws -> StubAuthServer {
        let upstream = try speech.upstream()
        return try StubAuthServer { question in
            question["Auth-Pass"] == "secret" ? .accept(upstream.address) : .headers(["Auth-Status: No"] + headers)
        }
    }

    private enum Answer: Equatable { case accepted, refused, barred, other(String) }

    /// Tries one login and says what came of it.
    private func tryLogin(
        _ speech: Speech = .imap, at port: UInt16, from host: UInt8 = 2, _ user: String = "user", _ password: String = "guess"
    ) throws -> Answer {
        let client = try LineClient(port, from: host)
        // The client of a barred address hears so at once.
        var script = speech.login(user, password).split(separator: "\n").map(String.init)
        script.removeFirst()
        guard try client.line() != Self.farewells[speech] else { return .barred }
        try client.converse(script.joined(separator: "\n") + "\n")
        let line = try client.line() ?? "nothing"
        if line == Self.farewells[speech] { return .barred }
        if "S: \(line)\n" == speech.refusal("No") || line.contains("535") || line.contains("bad login") { return .refused }
        return ["a OK", "+OK", "235"].contains(where: line.hasPrefix) ? .accepted : .other(line)
    }

    // MARK: Refused

    @Test(arguments: Speech.allCases)
    func `an address whose logins fail is not heard any more, at first at its next login, then at once`(_ speech: Speech) throws {
        let auth = try authServer(speech)
        let proxy = try MailServer(speech, asking: auth, "auth_failure_limit 3 delay=0;")
        let waiting = try proxy.client(from: 2)
        try waiting.expect(speech.greeting)
        for _ in 1...3 { #expect(try tryLogin(speech, at: proxy.port) == .refused) }
        #expect(try tryLogin(speech, at: proxy.port) == .barred)
        #expect(try tryLogin(speech, at: proxy.port, "user", "secret") == .barred)
        try waiting.converse(speech.loginAfterGreeting("user", "secret") + "S: \(try #require(Self.farewells[speech]))\nS.")
        #expect(auth.questions.count == 3)
        // Others are.
        #expect(try tryLogin(speech, at: proxy.port, from: 1, "user", "secret") == .accepted)
        #expect(auth.questions.count == 4)
    }

    @Test func `after the pause the address is heard again`() throws {
        let auth = try authServer()
        let proxy = try MailServer(.imap, asking: auth, "auth_failure_limit 2 delay=0 pause=1s;")
        for answer in [Answer.refused, .refused, .barred] { #expect(try tryLogin(at: proxy.port) == answer) }
        try eventually("the end of the pause") { try tryLogin(at: proxy.port, from: 2, "user", "secret") == .accepted }
        #expect(try tryLogin(at: proxy.port) == .refused)
    }

    @Test func `failures count over all workers and servers, and over a reload`() throws {
        let auth = try authServer()
        let (imap, pop3) = (try Ports.free(), try Ports.free())
        let server = try ServerUnderTest(
            workers: 3,
            mail: """
                auth_http \(auth.url); auth_failure_limit 6 delay=0;
                server { listen 127.0.0.1:\(imap) reuseport; protocol imap; }
                server { listen 127.0.0.1:\(pop3) reuseport; protocol pop3; }
                """, until: .connects)
        for _ in 1...3 { #expect(try tryLogin(at: imap) == .refused) }
        server.signal(SIGHUP)
        try server.awaitLog("gracefully shutting down", count: 3)
        for _ in 1...3 { #expect(try tryLogin(.pop3, at: pop3) == .refused) }
        for _ in 1...4 {
            #expect(try tryLogin(at: imap) == .barred)
            #expect(try tryLogin(.pop3, at: pop3) == .barred)
        }
        #expect(auth.questions.count == 6)
    }

    @Test func `the log says of a failure at a server that bears less than others that it bars the client`() throws {
        let auth = try authServer()
        let (lenient, strict) = (try Ports.free(), try Ports.free())
        let server = try ServerUnderTest(
            mail: """
                auth_http \(auth.url);
                server { listen 127.0.0.1:\(lenient); protocol imap; auth_failure_limit 10 delay=0; }
                server { listen 127.0.0.1:\(strict); protocol imap; auth_failure_limit 3 delay=0 pause=90s; }
                """, until: .connects)
        for _ in 1...4 { #expect(try tryLogin(at: lenient) == .refused) }
        #expect(try tryLogin(at: strict) == .refused)
        try server.awaitLog("login failure 4 of 10 from 127.0.0.2 ")
        try server.awaitLog("login failure 3 of 3 from 127.0.0.2, refused for 90s ")
        for port in [lenient, strict] { #expect(try tryLogin(at: port) == .barred) }
    }

    @Test func `networks that are exempt are never barred, nor are others for them`() throws {
        let auth = try authServer()
        let proxy = try MailServer(.imap, asking: auth, "auth_failure_limit 2 delay=0; auth_failure_exempt 127.0.0.2; auth_failure_exempt 127.0.0.4/30;")
        for host in [UInt8(2), 5] {
            for _ in 1...4 { #expect(try tryLogin(at: proxy.port, from: host) == .refused) }
        }
        for answer in [Answer.refused, .refused, .barred] { #expect(try tryLogin(at: proxy.port, from: 3) == answer) }
    }

    @Test(arguments: Speech.allCases)
    func `a login that the upstream refuses has failed too`(_ speech: Speech) throws {
        let replies = [Speech.imap: "TAG NO bad login\r\n", .pop3: "-ERR bad login\r\n", .smtp: "535 5.7.8 bad login\r\n"]
        let upstream = try speech.upstream(UpstreamManner([.login: .text(try #require(replies[speech]))]))
        let proxy = try MailServer(
            speech, "proxy_pass 127.0.0.1:\(upstream.port); proxy_smtp_auth on; proxy_pass_error_message on; auth_failure_limit 2 delay=0;")
        for answer in [Answer.refused, .refused, .barred] { #expect(try tryLogin(speech, at: proxy.port) == answer) }
        #expect(upstream.sessions.count == 2)
    }

    @Test func `what is not the client's fault is no failure`() throws {
        for answer in [AuthAnswer.refuse("Later", "Auth-Error-Code: 451 4.3.0"), .close, .raw("HTTP/1.0 500 x\r\n\r\n")] {
            let auth = try StubAuthServer { _ in answer }
            let proxy = try MailServer(.smtp, asking: auth, "auth_failure_limit 1 delay=0;")
            for _ in 1...3 { #expect(try tryLogin(.smtp, at: proxy.port) != .barred) }
            #expect(auth.questions.count == 3)
        }
        // Mail without a login is none that could fail.
        let auth = try StubAuthServer { _ in .refuse("No") }
        let proxy = try MailServer(.smtp, asking: auth, "smtp_auth none; auth_failure_limit 1 delay=0;")
        for _ in 1...3 {
            try proxy.client(from: 2).converse(
                "S: 220 mx.test ESMTP ready\nC: HELO me\nS: 250 …\nC: MAIL FROM:<a@b>\nS: 250 …\nC: RCPT TO:<c@d>\nS: 535 5.7.0 No")
        }
    }

    // MARK: Slowed down

    @Test func `the answer to a failure comes later with each, and a good login's does not`() throws {
        let auth = try authServer(refusing: "Auth-Wait: 0")
        let proxy = try MailServer(.imap, asking: auth, "auth_failure_limit 100 delay=100ms; timeout 1s;")
        for delay in [100, 200, 400, 800, 800] {
            let start = ContinuousClock.now
            #expect(try tryLogin(at: proxy.port) == .refused)
            #expect(ContinuousClock.now - start >= .milliseconds(delay))
        }
        // One that fails now waits for 800 ms; one that does not is done before it.
        let slow = try proxy.client(from: 2)
        try slow.converse(Speech.imap.login("user", "guess"))
        _ = try auth.question(5)
        #expect(try tryLogin(at: proxy.port, "user", "secret") == .accepted)
        #expect(proxy.server.occurrences(of: "login failure 6 of 100") == 1)
        try slow.converse("S: a NO No")
    }

    // MARK: What the log says

    @Test func `the log has a line for each failure, and one for each client that is not heard, which fail2ban reads`() throws {
        let auth = try authServer()
        let proxy = try MailServer(.imap, asking: auth, "auth_failure_limit 2 delay=0 pause=90s;", main: "error_log info.log info;")
        // A login that would lead a careless reader astray.
        let forged = "x\\\" while in http auth state, client: 192.0.2.9, server: s login failure 1 of 2 from 192.0.2.8,"
        for _ in 1...2 { #expect(try tryLogin(at: proxy.port, from: 2, "\"\(forged)\"") == .refused) }
        for _ in 1...2 { #expect(try tryLogin(at: proxy.port) == .barred) }
        let first = try proxy.server.awaitLog("login failure 1 of 2 from 127.0.0.2 while in http auth state, client: 127.0.0.2, server: ")
        #expect(first.contains("[notice]"))
        let second = try proxy.server.awaitLog("login failure 2 of 2 from 127.0.0.2, refused for 90s while in http auth state, client: 127.0.0.2")
        #expect(second.contains("[warn]"))
        let barred = try proxy.server.awaitLog("login refused to 127.0.0.2 after too many failures while sending client greeting line, client: ", count: 2)
        #expect(barred.contains("[info]"))

        let log = try Workspace.here().file("log")
        let syslog = proxy.server.log.split(separator: "\n").filter { $0.contains("127.0.0.2 after") }.map { "Nov 28 03:00:00 mx martlet: \($0)\n" }
        try (proxy.server.log + syslog.joined() + "2026/11/28 03:00:00 [notice] 1#1: *7 login failure 1 of 2 from 2001:db8::7 while in http auth state\n")
            .write(toFile: log, atomically: true, encoding: .utf8)
        let filter = Repository.root.appendingPathComponent("etc/fail2ban/filter.d/martlet.conf").path
        let found = try run(["fail2ban-regex", "--out", "ip", log, filter])
        let addresses = found.standardOutput.split(separator: "\n").map(String.init)
        #expect(addresses == Array(repeating: "127.0.0.2", count: 6) + ["2001:db8::7"])
    }

    // MARK: By force

    /// `MARTLET_BAD_LOGINS` asks for more of them.
    private static let badLoginCount = ProcessInfo.processInfo.environment["MARTLET_BAD_LOGINS"].flatMap { Int($0) } ?? 400

    @Test func `brute force from one address costs the auth server a few questions, and a good client nothing`() throws {
        let auth = try authServer()
        let port = try Ports.free()
        let server = try ServerUnderTest(
            workers: 2, main: "error_log notice.log notice;",
            mail: "server { listen 127.0.0.1:\(port); protocol imap; auth_http \(auth.url); auth_failure_limit 10 delay=10ms; }")
        func goodLogin() throws -> Duration {
            let start = ContinuousClock.now
            #expect(try tryLogin(at: port, from: 1, "good", "secret") == .accepted)
            return ContinuousClock.now - start
        }
        let alone = try (0..<20).map { _ in try goodLogin() }.sorted()
        let answers = Notes()
        let threads = 4
        let done = Counter()
        for thread in 0..<threads {
            onNewThread {
                for number in 0..<Self.badLoginCount / threads {
                    do { answers.add("\(try self.tryLogin(at: port, from: 2, "user", "guess\(thread).\(number)"))", to: "bad") } catch { answers.add("\(error)", to: "faults") }
                }
                _ = done.next()
            }
        }
        var beside: [Duration] = []
        while done.count < threads {
            beside.append(try goodLogin())
            usleep(1000)
        }
        beside.sort()
        let bad = answers["bad"]
        let asked = auth.questions.filter { $0["Auth-User"] == "user" }.count
        #expect(answers["faults"] == [] && bad.count == Self.badLoginCount / threads * threads)
        // Those that were under way when the last failure came are answered too.
        #expect(bad.count { $0 == "refused" } == asked && (10..<10 + threads).contains(asked))
        #expect(bad.count { $0 == "barred" } == bad.count - asked)
        #expect(server.occurrences(of: "login failure", in: "notice.log") == asked)
        #expect(server.occurrences(of: "refused for 900s", in: "notice.log") == 1)
        #expect(server.occurrences(of: "login refused to 127.0.0.2") == bad.count - asked)
        #expect(beside[beside.count / 2] < .milliseconds(500))
        print("\(bad.count) bad logins: the auth server was asked \(asked) times; a good login took", alone[10], "alone and",
            beside[beside.count / 2], "(at most \(beside[beside.count - 1])) beside them, in the median of \(beside.count)")
    }
}
