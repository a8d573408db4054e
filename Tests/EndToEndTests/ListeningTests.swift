import Foundation
import Glibc
import TestSupport
import Testing

/// Listeners as the system shows them, and what becomes of those who connect while they change
/// (`mail-directives.md`, section 3; `processes.md`, sections 6 to 9).
@Suite(.ownWorkspace) struct ListeningTests {
    /// A file whose servers greet; each answers `CAPABILITY` with its own name, `S0`, `S1`, …
    private func file(workers: Int = 1, main: String = "", events: String = "", mail: String = "", _ servers: String...) -> String {
        let blocks = servers.enumerated().map { "server { protocol imap; imap_capabilities S\($0); \($1) }" }
        return ServerUnderTest.configuration(
            workers: workers, main: main, events: events, mail: "auth_http 127.0.0.1:1; \(mail) " + blocks.joined(separator: "\n"))
    }

    /// Which server a client of that address gets to.
    private func name(at address: Address) -> String? {
        guard let client = try? LineClient(address),
            (try? client.converse("S: * OK IMAP4 ready\nC: a CAPABILITY")) != nil
        else { return nil }
        return try? client.line()?.split(separator: " ").dropFirst(2).first.map(String.init)
    }

    /// Clients that come, are greeted and go.
    private func greetings(at address: Address, threads: Int = 6) -> Load {
        Load(threads: threads) { try LineClient(address).expect("* OK IMAP4 ready") }
    }

    private func reload(_ server: ServerUnderTest, _ text: String) throws {
        let before = server.workers
        try server.rewrite(text)
        server.signal(SIGHUP)
        try eventually("the new generation alone, of \(before.map(\.pid))") {
            !server.workers.isEmpty && Set(server.workers).isDisjoint(with: before)
        }
    }

    // MARK: Options

    @Test func `a socket is what the parameters say, and a reload changes it in its place`() throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file("listen 127.0.0.1:\(port) backlog=5 rcvbuf=20k sndbuf=30k;"))
        let before = try #require(try ListeningSockets(port).only)
        #expect(before.backlog == 5 && before.receiveBuffer == 40960 && before.sendBuffer == 61440)
        try reload(server, file("listen 127.0.0.1:\(port) backlog=7 rcvbuf=24k;"))
        let after = try #require(try ListeningSockets(port).only)
        #expect(after.backlog == 7 && after.receiveBuffer == 49152 && after.sendBuffer == 61440)
        #expect(after.inode == before.inode)
    }

    @Test(arguments: [
        ("", "so_keepalive=on", true), ("", "so_keepalive=off", false), ("", "so_keepalive=600:7:3", true),
        ("so_keepalive on;", "", true), ("so_keepalive on;", "so_keepalive=off", false), ("", "", false),
    ])
    func `the system looks after silent clients where it is told to`(_ directive: String, _ parameter: String, _ isKept: Bool) throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file(mail: directive, "listen 127.0.0.1:\(port) \(parameter);"))
        let client = try LineClient(port)
        try client.expect("* OK IMAP4 ready")
        let shown = try run(["ss", "-tnoHO", "state", "established", "sport = :\(port)"]).standardOutput
        #expect(shown.contains("timer:(keepalive,") == isKept)
        if parameter.contains("600") { #expect(shown.contains("timer:(keepalive,9min") || shown.contains("timer:(keepalive,10min")) }
        withExtendedLifetime(server) {}
    }

    @Test func `a socket of IPv6 takes IPv4 clients where it is to`() throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file("listen [::]:\(port) ipv6only=off;"))
        #expect(name(at: .port(port)) == "S0")
        try reload(server, file("listen [::]:\(port);"))
        #expect(name(at: .port(port)) == nil)
        try reload(server, file("listen [::]:\(port) ipv6only=off;"))
        #expect(name(at: .port(port)) == "S0")
    }

    @Test func `plain clients are served where multipath is asked for, and a reload turns it on and off`() throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file("listen 127.0.0.1:\(port) multipath;"))
        #expect(name(at: .port(port)) == "S0")
        for parameter in ["", "multipath"] {
            try reload(server, file("listen 127.0.0.1:\(port) \(parameter);"))
            #expect(name(at: .port(port)) == "S0")
            #expect(try ListeningSockets(port).all.count == 1)
        }
    }

    // MARK: One port, several addresses

    @Test func `an address with a socket of its own stands beside the wildcard, also after a reload`() throws {
        let port = try Ports.free()
        let (any, covered) = ("listen *:\(port);", "listen 127.0.0.2:\(port);")
        let own = "listen 127.0.0.2:\(port) bind;"
        let server = try ServerUnderTest(configuration: file(any, own))
        for (second, count) in [(own, 2), (covered, 1), (own, 2)] {
            try reload(server, file(any, second))
            #expect(try ListeningSockets(port).all.count == count)
            #expect(name(at: .port(port)) == "S0" && name(at: .loopback(2, port)) == "S1")
        }
    }

    @Test func `a reload goes from one address to all of them, and back`() throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file("listen 127.0.0.1:\(port);"))
        try reload(server, file("listen *:\(port);"))
        #expect(name(at: .port(port)) == "S0" && name(at: .loopback(3, port)) == "S0")
        try reload(server, file("listen 127.0.0.1:\(port);"))
        #expect(name(at: .port(port)) == "S0" && name(at: .loopback(3, port)) == nil)
    }

    @Test func `a host name is all of its addresses`() throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file("listen localhost:\(port);"))
        #expect(name(at: .port(port)) == "S0")
        withExtendedLifetime(server) {}
    }

    // MARK: Nobody is lost

    @Test func `with reuseport each worker has its socket, and changing workers loses nobody`() throws {
        let port = try Ports.free()
        func file(_ workers: Int, _ parameter: String = "reuseport") -> String {
            self.file(workers: workers, "listen 127.0.0.1:\(port) \(parameter);")
        }
        let server = try ServerUnderTest(configuration: file(3))
        try eventually("three workers with a socket each") {
            let sockets = try ListeningSockets(port)
            return sockets.all.count == 3 && server.workers.map { $0.watched(among: sockets).count } == [1, 1, 1]
        }
        let load = greetings(at: .port(port))
        for (workers, parameter) in [(1, "reuseport"), (4, "reuseport"), (4, ""), (2, "reuseport"), (1, "")] {
            try reload(server, file(workers, parameter))
            try load.awaitMore(200)
        }
        #expect(try ListeningSockets(port).all.count == 4)
        #expect(server.workers.map { (try? $0.watched(among: ListeningSockets(port)).count) ?? 0 } == [4])
        let failures = try load.stop()
        #expect(failures == [])
    }

    @Test func `a new binary serves the sockets of all workers, however many it has itself`() throws {
        let port = try Ports.free()
        func file(_ workers: Int) -> String { self.file(workers: workers, "listen 127.0.0.1:\(port) reuseport;") }
        let server = try ServerUnderTest(configuration: file(3))
        let old = server.master
        try eventually("three workers") { try ListeningSockets(port).all.count == 3 }
        let load = greetings(at: .port(port))
        try server.rewrite(file(2))
        old.signal(SIGUSR2)
        let new = try server.awaitMaster(otherThan: old, workers: 2)
        try load.awaitMore(100)
        old.signal(SIGQUIT)
        try eventually("the old master's end") { !old.isAlive }
        try load.awaitMore(100)
        let failures = try load.stop()
        #expect(failures == [])
        #expect(try ListeningSockets(port).all.count == 3)
        new.signal(SIGTERM)
        try eventually("the new master's end") { !new.isAlive }
    }

    @Test func `those that stay refuse nobody while others come, go and change`() throws {
        let (stays, changes, other) = (try Ports.free(), try Ports.free(), try Ports.free())
        let path = try Workspace.here().file("s")
        func file(_ more: String, backlog: Int) -> String {
            self.file(
                workers: 2, "listen 127.0.0.1:\(stays); listen unix:\(path);",
                "listen 127.0.0.1:\(changes) backlog=\(backlog) sndbuf=64k; \(more)")
        }
        let server = try ServerUnderTest(configuration: file("", backlog: 100))
        let loads = [Address.port(stays), .path(path), .port(changes)].map { greetings(at: $0, threads: 2) }
        for round in 0..<4 {
            let hasOther = round % 2 == 0
            try reload(server, file(hasOther ? "listen 127.0.0.1:\(other) reuseport;" : "", backlog: 200 + round))
            #expect((name(at: .port(other)) != nil) == hasOther)
            for load in loads { try load.awaitMore(50) }
        }
        let failures = try loads.flatMap { try $0.stop() }
        #expect(failures == [])
    }

    @Test func `a worker that stays away leaves nobody waiting at its socket`() throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file(workers: 2, "listen 127.0.0.1:\(port) reuseport;"))
        var workers = try server.awaitWorkers(2)
        let other = workers.removeLast()
        // Dying again and again, it comes back after a growing pause, which is 3.2 seconds in the end.
        for count in 1...7 {
            let worker = try #require(workers.first)
            worker.signal(SIGKILL)
            try server.awaitLog("worker process \(worker.pid) exited on signal 9")
            if count == 7 {
                try greetEverybody(at: port)
                #expect(server.workers == [other])
            }
            workers = try server.awaitWorkers(2, otherThan: [worker], by: .after(.seconds(15))).filter { $0 != other }
        }
        let sockets = try ListeningSockets(port)
        try eventually("a socket for each worker again") { server.workers.map { $0.watched(among: sockets).count } == [1, 1] }
        try greetEverybody(at: port)
    }

    @Test func `a worker without descriptors accepts for another as soon as it has some`() throws {
        let (port, brake) = (try Ports.free(), try Brake())
        let server = try ServerUnderTest(
            configuration: file(workers: 2, main: "worker_rlimit_nofile 30; \(brake.settings)", "listen 127.0.0.1:\(port) reuseport;"),
            program: brake.program)
        let workers = try server.awaitWorkers(2)
        try server.awaitLog("sched_setaffinity() failed", count: 2)
        var clients: [LineClient] = []
        try eventually("a worker without descriptors") {
            clients.append(try LineClient(port))
            return server.log.contains("[crit] \(workers[0].pid)#")
        }
        brake.pull()
        workers[1].signal(SIGTERM)
        let absent = try brake.hold(of: server, after: 2)
        try server.awaitLog("[crit] \(workers[0].pid)#\(workers[0].pid): no descriptor is left to accept for another worker process")
        clients.removeAll()
        for _ in 0..<40 { try LineClient(port).expect("* OK IMAP4 ready") }
        #expect(absent.status("State")?.hasPrefix("T") == true)
        absent.signal(SIGCONT)
    }

    @Test(arguments: [true, false])
    func `a worker told to leave while its address moves lets in who comes there`(_ isToldFirst: Bool) throws {
        let (port, other, brake) = (try Ports.free(), try Ports.free(), try Brake())
        let server = try ServerUnderTest(
            configuration: file(main: brake.settings, "listen 127.0.0.1:\(port);"), program: brake.program)
        let old = try #require(try server.awaitWorkers(1).first)
        let session = try LineClient(port)
        try session.expect("* OK IMAP4 ready")
        try server.rewrite(file(main: brake.settings, "listen 127.0.0.1:\(other);"))
        brake.pull()
        server.signal(SIGHUP)
        let incoming = try brake.hold(of: server, after: 1)
        // One that greets has told its master that it accepts.
        let letGo = {
            incoming.signal(SIGCONT)
            try eventually("a new address") { try? LineClient(other) }.expect("* OK IMAP4 ready")
        }
        // The master learns of both at once, in this order.
        server.signal(SIGSTOP)
        if !isToldFirst { try letGo() }
        old.signal(SIGQUIT)
        try server.awaitLog("\(old.pid)#\(old.pid): signal 3 (SIGQUIT) received")
        old.signal(SIGALRM)
        try server.awaitLog("\(old.pid)#\(old.pid): signal 14 (SIGALRM) received")
        let waiting = try LineClient(port)
        if isToldFirst { try letGo() }
        server.signal(SIGCONT)
        try waiting.expect("* OK IMAP4 ready")
        // Until the old address has gone, somebody is to serve it.
        if isToldFirst { try server.awaitLog("start worker process ", count: 3) }
        for client in [session, waiting] { client.close() }
        try eventually("the new configuration alone") { server.workers == [incoming] }
        try LineClient(other).expect("* OK IMAP4 ready")
    }

    /// As many clients as find every socket of a port.
    private func greetEverybody(at port: UInt16) throws {
        let clients = try (0..<40).map { _ in try LineClient(port) }
        for client in clients { try client.expect("* OK IMAP4 ready") }
    }

    @Test func `a reload whose workers cannot serve leaves no socket behind at which nobody accepts`() throws {
        let (port, other) = (try Ports.free(), try Ports.free())
        let text = file("listen 127.0.0.1:\(port) reuseport;")
        let server = try ServerUnderTest(configuration: text)
        // They have room for their first sockets, and not for all.
        let many = (0..<30).map { "listen 127.0.0.\($0 + 2):\(other);" }.joined(separator: " ")
        try server.rewrite(file(workers: 4, main: "worker_rlimit_nofile 40;", "listen 127.0.0.1:\(port) reuseport; \(many)"))
        server.signal(SIGHUP)
        try server.awaitLog("the old configuration stays")
        try greetEverybody(at: port)
        #expect(throws: (any Error).self) { try Socket.connect(to: .loopback(2, other)) }
        // What was begun is of use later.
        try reload(server, file(workers: 4, "listen 127.0.0.1:\(port) reuseport;"))
        try greetEverybody(at: port)
        #expect(try ListeningSockets(port).all.count == 4)
    }

    @Test func `the sockets of fewer workers leave room for clients`() throws {
        let port = try Ports.free()
        func file(_ workers: Int) -> String {
            self.file(workers: workers, "listen 127.0.0.1:\(port) reuseport;")
                .replacingOccurrences(of: "worker_connections 512;", with: "worker_connections 2;")
        }
        let server = try ServerUnderTest(configuration: file(6))
        try reload(server, file(1))
        // A client that has gone is counted until its worker has heard of it.
        try eventually("a client that finds room") { name(at: .port(port)) == "S0" }
    }

    @Test func `listeners that come, go and change in one place lose nobody who has connected`() throws {
        let port = try Ports.free()
        let forms = ["127.0.0.1:\(port)", "*:\(port)", "127.0.0.1:\(port) reuseport", "[::]:\(port) ipv6only=off; listen 127.0.0.1:\(port)"]
        let server = try ServerUnderTest(configuration: file(workers: 2, "listen \(forms[0]);"))
        let load = greetings(at: .port(port))
        for round in 1...8 {
            try reload(server, file(workers: 2, "listen \(forms[round % forms.count]);"))
            try load.awaitMore(100)
        }
        let failures = try load.stop()
        #expect(failures == [])
    }

    @Test func `a single process that drains opens nothing any more`() throws {
        let (port, other) = (try Ports.free(), try Ports.free())
        let server = try ServerUnderTest(configuration: file(main: "master_process off;", "listen 127.0.0.1:\(port);"))
        let client = try LineClient(port)
        try client.expect("* OK IMAP4 ready")
        server.signal(SIGQUIT)
        try server.awaitLog("gracefully shutting down")
        try server.rewrite(file(main: "master_process off;", "listen 127.0.0.1:\(port); listen 127.0.0.1:\(other);"))
        server.signal(SIGHUP)
        try server.awaitLog("signal 1 (SIGHUP) received from \(getpid()), reconfiguring")
        // It answers when it has obeyed.
        try client.converse("C: a NOOP\nS: a OK completed")
        for port in [port, other] { #expect(throws: (any Error).self) { try Socket.connect(to: .port(port)) } }
        #expect(server.occurrences(of: ": reconfiguring") == 0)
        client.close()
        #expect(try server.awaitExit() == .code(0))
    }

    @Test(arguments: ["", "reuseport"])
    func `who is queued when the server leaves is let in`(_ parameter: String) throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file("listen 127.0.0.1:\(port) \(parameter);"))
        let worker = try #require(server.workers.first)
        _ = kill(worker.pid, SIGSTOP)
        let clients = try (0..<5).map { _ in try LineClient(port) }
        server.signal(SIGQUIT)
        try server.awaitLog("signal 3 (SIGQUIT) received")
        _ = kill(worker.pid, SIGCONT)
        for client in clients { try client.expect("* OK IMAP4 ready") }
        #expect(server.exitStatus == nil)
        for client in clients { client.close() }
        #expect(try server.awaitExit() == .code(0))
    }

    // MARK: Sockets in the file system

    @Test func `a socket that a killed server has left is taken over, and a reload keeps it`() throws {
        let path = try Workspace.here().file("s")
        let first = try ServerUnderTest(configuration: file("listen unix:\(path);"))
        let workers = first.workers
        first.signal(SIGKILL)
        try eventually("the end of the workers") { workers.allSatisfy { !$0.isAlive } }
        #expect(FileManager.default.fileExists(atPath: path) && name(at: .path(path)) == nil)
        let second = try ServerUnderTest(configuration: file("listen unix:\(path);"))
        try second.awaitLog("deleting abandoned socket \(path)")
        func inode() -> UInt64? { (try? FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? UInt64) ?? nil }
        let before = inode()
        try reload(second, file("listen unix:\(path);"))
        #expect(name(at: .path(path)) == "S0" && inode() == before && before != nil)
        second.signal(SIGTERM)
        try second.awaitExit()
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func `a socket whose name was removed has one again after a reload`() throws {
        let path = try Workspace.here().file("s")
        let server = try ServerUnderTest(configuration: file("listen unix:\(path);"))
        try FileManager.default.removeItem(atPath: path)
        try reload(server, file("listen unix:\(path);"))
        try server.awaitLog("socket \(path) is gone, making it anew")
        #expect(name(at: .path(path)) == "S0")
        server.signal(SIGTERM)
        try server.awaitExit()
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    // MARK: Who accepts

    @Test func `one worker waits at the listener at a time, and the death of that one lets another`() throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file(
            workers: 3, events: "accept_mutex on; accept_mutex_delay 50ms;", "listen 127.0.0.1:\(port);"))
        let sockets = try ListeningSockets(port)
        for _ in 1...4 {
            let holder = try eventually("one that waits at the listener") {
                let waiting = server.workers.filter { !$0.watched(among: sockets).isEmpty }
                return waiting.count == 1 ? waiting[0] : nil
            }
            // Stopped, it keeps the turn, so nobody else is there.
            _ = kill(holder.pid, SIGSTOP)
            let client = try LineClient(port)
            #expect(server.workers.filter { $0 != holder && !$0.watched(among: sockets).isEmpty } == [])
            _ = kill(holder.pid, SIGKILL)
            try client.expect("* OK IMAP4 ready")
            try server.awaitWorkers(3, otherThan: [holder])
        }
    }

    @Test func `turns are taken under load, through reloads, and nobody is lost`() throws {
        let port = try Ports.free()
        let text = file(workers: 2, events: "accept_mutex on; accept_mutex_delay 20ms;", "listen 127.0.0.1:\(port);")
        let server = try ServerUnderTest(configuration: text)
        let load = greetings(at: .port(port))
        for _ in 1...3 {
            try reload(server, text)
            try load.awaitMore(100)
        }
        let failures = try load.stop()
        #expect(failures == [])
    }

    @Test(arguments: [(1, false), (2, true)])
    func `where several workers wait the system wakes one of them`(_ workers: Int, _ isExclusive: Bool) throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file(workers: workers, "listen 127.0.0.1:\(port);"))
        let sockets = try ListeningSockets(port)
        for worker in try server.awaitWorkers(workers) {
            try eventually("a worker at the listener") { worker.watched(among: sockets).count == 1 }
            #expect(worker.watched(among: sockets).map(\.isExclusive) == [isExclusive])
        }
    }

    @Test(arguments: ["", "multi_accept on;"])
    func `clients who come one after the other and stay are shared out among the workers`(_ events: String) throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file(workers: 2, events: events, "listen 127.0.0.1:\(port);"))
        let workers = try server.awaitWorkers(2)
        let sockets = try ListeningSockets(port)
        try eventually("both at the listener") { workers.allSatisfy { !$0.watched(among: sockets).isEmpty } }
        var clients: [LineClient] = []
        for _ in 0..<80 {
            // Whoever is busy leaves the next one to the other by that alone.
            try eventually("idle workers") { workers.allSatisfy { $0.status("State")?.hasPrefix("S") == true } }
            let client = try LineClient(port)
            try client.expect("* OK IMAP4 ready")
            clients.append(client)
        }
        let counts = workers.map { worker in
            server.log.split(separator: "\n").count { $0.contains(" \(worker.pid)#") && $0.contains(" connected to 127.0.0.1:\(port)") }
        }
        #expect(counts.allSatisfy { $0 >= 16 }, "\(counts)")
        withExtendedLifetime(clients) {}
    }

    @Test func `without descriptors a worker leaves its turn to others`() throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file(
            workers: 2, main: "worker_rlimit_nofile 30;", events: "accept_mutex on; accept_mutex_delay 50ms;",
            "listen 127.0.0.1:\(port);"))
        var clients: [LineClient] = []
        try eventually("both workers without descriptors") {
            clients.append(try LineClient(port))
            let workers = server.workers
            return workers.count == 2 && workers.allSatisfy { server.log.contains("[crit] \($0.pid)#") }
        }
        clients.removeAll()
        try LineClient(port).expect("* OK IMAP4 ready")
    }

    // MARK: Where workers run

    @Test func `each worker runs where its mask says`() throws {
        let usable = ProcessView(getpid()).processors
        let text = "worker_cpu_affinity " + usable.prefix(2).map { "1" + String(repeating: "0", count: $0) }.joined(separator: " ") + ";"
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file(workers: 2, main: text, "listen 127.0.0.1:\(port);"))
        let expected = [[usable[0]], [usable.prefix(2).last ?? 0]]
        try eventually("workers at their processors") { server.workers.map(\.processors) == expected }
        try server.awaitLog("sched_setaffinity(): using cpu #\(usable[0])")
        try reload(server, file(workers: 2, main: "worker_cpu_affinity auto;", "listen 127.0.0.1:\(port);"))
        try eventually("workers at a processor each") { server.workers.map(\.processors) == [[usable[0]], [usable[1 % usable.count]]] }
    }

    @Test func `a processor that is not there is an alert, and the worker serves`() throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(configuration: file(
            main: "worker_cpu_affinity 1\(String(repeating: "0", count: 1000));", "listen 127.0.0.1:\(port);"))
        try server.awaitLog("[alert] \(server.workers[0].pid)#\(server.workers[0].pid): sched_setaffinity() failed (22: Invalid argument)")
        #expect(name(at: .port(port)) == "S0")
    }
}
