import Glibc
import TestSupport
import Testing

/// Who is let in, and how often.
@Suite(.ownWorkspace) struct AccessTests {
    // MARK: Rules

    private static let farewells: [Speech: String] = [
        .imap: "* BYE Access denied", .pop3: "-ERR Access denied", .smtp: "554 5.7.1 mx.test Access denied",
    ]

    @Test(arguments: Speech.allCases)
    func `who may not come in hears so, and the log says why`(_ speech: Speech) throws {
        let proxy = try MailServer(speech, "auth_http 127.0.0.1:1; allow 127.0.0.2; deny all;", until: .connects)
        try proxy.client().converse("S: \(try #require(Self.farewells[speech]))\nS.")
        try proxy.client(from: 2).expect(speech.greeting)
        let line = "access forbidden by rule while sending client greeting line, client: 127.0.0.1, server: 127.0.0.1:\(proxy.port)"
        #expect(try proxy.server.awaitLog(line).contains("[error]"))
    }

    @Test func `who may not come in costs no handshake`() throws {
        let proxy = try MailServer(
            .imap, "auth_http 127.0.0.1:1; listen 127.0.0.1:\(try Ports.free()) ssl; \(try Certificates.shared()[.ecdsa].directives) deny all;", until: .connects)
        let port = try #require(proxy.server.contents("server.conf").firstMatch(of: #/listen 127.0.0.1:(\d+) ssl/#).flatMap { UInt16($0.1) })
        let client: LineClient = try eventually("the second listener") { try? LineClient(port) }
        try client.expectEnd()
        try proxy.server.awaitLog("access forbidden by rule while sending client greeting line, client: 127.0.0.1, server: 127.0.0.1:\(port)")
    }

    @Test func `what counts is the address that a trusted balancer tells`() throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(
            mail: """
                auth_http 127.0.0.1:1; limit_conn_zone $remote_addr zone=addresses:1m;
                server {
                    listen 127.0.0.1:\(port) proxy_protocol; protocol imap;
                    set_real_ip_from 127.0.0.1; allow 192.0.2.0/24; deny all; limit_conn addresses 1;
                }
                """, until: .connects)
        func client(_ address: String, from host: UInt8 = 1) throws -> LineClient {
            let client = try LineClient(port, from: host)
            try client.send("PROXY TCP4 \(address) 192.0.2.1 4711 143\r\n")
            return client
        }
        let first = try client("192.0.2.7")
        try first.expect("* OK IMAP4 ready")
        try client("192.0.2.7").converse("S: * BYE Too many connections\nS.")
        try client("192.0.2.8").expect("* OK IMAP4 ready")
        for (address, host) in [("203.0.113.1", UInt8(1)), ("192.0.2.9", 2)] {
            try client(address, from: host).converse("S: * BYE Access denied\nS.")
        }
        try server.awaitLog("access forbidden by rule while sending client greeting line, client: 203.0.113.1, server: ")
        try server.awaitLog("access forbidden by rule while sending client greeting line, client: 127.0.0.2, server: ")
        withExtendedLifetime(first) {}
    }

    @Test func `whoever a trusted proxy speaks for is let in or turned away anew`() throws {
        let proxy = try MailServer(
            .smtp, "auth_http 127.0.0.1:1; set_real_ip_from 127.0.0.1; allow 127.0.0.1; allow 192.0.2.0/24; deny all;")
        func claim(_ address: String) throws -> LineClient {
            let client = try proxy.client()
            try client.expect("220 mx.test ESMTP ready")
            try client.send("XCLIENT ADDR=\(address)\r\n")
            return client
        }
        try claim("192.0.2.7").expect("220 mx.test ESMTP ready")
        try claim("203.0.113.1").expect("554 5.7.1 mx.test Access denied")
        try proxy.server.awaitLog("access forbidden by rule while in auth state, client: 203.0.113.1")
    }

    @Test func `a proxy that may speak for others comes in, and is judged when it logs in for itself`() throws {
        let (auth, port) = (try StubAuthServer { _ in .refuse("no") }, try Ports.free())
        _ = try ServerUnderTest(
            mail: """
                auth_http \(auth.url); limit_conn_zone $remote_addr zone=addresses:1m;
                server {
                    listen 127.0.0.1:\(port); protocol imap;
                    set_real_ip_from 127.0.0.1; deny 127.0.0.1; limit_conn addresses 1; auth_failure_limit 2 delay=0;
                }
                """, until: .connects)
        func connect() throws -> LineClient {
            let client = try LineClient(port)
            try client.converse("S: * OK …")
            return client
        }
        let waiting = [try connect(), try connect()]
        try waiting[0].converse("C: a LOGIN joe secret\nS: * BYE Access denied\nS.")
        #expect(auth.questions.isEmpty)
        for (client, address) in zip([waiting[1], try connect(), try connect()], [7, 8, 7]) {
            try client.converse("C: a ID (\"x-originating-ip\" \"192.0.2.\(address)\")")
            try client.converse("S: * ID NIL\nS: a OK completed\nC: b LOGIN joe secret\nS: b NO no\nS.")
        }
    }

    @Test func `a reload changes who may come in`() throws {
        let proxy = try MailServer(.imap, "auth_http 127.0.0.1:1;")
        let client = try proxy.client()
        try client.expect("* OK IMAP4 ready")
        let old = proxy.server.workers
        try proxy.server.rewrite(proxy.server.contents("server.conf").replacing("auth_http", with: "deny 127.0.0.0/8; auth_http"))
        proxy.server.signal(SIGHUP)
        try proxy.server.awaitLog("gracefully shutting down")
        try proxy.client().expect("* BYE Access denied")
        // Who is in stays.
        try client.converse("C: a NOOP\nS: a OK completed")
        withExtendedLifetime(old) {}
    }

    // MARK: Limits

    private static let addressZone = "limit_conn_zone $binary_remote_addr zone=addresses:1m;"

    /// A server of several workers, each of which has a socket of its own.
    private func server(
        _ settings: String, speaking speech: Speech = .imap, zones: String = addressZone, workers: Int = 3
    ) throws -> (port: UInt16, server: ServerUnderTest) {
        let port = try Ports.free()
        let block = "server { listen 127.0.0.1:\(port) reuseport; protocol \(speech.rawValue); \(settings) }"
        let mail = "auth_http 127.0.0.1:1; \(zones) \(block)"
        return (port, try ServerUnderTest(workers: workers, mail: mail, until: .connects))
    }

    /// Connects until somebody is turned away.
    /// - Returns: those who were let in.
    private func clients(until farewell: String = "* BYE Too many connections", at port: UInt16, atMost limit: Int = 100) throws -> [LineClient] {
        var clients: [LineClient] = []
        while clients.count < limit {
            let client = try LineClient(port)
            guard try client.line() != farewell else { return clients }
            clients.append(client)
        }
        return clients
    }

    /// Connects until just so many have been let in; those of before may take a moment to be gone.
    private func fill(_ port: UInt16, with count: Int, file: String = #fileID, line: Int = #line) throws -> [LineClient] {
        var clients: [LineClient] = []
        try eventually("\(count) clients", file: file, line: line) {
            clients = try self.clients(at: port)
            return clients.count == count
        }
        return clients
    }

    /// The same, until each of three workers has some of nine clients.
    private func fillAllWorkers(_ port: UInt16, of server: ServerUnderTest) throws -> [LineClient] {
        var clients: [LineClient] = []
        try eventually("clients at all workers") {
            clients = []
            clients = try fill(port, with: 9)
            // The last one was turned away.
            let lines = server.log.split(separator: "\n").filter { $0.contains(" connected to ") }.suffix(10).dropLast()
            return Set(lines.compactMap { $0.firstMatch(of: #/(\d+)#/#)?.1 }).count == 3
        }
        return clients
    }

    @Test func `an address has so many connections at all workers together, and another its own`() throws {
        let (port, server) = try server("limit_conn addresses 9;")
        var clients = try fillAllWorkers(port, of: server)
        try LineClient(port, from: 2).expect("* OK IMAP4 ready")
        let line = try server.awaitLog("limiting connections by zone \"addresses\"")
        #expect(line.contains("[error]") && line.contains("client: 127.0.0.1, server: 127.0.0.1:\(port)"))
        clients.removeLast(4)
        clients = try clients + fill(port, with: 4)
        #expect(clients.count == 9)
    }

    @Test func `what a killed worker held is given back, and what the others hold is not`() throws {
        let (port, server) = try server("limit_conn addresses 9;")
        let worker = try #require(server.awaitWorkers(3).first)
        let clients = try fillAllWorkers(port, of: server)
        worker.signal(SIGKILL)
        try server.awaitLog("worker process \(worker.pid) exited on signal 9")
        try server.awaitWorkers(3, otherThan: [worker])
        let alive = clients.filter { client in
            (try? client.send("a NOOP\r\n")) != nil && (try? client.line()) == "a OK completed"
        }
        #expect(!alive.isEmpty && alive.count < 9)
        let more = try fill(port, with: 9 - alive.count)
        withExtendedLifetime((alive, more)) {}
    }

    @Test func `a reload forgets nobody`() throws {
        let (port, server) = try server("limit_conn addresses 5;", workers: 2)
        var clients = try fill(port, with: 5)
        server.signal(SIGHUP)
        try server.awaitLog("gracefully shutting down", count: 2)
        #expect(try self.clients(at: port).isEmpty)
        clients.removeFirst(2)
        let more = try fill(port, with: 2)
        withExtendedLifetime((clients, more)) {}
    }

    @Test func `a dry run tells who would be turned away, at the level asked for`() throws {
        let (port, server) = try server("limit_conn addresses 2; limit_conn_dry_run on; limit_conn_log_level notice;", workers: 1)
        #expect(try clients(at: port, atMost: 6).count == 6)
        let line = try server.awaitLog("limiting connections, dry run, by zone \"addresses\"", count: 3)
        #expect(line.contains("[notice]"))
    }

    @Test(arguments: Speech.allCases, [true, false])
    func `a login has so many sessions, from its success to the end of its relay`(_ speech: Speech, _ asksAuthServer: Bool) throws {
        let farewell = [
            Speech.imap: "* BYE Too many connections", .pop3: "-ERR Too many connections, try again later",
            .smtp: "421 4.3.2 mx.test Too many connections, try again later",
        ]
        let upstream = try speech.upstream()
        let route = asksAuthServer
            ? "auth_http \(try StubAuthServer(accepting: upstream).url);" : "proxy_pass 127.0.0.1:\(upstream.port); proxy_smtp_auth on;"
        let (port, server) = try server(
            "limit_conn logins 2; \(route)", speaking: speech, zones: "limit_conn_zone $remote_user zone=logins:1m;")
        func logIn(_ user: String) throws -> LineClient? {
            let client = try LineClient(port)
            try client.converse(speech.login(user))
            let line = try client.line() ?? ""
            if ["a OK", "+OK", "235"].contains(where: line.hasPrefix) { return client }
            #expect(line == farewell[speech])
            try client.expectEnd()
            return nil
        }
        var clients = [try logIn("user"), try logIn("user")]
        #expect(clients.allSatisfy { $0 != nil })
        // Whoever has not shown that the login is its own does not count.
        let waiting = try LineClient(port)
        try waiting.converse(speech.login("other").split(separator: "\n").dropLast().joined(separator: "\n") + "\n")
        #expect(try logIn("user") == nil)
        #expect(try server.awaitLog("limiting connections by zone \"logins\"").contains("login: \"user\""))
        #expect(try logIn("other") != nil)
        clients.removeLast()
        try eventually("room for another") { try logIn("user") != nil }
        withExtendedLifetime((clients, waiting)) {}
    }
}
