import Foundation
import TestSupport
import Testing

/// Several auth servers, and those and upstreams that are found by name.
@Suite(.ownWorkspace) struct AuthFailoverTests {
    private static func url(_ port: UInt16, host: String = "127.0.0.1") -> String { "http://\(host):\(port)/auth" }
    private static let welcome = Speech.imap.login() + Speech.imap.welcome

    private static func logIn(_ proxy: MailServer, times: Int = 1) throws {
        for _ in 0..<times { try proxy.client().converse(welcome) }
    }

    /// What a server does about its first question that is of no use.
    static let failings: [(String, AuthAnswer)] = [
        ("an error page", .raw("HTTP/1.1 500 Oops\r\n\r\n")), ("garbage", .raw("garbage\r\n\r\n")), ("nothing", .close), ("silence", .hang),
        ("no route", .headers(["Auth-Status: OK"])),
    ]

    @Test(arguments: failings) func `a server without a usable answer costs no login, and is left alone for a while`(_ failing: (String, AuthAnswer)) throws {
        let upstream = try StubServer.imap()
        let (bad, good) = (try StubAuthServer { _ in failing.1 }, try StubAuthServer(accepting: upstream))
        let proxy = try MailServer(.imap, "auth_http \(bad.url) \(good.url); auth_http_timeout 2s; auth_http_fail_timeout 1h;")
        try Self.logIn(proxy, times: 4)
        #expect(bad.questions.count == 1 && good.questions.count == 4)
        #expect(good.questions.map { $0["Auth-Login-Attempt"] } == ["1", "1", "1", "1"])
        try proxy.server.awaitLog("auth http server 127.0.0.1:\(bad.server.port) ")
        try proxy.server.awaitLog(" while in http auth state, client: 127.0.0.1, server: 127.0.0.1:\(proxy.port), login: \"user\"")
    }

    @Test func `a server that is not there costs no login`() throws {
        let upstream = try StubServer.imap()
        let (gone, good) = (try Ports.free(), try StubAuthServer(accepting: upstream))
        let proxy = try MailServer(.imap, "auth_http \(Self.url(gone)); auth_http \(good.url);")
        try Self.logIn(proxy, times: 3)
        #expect(good.questions.count == 3)
        try proxy.server.awaitLog("recv() failed (111: Connection refused) while in http auth state")
        #expect(proxy.server.log.components(separatedBy: "(111: Connection refused)").count == 2)
    }

    @Test func `the first server's answer, a refusal too, is the answer`() throws {
        let upstream = try StubServer.imap()
        let (first, second) = (try StubAuthServer { _ in .refuse("No") }, try StubAuthServer(accepting: upstream))
        let proxy = try MailServer(.imap, "auth_http \(first.url) \(second.url);")
        try proxy.client().converse(Speech.imap.login() + "S: a NO No\nS.")
        #expect(first.questions.count == 1 && second.connectionCount == 0)
    }

    @Test func `a server that has come back is asked again, and is the first again`() throws {
        let upstream = try StubServer.imap()
        let (port, second) = (try Ports.free(), try StubAuthServer(accepting: upstream))
        let proxy = try MailServer(.imap, "auth_http \(Self.url(port)) \(second.url); auth_http_fail_timeout 200ms;")
        try Self.logIn(proxy)
        let first = try StubAuthServer(at: .port(port)) { _ in .accept(upstream.address) }
        try eventually("a question to the first") {
            try Self.logIn(proxy)
            return !first.questions.isEmpty
        }
        let count = second.questions.count
        try Self.logIn(proxy, times: 3)
        #expect(second.questions.count == count)
    }

    @Test func `where all are down, all are asked, and the client hears of it when none answers`() throws {
        let upstream = try StubServer.imap()
        let ports = [try Ports.free(), try Ports.free()]
        let proxy = try MailServer(.imap, "auth_http \(Self.url(ports[0])) \(Self.url(ports[1])); auth_http_fail_timeout 1h;")
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        let second = try StubAuthServer(at: .port(ports[1])) { _ in .accept(upstream.address) }
        try Self.logIn(proxy, times: 2)
        #expect(second.questions.count == 2)
    }

    @Test(arguments: [1, 2]) func `no login is lost while servers go and come under load`(_ workers: Int) throws {
        let upstream = try StubServer.imap()
        let ports = [try Ports.free(), try Ports.free()]
        func start(_ index: Int) throws -> StubAuthServer { try StubAuthServer(at: .port(ports[index])) { _ in .accept(upstream.address) } }
        var servers = try [start(0), start(1)]
        let proxy = try MailServer(
            .imap, "auth_http \(Self.url(ports[0])) \(Self.url(ports[1])); auth_http_fail_timeout 50ms;", workers: workers)
        let load = Load { try Self.logIn(proxy) }
        for round in 0..<6 {
            try load.awaitMore(30)
            servers[round % 2].server.stop()
            try load.awaitMore(30)
            servers[round % 2] = try start(round % 2)
            // The other is stopped only when this one is known to serve.
            try load.awaitMore(10)
        }
        let failures = try load.stop()
        #expect(failures == [])
    }

    /// A place at which connections are neither taken nor refused: whoever listens there has no room for another.
    private static func fullHouse(at address: Address) throws -> [Socket] {
        // A backlog of 0 is room for one.
        [try Socket.listen(at: address, backlog: 0), try Socket.connect(to: address)]
    }

    @Test func `a machine that does not even take connections costs a moment, of an auth server once`() throws {
        let upstream = try StubServer.imap()
        let (full, second) = (try Ports.free(), Address.loopback(7, upstream.port))
        let guests = try Self.fullHouse(at: .port(full)) + Self.fullHouse(at: second)
        defer { for guest in guests { guest.shutDown() } }
        let names = try StubNameServer { $0.type == "A" ? .records([.address("127.0.0.7"), .address("127.0.0.1")]) : .records([]) }
        let auth = try StubAuthServer { _ in .headers(["Auth-Status: OK", "Auth-Server: mail.example", "Auth-Port: \(upstream.port)"]) }
        let proxy = try MailServer(
            .imap, "auth_http \(Self.url(full)) \(auth.url); auth_http_fail_timeout 1h; resolver \(names.address);")
        try Self.logIn(proxy, times: 4)
        #expect(auth.questions.count == 4 && upstream.sessions.count == 4)
        let timeouts = proxy.server.log.components(separatedBy: "auth http server 127.0.0.1:\(full) timed out").count - 1
        #expect(timeouts == 1)
    }

    // MARK: Names

    @Test func `an auth server is found by name while serving, at all its addresses, and again when its time is over`() throws {
        let upstream = try StubServer.imap()
        let port = try Ports.free()
        let hosts = Notes()
        let names = try StubNameServer { question in
            guard question.name == "auth.example", question.type == "A" else { return .records([]) }
            return .records((hosts["now"].last?.split(separator: " ") ?? []).map { .address(String($0), lifetime: 1) })
        }
        let first = try StubAuthServer(at: .loopback(2, port)) { _ in .accept(upstream.address) }
        hosts.add("127.0.0.9 127.0.0.2", to: "now")
        let proxy = try MailServer(.imap, "auth_http \(Self.url(port, host: "auth.example")); resolver \(names.address);")
        try Self.logIn(proxy, times: 3)
        #expect(first.questions.count == 3)
        #expect(first.questions[0]["Host"] == "auth.example")
        let second = try StubAuthServer(at: .loopback(3, port)) { _ in .accept(upstream.address) }
        hosts.add("127.0.0.3", to: "now")
        try eventually("a question to where the name has moved") {
            try Self.logIn(proxy)
            return !second.questions.isEmpty
        }
        // While no name server answers, it is where it was.
        names.close()
        usleep(1_100_000)
        try Self.logIn(proxy)
        try proxy.server.awaitLog("[warn] ")
        try proxy.server.awaitLog("\"auth.example\" could not be resolved (110: Operation timed out) while in http auth state")
        #expect(second.questions.count >= 2)
    }

    /// The client gives up after less than `resolver_timeout`, and after less than `auth_http_timeout`.
    @Test func `a server that no name server tells of holds up the next one for no more than a moment`() throws {
        let auth = try StubAuthServer(accepting: try StubServer.imap())
        let names = try StubNameServer { _ in .silence }
        let proxy = try MailServer(
            .imap, "auth_http \(Self.url(1, host: "never.example")) \(auth.url); resolver \(names.address); resolver_timeout 1h; auth_http_timeout 1h;")
        try Self.logIn(proxy)
        #expect(auth.questions.count == 1)
    }

    @Test func `servers that no name server tells of hold up the next one together no longer than one of them`() throws {
        let auth = try StubAuthServer(accepting: try StubServer.imap())
        let names = try StubNameServer { _ in .silence }
        let lost = (1...6).map { Self.url(1, host: "never\($0).example") }.joined(separator: " ")
        let proxy = try MailServer(.imap, "auth_http \(lost) \(auth.url); resolver \(names.address); auth_http_timeout 1h;")
        let start = ContinuousClock.now
        try Self.logIn(proxy)
        // Each by itself takes three seconds.
        #expect(ContinuousClock.now - start < .seconds(12))
    }

    @Test func `a real name server says where the auth server is`() throws {
        let auth = try StubAuthServer(accepting: try StubServer.imap())
        let names = try Dnsmasq(["--host-record=auth.example,127.0.0.1"])
        let proxy = try MailServer(.imap, "auth_http \(Self.url(auth.server.port, host: "auth.example")); resolver 127.0.0.1:\(names.port);")
        try Self.logIn(proxy, times: 2)
        #expect(auth.questions.count == 2)
    }

    @Test func `a name of the hosts file is not asked for, and one that nobody knows is a fault of the auth server`() throws {
        let auth = try StubAuthServer(accepting: try StubServer.imap())
        let names = try StubNameServer { _ in .hostNotFound }
        let local = try MailServer(.imap, "auth_http \(Self.url(auth.server.port, host: "localhost")); resolver \(names.address) ipv6=off;")
        try Self.logIn(local)
        #expect(names.questions.isEmpty)
        let other = try MailServer(.imap, "auth_http \(Self.url(auth.server.port, host: "auth.example")); resolver \(names.address);")
        try other.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        try other.server.awaitLog("\"auth.example\" could not be resolved (3: Host not found) while in http auth state")
        let both = try MailServer(.imap, "auth_http \(Self.url(1, host: "auth.example")) \(auth.url); resolver \(names.address);")
        try Self.logIn(both)
    }

    @Test(arguments: Speech.allCases) func `an upstream may be named, where there is a resolver`(_ speech: Speech) throws {
        let upstream = try speech.upstream()
        let auth = try StubAuthServer { _ in .headers(["Auth-Status: OK", "Auth-Server: Mail.example", "Auth-Port: \(upstream.port)"]) }
        let names = try StubNameServer {
            // Two of three addresses are nobody's.
            $0.name == "mail.example" && $0.type == "A" ? .records(["127.0.0.8", "127.0.0.1", "127.0.0.9"].map { .address($0) }) : .hostNotFound
        }
        let proxy = try MailServer(speech, asking: auth, "resolver \(names.address);")
        for _ in 1...4 { try proxy.client().converse(speech.login() + speech.welcome) }
        #expect(names.asks.filter { $0 == "A mail.example" }.count == 1)
        let without = try MailServer(speech, asking: auth)
        try without.client().converse(speech.login() + "S: \(speech.internalError)\nS.")
        try without.server.awaitLog("auth http server 127.0.0.1:\(auth.server.port) sent invalid server address:\"Mail.example\"")
    }

    @Test func `an upstream whose name nobody knows is the upstream's fault`() throws {
        let auth = try StubAuthServer { _ in .headers(["Auth-Status: OK", "Auth-Server: gone.example", "Auth-Port: 143"]) }
        let names = try StubNameServer { _ in .hostNotFound }
        let proxy = try MailServer(.imap, asking: auth, "resolver \(names.address);")
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        try proxy.server.awaitLog("\"gone.example\" could not be resolved (3: Host not found) while connecting to upstream, client: 127.0.0.1")
    }

    @Test func `the upstream of proxy_pass is found by name too`() throws {
        let upstream = try StubServer.imap()
        let names = try StubNameServer { $0.type == "A" ? .records([.address("127.0.0.9"), .address("127.0.0.1")]) : .records([]) }
        let proxy = try MailServer(.imap, "proxy_pass mail.example:\(upstream.port); resolver \(names.address);")
        try Self.logIn(proxy, times: 3)
        #expect(upstream.sessions.count == 3)
    }
}
