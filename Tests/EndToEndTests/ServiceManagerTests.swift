import Foundation
import Glibc
import TestSupport
import Testing

/// What a service manager hears, and what it hands over (`sd_notify(3)`, `sd_listen_fds(3)`).
@Suite(.ownWorkspace) struct ServiceManagerTests {
    /// A server that was started by a service manager.
    private func service(
        _ manager: StubServiceManager, main: String = "", environment: [String: String] = [:]
    ) throws -> (server: ServerUnderTest, port: UInt16) {
        let port = try Ports.free()
        let auth = try StubAuthServer(accepting: try StubServer.imap())
        let text = ServerUnderTest.configuration(
            main: main, mail: "auth_http \(auth.url); server { listen 127.0.0.1:\(port); protocol imap; }")
        let environment = environment.merging(["NOTIFY_SOCKET": manager.name]) { $1 }
        return (try ServerUnderTest(configuration: text, environment: environment), port)
    }

    private func ready(_ pid: pid_t, _ status: String = "") -> String {
        "READY=1\nMAINPID=\(pid)\nSTATUS=\(status)worker processes: 1, listeners: 1"
    }

    private func expectReloading(_ manager: StubServiceManager) throws {
        let lines = try manager.next().split(separator: "\n")
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let microseconds = Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
        #expect(lines.count == 2 && lines.first == "RELOADING=1")
        let told = try #require(lines.last.flatMap { Int64($0.dropFirst("MONOTONIC_USEC=".count)) })
        #expect((microseconds - 60_000_000...microseconds).contains(told))
    }

    @Test(arguments: ["@martlet-test-", "/"], ["", "master_process off;"])
    func `a service manager hears of start, reload and stop`(_ kind: String, _ main: String) throws {
        let manager = try StubServiceManager(
            kind == "/" ? try Workspace.here().file("notify") : "\(kind)\(getpid())-\(main.count)")
        let (server, _) = try service(manager, main: main)
        #expect(try manager.next() == ready(server.pid))
        server.signal(SIGHUP)
        try expectReloading(manager)
        #expect(try manager.next() == ready(server.pid))
        server.signal(SIGTERM)
        #expect(try manager.next() == "STOPPING=1")
        #expect(try server.awaitExit() == .code(0))
        #expect(manager.isQuiet)
    }

    @Test func `a reload that fails is a reload that has ended`() throws {
        let manager = try StubServiceManager(try Workspace.here().file("notify"))
        let (server, _) = try service(manager)
        _ = try manager.next()
        let text = server.contents("server.conf")
        for (fault, status) in [
            ("foo on;", "the new configuration is refused, see the log; "),
            ("working_directory /nonexistent;", "the new configuration cannot serve, see the log; "),
        ] {
            try server.rewrite("\(fault)\n\(text)")
            server.signal(SIGHUP)
            try expectReloading(manager)
            #expect(try manager.next() == ready(server.pid, status))
        }
    }

    @Test func `a worker that comes later is no news`() throws {
        let manager = try StubServiceManager(try Workspace.here().file("notify"))
        let (server, _) = try service(manager)
        #expect(try manager.next() == ready(server.pid))
        let worker = server.workers[0]
        worker.signal(SIGKILL)
        try server.awaitWorkers(1, otherThan: [worker])
        server.signal(SIGTERM)
        #expect(try manager.next() == "STOPPING=1")
    }

    @Test func `a server that drains says so at once`() throws {
        let manager = try StubServiceManager(try Workspace.here().file("notify"))
        let (server, port) = try service(manager)
        _ = try manager.next()
        let session = try LineClient(port)
        try session.converse(Speech.imap.login() + Speech.imap.welcome)
        server.signal(SIGQUIT)
        #expect(try manager.next() == "STOPPING=1")
        #expect(server.exitStatus == nil)
        server.signal(SIGTERM)
        #expect(try server.awaitExit() == .code(0))
        #expect(manager.isQuiet)
    }

    @Test func `an upgrade hands the service over when the old master goes, a rollback ends as a reload`() throws {
        let manager = try StubServiceManager(try Workspace.here().file("notify"))
        let (server, _) = try service(manager)
        let old = server.master
        #expect(try manager.next() == ready(old.pid))
        old.signal(SIGUSR2)
        let new = try server.awaitMaster(otherThan: old, workers: 1)
        // Only who is the main process is believed, so that is harmless.
        #expect(try manager.next() == ready(new.pid))
        old.signal(SIGWINCH)
        try eventually("no worker") { old.workers.isEmpty }
        old.signal(SIGHUP)
        try expectReloading(manager)
        #expect(try manager.next() == ready(old.pid))
        old.signal(SIGQUIT)
        #expect(try manager.next() == "MAINPID=\(new.pid)")
        try eventually("the end of the old") { !old.isAlive }
        new.signal(SIGTERM)
        #expect(try manager.next() == "STOPPING=1")
        try eventually("the end of the new") { !new.isAlive }
        #expect(manager.isQuiet)
    }

    @Test(arguments: [("", 1), ("master_process off;", 0), ("working_directory /nonexistent/folder;", nil)])
    func `a new binary that goes before the old one stops no service, and the old one is asked again`(_ main: String, _ workers: Int?) throws {
        let manager = try StubServiceManager(try Workspace.here().file("notify"))
        let (server, _) = try service(manager)
        let old = server.master
        #expect(try manager.next() == ready(old.pid))
        try server.rewrite(main + "\n" + server.contents("server.conf"))
        old.signal(SIGUSR2)
        if let workers {
            let new = try server.awaitMaster(otherThan: old, workers: workers)
            #expect(try manager.next() == ready(new.pid))
            new.signal(SIGQUIT)
        }
        #expect(try manager.next() == "MAINPID=\(old.pid)")
        old.signal(SIGTERM)
        #expect(try manager.next() == "STOPPING=1")
        #expect(manager.isQuiet)
    }

    @Test(arguments: ["", "master_process off;"])
    func `a watchdog gets signs of life twice as often as it asks`(_ main: String) throws {
        let manager = try StubServiceManager(try Workspace.here().file("notify"))
        let start = ContinuousClock.now
        let (server, _) = try service(manager, main: main, environment: ["WATCHDOG_USEC": "200000"])
        var heard: [String] = []
        while heard.filter({ $0 == "WATCHDOG=1" }).count < 5 { heard.append(try manager.next()) }
        #expect(ContinuousClock.now - start >= .milliseconds(400))
        #expect(Set(heard) == ["WATCHDOG=1", ready(server.pid)])
    }

    @Test func `a watchdog that waits for another process gets none from this one`() throws {
        let manager = try StubServiceManager(try Workspace.here().file("notify"))
        let (server, _) = try service(manager, environment: ["WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"])
        #expect(try manager.next() == ready(server.pid))
        server.signal(SIGTERM)
        #expect(try manager.next() == "STOPPING=1")
    }

    @Test func `a service manager that is gone is a warning, and no more`() throws {
        let path = try Workspace.here().file("none")
        let port = try Ports.free()
        let server = try ServerUnderTest(
            configuration: ServerUnderTest.configuration(
                mail: "auth_http 127.0.0.1:1; server { listen 127.0.0.1:\(port); protocol imap; }"),
            environment: ["NOTIFY_SOCKET": path])
        try server.awaitLog("[warn] \(server.pid)#\(server.pid): sendto() \"\(path)\" failed (2: No such file or directory)")
    }

    // MARK: Sockets that are handed over

    /// A server that finds these sockets open, and is told so by name.
    private func activated(
        _ sockets: [Socket], listens: [String], pid: String = "$$", main: String = ""
    ) throws -> ServerUnderTest {
        let auth = try StubAuthServer(accepting: try StubServer.imap())
        let servers = listens.map { "server { listen \($0); protocol imap; }" }.joined(separator: "\n")
        return try ServerUnderTest(
            configuration: ServerUnderTest.configuration(main: main, mail: "auth_http \(auth.url);\n" + servers),
            program: [
                "sh", "-c", "LISTEN_PID=\(pid) LISTEN_FDS=\(sockets.count) LISTEN_FDNAMES=a exec \"$0\" \"$@\"", ProgramUnderTest.path,
            ],
            descriptors: sockets.map(\.descriptor), until: .nothing)
    }

    private func name(_ socket: Socket) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(socket.descriptor)")
    }

    private func logIn(at address: Address) throws {
        try LineClient(address).converse(Speech.imap.login() + Speech.imap.welcome)
    }

    @Test func `sockets that are handed over serve by their address, over reload and upgrade, and their files stay`() throws {
        let path = try Workspace.here().file("socket")
        let sockets = [try Socket.listen(at: .port(0)), try Socket.listen(at: .path(path)), try Socket.listen(at: .port(0))]
        let addresses = [Address.path(path), .port(sockets[0].port)]
        let server = try activated(sockets, listens: addresses.map(\.description))
        try server.awaitWorkers(1)
        for address in addresses { try logIn(at: address) }
        // The third, which no `listen` names, is kept for one that does.
        #expect(try sockets.map { server.master.openFiles.contains(try name($0)) } == [true, true, true])
        #expect(try sockets.map { server.workers[0].openFiles.contains(try name($0)) } == [true, true, false])
        server.signal(SIGHUP)
        try server.awaitLog("gracefully shutting down")
        for address in addresses { try logIn(at: address) }
        let old = server.master
        old.signal(SIGUSR2)
        let new = try server.awaitMaster(otherThan: old, workers: 1)
        old.signal(SIGQUIT)
        try eventually("the end of the old") { !old.isAlive }
        for address in addresses { try logIn(at: address) }
        new.signal(SIGTERM)
        try eventually("the end of the new") { !new.isAlive }
        #expect(FileManager.default.fileExists(atPath: path))
    }

    @Test func `a socket that is handed over can be given up and taken again, by reloads and by a new binary`() throws {
        let sockets = [try Socket.listen(at: .port(0)), try Socket.listen(at: .port(0))]
        let addresses = sockets.map { Address.port($0.port) }
        let server = try activated(sockets, listens: [addresses[0].description])
        try server.awaitWorkers(1)
        let text = server.contents("server.conf")
        func name(_ place: Int) -> String { text.replacingOccurrences(of: addresses[0].description, with: addresses[place].description) }
        for place in [1, 0] {
            let before = server.workers
            try server.rewrite(name(place))
            server.signal(SIGHUP)
            try eventually("new workers alone") { !server.workers.isEmpty && Set(server.workers).isDisjoint(with: before) }
            try logIn(at: addresses[place])
        }
        let old = server.master
        try server.rewrite(name(1))
        old.signal(SIGUSR2)
        let new = try server.awaitMaster(otherThan: old, workers: 1)
        old.signal(SIGQUIT)
        try eventually("the end of the old") { !old.isAlive }
        try logIn(at: addresses[1])
        new.signal(SIGTERM)
        try eventually("the end of the new") { !new.isAlive }
    }

    @Test func `a socket that blocks does so no longer`() throws {
        let socket = try Socket.listen(at: .port(0), backlog: 0)
        _ = fcntl(socket.descriptor, F_SETFL, 0)
        let server = try activated([socket], listens: ["127.0.0.1:\(socket.port)"])
        try server.awaitWorkers(1)
        for _ in 1...3 { try logIn(at: .port(socket.port)) }
        #expect(fcntl(socket.descriptor, F_GETFL) & O_NONBLOCK != 0)
    }

    @Test func `sockets that are meant for another process are nobody's here`() throws {
        let socket = try Socket.listen(at: .port(0))
        let other = try Ports.free()
        let server = try activated([socket], listens: ["127.0.0.1:\(other)"], pid: "1")
        try server.awaitWorkers(1)
        try logIn(at: .port(other))
        #expect(try server.workers.map { $0.openFiles.contains(try name(socket)) } == [false])
    }
}
