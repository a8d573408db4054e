import Foundation
import Glibc
import TestSupport
import Testing

/// A new binary beside the old one, and back (`processes.md`, section 11).
@Suite(.ownWorkspace) struct UpgradeTests {
    private var name: String { ProgramUnderTest.name }

    /// A server whose program is a link, so that a test can put another in its place.
    private final class Upgradable: Sendable {
        let port: UInt16
        let socket: String
        let program: String
        let server: ServerUnderTest

        /// - Parameters:
        ///   - reference: what is started first, where it is not the program under test.
        ///   - byName: whether it is called by its name alone, and found by `PATH`.
        init(
            workers: Int = 1, main: String = "", daemonizes: Bool = false, environment: [String: String] = [:],
            reference: String = ProgramUnderTest.path, byName: Bool = false
        ) throws {
            let workspace = try Workspace.here()
            let (port, socket) = (try Ports.free(), workspace.file("s"))
            (self.port, self.socket) = (port, socket)
            let auth = try StubAuthServer(accepting: try StubServer.imap())
            let text = ServerUnderTest.configuration(
                workers: workers, main: main,
                mail: "auth_http \(auth.url); server { listen 127.0.0.1:\(port); listen unix:\(socket); protocol imap; }")
            program = workspace.file("program")
            try FileManager.default.createSymbolicLink(atPath: program, withDestinationPath: reference)
            server = try ServerUnderTest(
                configuration: daemonizes ? text.replacingOccurrences(of: "daemon off;", with: "") : text,
                program: byName ? ["env", "PATH=\(workspace.path):/usr/bin:/bin", "program"] : [program],
                environment: environment, daemonizes: daemonizes)
            _ = try eventually("\(workers) workers") { server.workers.count == workers ? true : nil }
        }

        /// Puts something else where the program was. Another process does it: what this one has open for
        /// writing, a process that is just being started has too, and a program that is written to cannot run.
        func replaceProgram(by text: String, mode: String = "644") throws {
            let source = try Workspace.here().write(text, to: "new")
            #expect(try run(["install", "-m", mode, source, program]).succeeded)
        }

        func replaceProgram(byLinkTo path: String) throws {
            try FileManager.default.removeItem(atPath: program)
            try FileManager.default.createSymbolicLink(atPath: program, withDestinationPath: path)
        }

        func client() throws -> LineClient { try LineClient(port) }

        func loggedInClient(_ address: Address? = nil) throws -> LineClient {
            let client = try LineClient(address ?? .port(port))
            try client.converse(Speech.imap.login() + Speech.imap.welcome)
            return client
        }

        /// Starts the new binary and waits for its workers.
        func upgrade(_ old: ProcessView, workers: Int = 1) throws -> ProcessView {
            old.signal(SIGUSR2)
            return try server.awaitMaster(otherThan: old, workers: workers)
        }

        func awaitEnd(_ process: ProcessView) throws { try eventually("the end of \(process.pid)") { !process.isAlive } }
    }

    // MARK: Onwards

    @Test(arguments: [false, true])
    func `a new binary takes over, in the foreground and in the background`(_ daemonizes: Bool) throws {
        let test = try Upgradable(workers: 2, daemonizes: daemonizes)
        let (server, old) = (test.server, test.server.master)
        let session = try test.loggedInClient()
        let new = try test.upgrade(old, workers: 2)
        #expect(server.contents("server.pid") == "\(new.pid)\n")
        #expect(server.contents("server.pid.oldbin") == "\(old.pid)\n")
        #expect(new.title.hasPrefix("martlet: master process \(test.program) -p \(server.folder)"))
        try server.awaitLog("signal 12 (SIGUSR2) received from \(getpid()), changing binary")
        try server.awaitLog("[notice] \(old.pid)#\(old.pid): start new binary process \(new.pid)")
        try server.awaitLog("[notice] \(new.pid)#\(new.pid): using inherited sockets from \"")
        old.signal(SIGWINCH)
        try server.awaitLog("signal 28 (SIGWINCH) received from \(getpid()), stop accepting connections")
        try session.converse("C: x\nS: x")
        _ = try test.loggedInClient()
        old.signal(SIGQUIT)
        session.finishSending()
        try test.awaitEnd(old)
        #expect(!server.exists("server.pid.oldbin"))
        _ = try test.loggedInClient(.path(test.socket))
        new.signal(SIGTERM)
        try test.awaitEnd(new)
        #expect(!server.exists("server.pid"))
        #expect(!FileManager.default.fileExists(atPath: test.socket))
    }

    @Test func `a program that was found by its name is found again`() throws {
        let test = try Upgradable(byName: true)
        #expect(test.server.master.title.hasPrefix("martlet: master process program -p "))
        _ = try test.upgrade(test.server.master)
    }

    @Test func `no connection is refused and no login lost over an upgrade, a rollback and another upgrade`() throws {
        let test = try Upgradable(workers: 2)
        let server = test.server
        let sessions = try (0..<10).map { _ in try test.loggedInClient() }
        let load = Load { try test.loggedInClient().converse("C: x\nS: x") }
        let old = server.master
        let first = try test.upgrade(old, workers: 2)
        try load.awaitMore()
        old.signal(SIGWINCH)
        try server.awaitLog("gracefully shutting down", count: 2)
        try load.awaitMore()
        old.signal(SIGHUP)
        try server.awaitLog("start worker processes", count: 3)
        try load.awaitMore()
        first.signal(SIGQUIT)
        try server.awaitLog("new binary process \(first.pid) exited with code 0")
        try load.awaitMore()
        #expect(server.contents("server.pid") == "\(old.pid)\n")
        let second = try test.upgrade(old, workers: 2)
        old.signal(SIGQUIT)
        try load.awaitMore()
        for session in sessions {
            try session.converse("C: still\nS: still")
            session.finishSending()
        }
        try test.awaitEnd(old)
        try load.awaitMore()
        let third = try test.upgrade(second, workers: 2)
        second.signal(SIGQUIT)
        try test.awaitEnd(second)
        try load.awaitMore()
        let failures = try load.stop()
        #expect(failures == [])
        #expect(server.contents("server.pid") == "\(third.pid)\n")
        third.signal(SIGTERM)
        try test.awaitEnd(third)
    }

    @Test func `the new binary gets its listeners, and nothing else that was open`() throws {
        let test = try Upgradable(main: "env KEPT; env ADDED=2;", environment: ["SECRET": "x", "TZ": "UTC", "KEPT": "1"])
        let old = test.server.master
        let new = try test.upgrade(old)
        func sockets(_ process: ProcessView) -> [String] { process.openFiles.filter { $0.hasPrefix("socket:") } }
        // Listeners, and one channel to a worker.
        #expect(sockets(new).count == 3)
        #expect(sockets(new).filter { !sockets(old).contains($0) }.count == 1)
        #expect(new.openFiles.filter { $0.hasSuffix("error.log") }.count == 2)
    }

    @Test func `the new binary's environment is what env names, the time zone, and the listeners`() throws {
        let test = try Upgradable(
            main: "env KEPT; env ADDED=2; env ABSENT;", environment: ["SECRET": "x", "TZ": "UTC", "KEPT": "1", "NOTIFY_SOCKET": "/none"])
        try test.replaceProgram(by: "#!/bin/sh\nenv > \(test.server.folder)/environment\nexit 1\n", mode: "755")
        test.server.signal(SIGUSR2)
        try test.server.awaitLog("new binary process")
        let text = try eventually("the new binary's end") {
            test.server.occurrences(of: "exited with code 1") > 0 ? test.server.contents("environment") : nil
        }
        let variables = Dictionary(
            text.split(separator: "\n").map { $0.split(separator: "=", maxSplits: 1).map(String.init) }.map { ($0[0], $0.last ?? "") },
            uniquingKeysWith: { first, _ in first })
        // The shell adds three of its own.
        let names = Set(variables.keys).subtracting(["PWD", "SHLVL", "_", "OLDPWD"])
        #expect(names == ["MARTLET", "MARTLET_MASTER", "NGINX", "SPARE", "TZ", "KEPT", "ADDED", "NOTIFY_SOCKET"])
        #expect(variables["KEPT"] == "1" && variables["ADDED"] == "2" && variables["TZ"] == "UTC")
        #expect(variables["MARTLET"] == variables["NGINX"])
        #expect(variables["MARTLET_MASTER"] == "\(test.server.pid)")
        #expect(try Regex("([0-9]+;){2}").wholeMatch(in: variables["MARTLET"] ?? "") != nil)
    }

    // MARK: The other server

    @Test func `nginx is followed by martlet, and martlet by nginx, under load`() throws {
        let test = try Upgradable(
            workers: 2, main: "load_module /usr/lib/nginx/modules/ngx_mail_module.so;", daemonizes: true, reference: "/usr/sbin/nginx")
        let (server, nginx) = (test.server, test.server.master)
        #expect(nginx.title.hasPrefix("nginx: master process"))
        let load = Load { try test.loggedInClient().converse("C: x\nS: x") }
        try load.awaitMore()
        try test.replaceProgram(byLinkTo: ProgramUnderTest.path)
        let martlet = try test.upgrade(nginx, workers: 2)
        #expect(martlet.title.hasPrefix("martlet: master process \(test.program) "))
        #expect(server.contents("server.pid.oldbin") == "\(nginx.pid)\n")
        nginx.signal(SIGQUIT)
        try test.awaitEnd(nginx)
        try load.awaitMore()
        _ = try test.loggedInClient(.path(test.socket))
        try test.replaceProgram(byLinkTo: "/usr/sbin/nginx")
        let back = try test.upgrade(martlet, workers: 2)
        #expect(back.title.hasPrefix("nginx: master process"))
        martlet.signal(SIGQUIT)
        try test.awaitEnd(martlet)
        try load.awaitMore()
        _ = try test.loggedInClient(.path(test.socket))
        let failures = try load.stop()
        #expect(failures == [])
        back.signal(SIGTERM)
        try test.awaitEnd(back)
        #expect(!FileManager.default.fileExists(atPath: test.socket))
    }

    @Test func `nginx is rolled back to`() throws {
        let test = try Upgradable(
            main: "load_module /usr/lib/nginx/modules/ngx_mail_module.so;", daemonizes: true, reference: "/usr/sbin/nginx")
        let (server, nginx) = (test.server, test.server.master)
        try test.replaceProgram(byLinkTo: ProgramUnderTest.path)
        let martlet = try test.upgrade(nginx)
        nginx.signal(SIGWINCH)
        try eventually("no worker of nginx") { nginx.workers.isEmpty }
        _ = try test.loggedInClient()
        nginx.signal(SIGHUP)
        try eventually("nginx's worker") { nginx.workers.count == 1 }
        martlet.signal(SIGQUIT)
        try test.awaitEnd(martlet)
        try eventually("the pid file") { server.contents("server.pid") == "\(nginx.pid)\n" }
        _ = try test.loggedInClient()
        _ = try test.loggedInClient(.path(test.socket))
        nginx.signal(SIGTERM)
        try test.awaitEnd(nginx)
    }

    // MARK: What fails

    @Test(arguments: [
        ("", "execve() failed while executing new binary process \"PROGRAM\" (13: Permission denied)"),
        ("no program", "execve() failed while executing new binary process \"PROGRAM\" (13: Permission denied)"),
    ])
    func `a program that is none leaves all as it was`(_ text: String, _ message: String) throws {
        let test = try Upgradable()
        let server = test.server
        try test.replaceProgram(by: text)
        server.signal(SIGUSR2)
        try server.awaitLog(message.replacingOccurrences(of: "PROGRAM", with: test.program))
        try server.awaitLog(" exited with code 1")
        try expectUnchanged(test)
    }

    @Test func `a program that is gone leaves all as it was`() throws {
        let test = try Upgradable()
        try FileManager.default.removeItem(atPath: test.program)
        test.server.signal(SIGUSR2)
        try test.server.awaitLog("\"\(test.program)\" (2: No such file or directory)")
        try test.server.awaitLog(" exited with code 1")
        try expectUnchanged(test)
    }

    @Test(arguments: ["foo on;", "pid none/a.pid;", "error_log none/a.log;", "working_directory /nonexistent/folder;"])
    func `a configuration that the new binary cannot serve leaves all as it was`(_ fault: String) throws {
        let test = try Upgradable()
        let server = test.server
        let text = server.contents("server.conf")
        try server.rewrite(fault + "\n" + (fault.hasPrefix("pid") ? text.replacingOccurrences(of: "pid server.pid;", with: "") : text))
        server.signal(SIGUSR2)
        try server.awaitLog("[emerg]")
        try server.awaitLog("[notice] \(server.pid)#\(server.pid): new binary process ")
        try expectUnchanged(test)
        // What was wrong is mended: now it works.
        try server.rewrite(text)
        _ = try test.upgrade(server.master)
    }

    /// How often a file in a folder gets its name by being moved there.
    private final class MoveCounter {
        private let descriptor = inotify_init1(CInt(IN_NONBLOCK) | CInt(IN_CLOEXEC))

        init(_ folder: String) { #expect(inotify_add_watch(descriptor, folder, UInt32(IN_MOVED_TO)) >= 0) }
        deinit { _ = close(descriptor) }

        func count(_ name: String) -> Int {
            var bytes = [UInt8](repeating: 0, count: 65536)
            let size = max(0, read(descriptor, &bytes, bytes.count))
            return String(decoding: bytes.prefix(size), as: UTF8.self).components(separatedBy: name + "\0").count - 1
        }
    }

    @Test func `a new binary that never serves never has the pid file`() throws {
        let test = try Upgradable()
        let server = test.server
        try server.rewrite("working_directory /nonexistent/folder;\n" + server.contents("server.conf"))
        let moves = MoveCounter(server.folder)
        server.signal(SIGUSR2)
        try server.awaitLog("[emerg]", count: 2)
        try server.awaitLog("[notice] \(server.pid)#\(server.pid): new binary process ")
        try expectUnchanged(test)
        // Whoever waits for it to change, to send the old binary away, waits in vain: it was brought back, no more.
        #expect(moves.count("server.pid") == 1)
    }

    private func expectUnchanged(_ test: Upgradable) throws {
        let server = test.server
        try eventually("the pid file") { server.contents("server.pid") == "\(server.pid)\n" }
        #expect(!server.exists("server.pid.oldbin"))
        #expect(server.workers.count == 1)
        _ = try test.loggedInClient()
        _ = try test.loggedInClient(.path(test.socket))
    }

    @Test func `a pid file that is gone stops an upgrade before it begins`() throws {
        let test = try Upgradable()
        let (server, path) = (test.server, test.server.folder + "/server.pid")
        try FileManager.default.removeItem(atPath: path)
        server.signal(SIGUSR2)
        try server.awaitLog(
            "[alert] \(server.pid)#\(server.pid): rename() \(path) to \(path).oldbin failed before executing new binary process "
                + "\"\(test.program)\" (2: No such file or directory)")
        #expect(server.occurrences(of: "start new binary process") == 0)
        _ = try test.loggedInClient()
    }

    @Test(arguments: [SIGKILL, SIGTERM])
    func `where the new binary dies after WINCH, the old one starts its workers again`(_ signal: CInt) throws {
        let test = try Upgradable()
        let (server, old) = (test.server, test.server.master)
        let new = try test.upgrade(old)
        old.signal(SIGWINCH)
        try eventually("no worker of the old") { old.workers.isEmpty }
        new.signal(signal)
        try server.awaitLog("new binary process \(new.pid) exited " + (signal == SIGKILL ? "on signal 9" : "with code 0"))
        try eventually("a worker of the old") { old.workers.count == 1 }
        try expectUnchanged(test)
    }

    @Test func `USR2 is refused while two binaries run, by both`() throws {
        let test = try Upgradable()
        let (server, old) = (test.server, test.server.master)
        let new = try test.upgrade(old)
        for (count, process) in [old, new].enumerated() {
            process.signal(SIGUSR2)
            try server.awaitLog("signal 12 (SIGUSR2) received from \(getpid()), ignoring", count: count + 1)
            try server.awaitLog(
                "[crit] \(process.pid)#\(process.pid): the changing binary signal is ignored: you should shutdown or terminate "
                    + "before either old or new binary's process")
        }
        #expect(old.children.count == 2 && new.children.count == 1)
    }

    @Test func `a new binary whose old master is killed goes on, and can be followed`() throws {
        let test = try Upgradable()
        let (server, old) = (test.server, test.server.master)
        let new = try test.upgrade(old)
        let workers = old.workers
        old.signal(SIGKILL)
        try eventually("the end of the old workers", by: .after(.seconds(3))) { workers.allSatisfy { !$0.isAlive } }
        _ = try test.loggedInClient()
        let newest = try test.upgrade(new)
        #expect(server.contents("server.pid.oldbin") == "\(new.pid)\n")
        new.signal(SIGQUIT)
        try test.awaitEnd(new)
        _ = try test.loggedInClient(.path(test.socket))
        newest.signal(SIGTERM)
        try test.awaitEnd(newest)
    }

    @Test func `a new binary whose old master is gone before it begins is like any other`() throws {
        let test = try Upgradable()
        let (server, old) = (test.server, test.server.master)
        let signal = try Workspace.here().file("begin")
        let text = "#!/bin/sh\nuntil [ -e \(signal) ]; do sleep 0.02; done\nexec \(ProgramUnderTest.path) \"$@\"\n"
        try test.replaceProgram(by: text, mode: "755")
        old.signal(SIGUSR2)
        try server.awaitLog("start new binary process")
        old.signal(SIGTERM)
        try test.awaitEnd(old)
        _ = try Workspace.here().write("", to: "begin")
        let new = try server.awaitMaster(otherThan: old, workers: 1)
        let newest = try test.upgrade(new)
        new.signal(SIGQUIT)
        try test.awaitEnd(new)
        _ = try test.loggedInClient(.path(test.socket))
        newest.signal(SIGTERM)
        try test.awaitEnd(newest)
        #expect(!FileManager.default.fileExists(atPath: test.socket))
    }

    // MARK: Configurations that differ

    @Test func `the new binary closes what its configuration does not name, and opens what is new`() throws {
        let test = try Upgradable()
        let (server, old) = (test.server, test.server.master)
        let other = try Ports.free()
        let text = server.contents("server.conf")
        try server.rewrite(text.replacingOccurrences(of: "listen 127.0.0.1:\(test.port);", with: "listen 127.0.0.1:\(other);"))
        _ = try test.upgrade(old)
        _ = try test.loggedInClient(.port(test.port))
        old.signal(SIGQUIT)
        try test.awaitEnd(old)
        #expect(throws: (any Error).self) { try Socket.connect(to: .port(test.port)) }
        _ = try test.loggedInClient(.port(other))
        _ = try test.loggedInClient(.path(test.socket))
    }

    @Test func `from one address to all of them and back, by new binaries`() throws {
        let test = try Upgradable()
        let server = test.server
        let text = server.contents("server.conf")
        let load = Load { try test.loggedInClient().converse("C: x\nS: x") }
        for listen in ["*:\(test.port)", "127.0.0.1:\(test.port)"] {
            let old = ProcessView(try #require(pid_t(server.contents("server.pid").trimmingCharacters(in: .newlines))))
            try server.rewrite(text.replacingOccurrences(of: "listen 127.0.0.1:\(test.port);", with: "listen \(listen);"))
            _ = try test.upgrade(old)
            try load.awaitMore()
            old.signal(SIGQUIT)
            try test.awaitEnd(old)
            try load.awaitMore()
            let reachesOthers = (try? Socket.connect(to: .loopback(3, test.port))) != nil
            #expect(reachesOthers == listen.hasPrefix("*"))
        }
        let failures = try load.stop()
        #expect(failures == [])
    }

    @Test func `a socket that the new binary does not serve goes from the file system with the old one`() throws {
        let test = try Upgradable()
        let (server, old) = (test.server, test.server.master)
        try server.rewrite(server.contents("server.conf").replacingOccurrences(of: "listen unix:\(test.socket);", with: ""))
        _ = try test.upgrade(old)
        _ = try test.loggedInClient(.path(test.socket))
        old.signal(SIGQUIT)
        try test.awaitEnd(old)
        #expect(!FileManager.default.fileExists(atPath: test.socket))
        _ = try test.loggedInClient()
    }

    @Test func `without a pid file, an upgrade goes as well`() throws {
        let test = try Upgradable()
        let server = test.server
        let text = server.contents("server.conf")
        try server.rewrite(text.replacingOccurrences(of: "pid server.pid;", with: "pid off;"))
        server.signal(SIGHUP)
        try eventually("no pid file") { !server.exists("server.pid") }
        server.signal(SIGUSR2)
        try server.awaitLog("start new binary process")
        let new = try eventually("the new master") {
            server.master.children.first { $0.title.contains("master process") && $0.workers.count == 1 }
        }
        server.signal(SIGQUIT)
        try test.awaitEnd(server.master)
        _ = try test.loggedInClient()
        new.signal(SIGTERM)
        try test.awaitEnd(new)
    }

    // MARK: WINCH

    @Test func `WINCH sends workers away and keeps the door, and HUP brings them back with a new configuration`() throws {
        let test = try Upgradable()
        let (server, master) = (test.server, test.server.master)
        let session = try test.loggedInClient()
        master.signal(SIGWINCH)
        try server.awaitLog("gracefully shutting down")
        try session.converse("C: x\nS: x")
        session.finishSending()
        try eventually("no worker") { master.workers.isEmpty }
        let waiting = try test.client()
        try server.rewrite(server.contents("server.conf").replacingOccurrences(
            of: "protocol imap;", with: "protocol imap; imap_capabilities NEW;"))
        master.signal(SIGHUP)
        try server.awaitLog(": reconfiguring")
        try waiting.converse("S: * OK IMAP4 ready\nC: a CAPABILITY\nS: * CAPABILITY NEW…")
        _ = kill(master.workers[0].pid, SIGKILL)
        try server.awaitLog("start worker process ", count: 3)
    }

    @Test func `WINCH makes one worker leave, which is replaced`() throws {
        let test = try Upgradable()
        let worker = test.server.workers[0]
        worker.signal(SIGWINCH)
        try test.server.awaitLog("[notice] \(worker.pid)#\(worker.pid): signal 28 (SIGWINCH) received from \(getpid()), shutting down")
        try test.server.awaitWorkers(1, otherThan: [worker])
    }

    @Test func `signals that come during a reload are obeyed when it is over`() throws {
        let test = try Upgradable()
        let (server, old) = (test.server, test.server.master)
        old.signal(SIGHUP)
        old.signal(SIGUSR2)
        let new = try server.awaitMaster(otherThan: old, workers: 1)
        try server.awaitLog("gracefully shutting down")
        #expect(old.workers.count >= 1 && new.isAlive)
        _ = try test.loggedInClient()
    }
}
