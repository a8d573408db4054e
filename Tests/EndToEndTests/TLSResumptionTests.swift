import Foundation
import Glibc
import TestSupport
import Testing

/// Sessions that clients come back with (`mail-tls.md`, section 7).
@Suite(.ownWorkspace) struct TLSResumptionTests {
    private static let both = [TLSOrder.Version.tls12, .tls13]

    /// Settings, a version, and whether a session can be resumed at the same worker.
    static let caches: [(String, TLSOrder.Version, isResumed: Bool)] = [
        ("", .tls12, true), ("", .tls13, true),
        ("ssl_session_tickets off;", .tls12, false), ("ssl_session_tickets off;", .tls13, false),
        ("ssl_session_cache off; ssl_session_tickets off;", .tls12, false),
        ("ssl_session_cache builtin; ssl_session_tickets off;", .tls12, true),
        ("ssl_session_cache builtin:100; ssl_session_tickets off;", .tls13, true),
        ("ssl_session_cache shared:zone:1m; ssl_session_tickets off;", .tls12, true),
        ("ssl_session_cache shared:zone:1m; ssl_session_tickets off;", .tls13, true),
        ("ssl_session_cache shared:zone:1m;", .tls12, true), ("ssl_session_cache shared:zone:1m;", .tls13, true),
        ("ssl_session_cache builtin:100 shared:zone:1m; ssl_session_tickets off;", .tls12, true),
    ]

    /// Resumes a session of an earlier client, and logs in with it.
    private func comeBack(
        _ proxy: TLSServer, _ earlier: TLSOrder, speech: Speech = .imap, _ way: TLSWay = .implicit
    ) throws -> Bool {
        let client = try proxy.clientBeforeTLS(speech, way)
        let handshake = try client.startTLS(TLSOrder(resuming: earlier))
        if way == .implicit { try client.expect(speech.greeting) }
        try client.converse(speech.loginAfterGreeting() + speech.welcome)
        return handshake.isResumed == true
    }

    @Test(arguments: caches)
    func `a client comes back to its worker`(_ settings: String, _ version: TLSOrder.Version, _ isResumed: Bool) throws {
        let proxy = try TLSServer(settings)
        for way in TLSWay.allCases {
            let order = TLSOrder(version)
            _ = try proxy.loggedInClient(.imap, way, order)
            #expect(try comeBack(proxy, order, way) == isResumed)
            #expect(try comeBack(proxy, order, way) == isResumed)
        }
    }

    @Test(arguments: [("", both[0]), ("", both[1])] + both.map { ("ssl_session_cache shared:zone:1m; ssl_session_tickets off;", $0) })
    func `a client comes back to another worker`(_ settings: String, _ version: TLSOrder.Version) throws {
        let proxy = try TLSServer(settings, workers: 2)
        try proxy.server.awaitWorkers(2)
        let order = TLSOrder(version)
        _ = try proxy.loggedInClient(.imap, .implicit, order)
        let first = try worker(of: "client logged in", proxy)
        // It must be the other that takes the next connection.
        _ = kill(first, SIGSTOP)
        defer { _ = kill(first, SIGCONT) }
        #expect(try comeBack(proxy, order))
        try proxy.server.awaitLog("client logged in", count: 2)
        #expect(try worker(of: "client logged in", count: 2, proxy) != first)
    }

    /// The worker that has written a line.
    private func worker(of text: String, count: Int = 1, _ proxy: TLSServer) throws -> pid_t {
        let line = try proxy.server.awaitLog(text, count: count)
        return try #require(line.firstMatch(of: #/\] (\d+)#/#).flatMap { pid_t($0.1) })
    }

    @Test(arguments: ["ssl_session_cache shared:zone:1m;", "ssl_session_cache shared:zone:1m; ssl_session_tickets off;", "KEYS"], both)
    func `a client comes back after a reload`(_ settings: String, _ version: TLSOrder.Version) throws {
        let proxy = try TLSServer(settings == "KEYS" ? ticketKeys([48, 80]) : settings)
        let order = TLSOrder(version)
        _ = try proxy.loggedInClient(.imap, .implicit, order)
        try reload(proxy)
        #expect(try comeBack(proxy, order))
    }

    /// Has only workers of the configuration as it is now take clients.
    private func reload(_ proxy: TLSServer) throws {
        let before = proxy.server.workers
        proxy.server.signal(SIGHUP)
        try eventually("a new worker") { proxy.server.workers.contains { !before.contains($0) } }
        try eventually("the old worker to be leaving") {
            proxy.server.workers.allSatisfy { !before.contains($0) || $0.title.hasSuffix("is shutting down") }
        }
    }

    /// Directives with files of random keys of these sizes.
    private func ticketKeys(_ sizes: [Int]) throws -> String {
        var random = SeededBytes(seed: 48)
        let workspace = try Workspace.here()
        return try sizes.map { "ssl_session_ticket_key \(try workspace.write(random.bytes(count: $0), to: "tickets.\($0)"));" }.joined()
    }

    @Test func `the first ticket key writes, and every one reads`() throws {
        let workspace = try Workspace.here()
        var random = SeededBytes(seed: 49)
        let keys = [48, 80, 48].map { random.bytes(count: $0) }
        let files = ["first", "second"].map { workspace.file($0) }
        func place(_ first: Int, _ second: Int) throws {
            for (key, file) in zip([first, second], ["first", "second"]) { try workspace.write(keys[key], to: file) }
        }
        try place(0, 1)
        let proxy = try TLSServer(files.map { "ssl_session_ticket_key \($0);" }.joined())
        let order = TLSOrder(.tls13)
        _ = try proxy.loggedInClient(.imap, .implicit, order)
        try place(1, 0)
        try reload(proxy)
        #expect(try comeBack(proxy, order))
        try place(2, 1)
        try reload(proxy)
        #expect(try !comeBack(proxy, order))
    }

    @Test func `sessions are forgotten after ssl_session_timeout`() throws {
        let proxy = try TLSServer("ssl_session_timeout 1s;")
        let orders = Self.both.map { TLSOrder($0) }
        for order in orders { _ = try proxy.loggedInClient(.imap, .implicit, order) }
        usleep(2_100_000)
        for order in orders { #expect(try !comeBack(proxy, order)) }
    }

    /// Caches that all server blocks share, and the certificates of two of them.
    static let neighbours: [(String, imap: Certificates.Name, pop3: Certificates.Name)] = [
        ("", .ecdsa, .other), ("KEYS", .ecdsa, .other), ("ssl_session_cache shared:zone:1m; ssl_session_tickets off;", .ecdsa, .other),
        ("KEYS", .ecdsa, .ecdsa), ("ssl_session_cache shared:zone:1m; ssl_session_tickets off;", .ecdsa, .ecdsa),
    ]

    /// nginx resumes where the certificates are the same.
    @Test(arguments: neighbours.indices, both)
    func `a session of one server block is not resumed in another`(_ index: Int, _ version: TLSOrder.Version) throws {
        let (cache, imap, pop3) = Self.neighbours[index]
        let certificates = try Certificates.shared()
        let proxy = try TLSServer(cache == "KEYS" ? ticketKeys([80]) : cache, certificates: "") {
            certificates[$0 == .pop3 ? pop3 : imap].directives
        }
        let order = TLSOrder(version)
        _ = try proxy.loggedInClient(.imap, .implicit, order)
        #expect(try !comeBack(proxy, order, speech: .pop3))
        #expect(try comeBack(proxy, order))
    }

    @Test func `a session is not resumed where a certificate is demanded that it lacks`() throws {
        let certificates = try Certificates.shared()
        let proxy = try TLSServer(ticketKeys([80])) {
            $0 == .pop3 ? "ssl_verify_client on; ssl_client_certificate \(certificates.authority);" : ""
        }
        let order = TLSOrder(.tls13)
        _ = try proxy.loggedInClient(.imap, .implicit, order)
        let client = try proxy.clientBeforeTLS(.pop3, .implicit)
        _ = try client.startTLS(TLSOrder(resuming: order))
        try client.converse("S: -ERR No required SSL certificate\nS.")
    }

    /// OpenSSL's default would be two, of which a client uses one.
    @Test func `a client of TLS 1.3 gets one ticket`() throws {
        let proxy = try TLSServer()
        let client = "openssl s_client -tls1_3 -ign_eof -crlf -connect 127.0.0.1:\(proxy.port(.imap, .implicit))"
        let result = try run(["sh", "-c", "(sleep 0.2; echo z LOGOUT) | \(client)"])
        #expect(result.standardOutput.components(separatedBy: "Post-Handshake New Session Ticket arrived").count == 2)
    }
}
