import Foundation
import Glibc
import TestSupport
import Testing

/// Master, workers and signals (`processes.md`).
@Suite(.ownWorkspace) struct ProcessTests {
    private var name: String { ProgramUnderTest.name }

    private func proxy(workers: Int = 2, main: String = "", settings: String = "") throws -> MailServer {
        let proxy = try MailServer(.imap, accepting: try StubServer.imap(), settings, workers: workers, main: main)
        try proxy.server.awaitWorkers(workers)
        return proxy
    }

    private func isListening(_ port: UInt16) -> Bool { (try? Socket.connect(to: .port(port))) != nil }

    // MARK: Start

    @Test func `the pid file holds the master's number, and goes with it`() throws {
        let server = try proxy().server
        #expect(server.contents("server.pid") == "\(server.pid)\n")
        server.signal(SIGQUIT)
        #expect(try server.awaitExit() == .code(0))
        #expect(!server.exists("server.pid"))
    }

    @Test func `titles tell master and workers apart`() throws {
        let server = try proxy().server
        #expect(server.master.title.hasPrefix("\(name): master process \(ProgramUnderTest.path) -p \(server.folder)"))
        #expect(server.workers.map(\.title) == ["\(name): worker process", "\(name): worker process"])
    }

    @Test func `master and workers have one thread each, also after logins`() throws {
        let proxy = try proxy()
        for _ in 1...10 { _ = try proxy.loggedInClient(.imap) }
        for process in [proxy.server.master] + proxy.server.workers { #expect(process.threadCount == 1) }
    }

    @Test func `a daemon leaves its starter, which ends well`() throws {
        let port = try Ports.free()
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer(accepting: upstream)
        let text = ServerUnderTest.configuration(
            mail: "auth_http \(auth.url); server { listen 127.0.0.1:\(port); protocol imap; }"
        ).replacingOccurrences(of: "daemon off;", with: "")
        let server = try ServerUnderTest(configuration: text, daemonizes: true)
        #expect(server.exitStatus == .code(0))
        #expect(server.master.isAlive)
        #expect(getsid(server.pid) == server.pid)
        try LineClient(port).converse(Speech.imap.login() + Speech.imap.welcome)
        server.signal(SIGTERM)
        try eventually("the daemon's end") { !server.master.isAlive }
    }

    @Test func `master_process off serves in one process`() throws {
        let proxy = try MailServer(
            .imap, accepting: try StubServer.imap(), main: "master_process off;")
        let client = try proxy.loggedInClient(.imap)
        try client.converse("C: x\nS: x")
        #expect(proxy.server.workers.isEmpty)
        #expect(proxy.server.master.threadCount == 1)
        proxy.server.signal(SIGTERM)
        #expect(try proxy.server.awaitExit() == .code(0))
    }

    @Test func `a start leaves its records in the log`() throws {
        let server = try proxy().server
        for text in [
            "[notice] \(server.pid)#\(server.pid): using the \"epoll\" event method", "\(name)/", "OS: Linux ",
            "getrlimit(RLIMIT_NOFILE): ", "start worker processes", "start worker process \(server.workers[0].pid)",
        ] {
            try server.awaitLog(text)
        }
    }

    @Test func `use poll serves as epoll does`() throws {
        let proxy = try MailServer(.imap, accepting: try StubServer.imap(), events: "use poll;")
        try proxy.loggedInClient(.imap).converse("C: x\nS: x")
        try proxy.server.awaitLog("using the \"poll\" event method")
    }

    /// No worker can enter its folder, though the file is good.
    private func unusable(_ socket: String, daemon: String) -> String {
        configuration(pid: "server.pid", main: "working_directory /nonexistent/folder;", socket: socket)
            .replacingOccurrences(of: "daemon off;", with: "daemon \(daemon);")
    }

    @Test(arguments: ["off", "on"])
    func `a start whose workers cannot serve fails, and says why to whoever waits for it`(_ daemon: String) throws {
        let workspace = try Workspace.here()
        try workspace.write(unusable(workspace.file("s"), daemon: daemon), to: "server.conf")
        let start = try run([ProgramUnderTest.path, "-p", workspace.path, "-c", "server.conf", "-e", "start.log"])
        #expect(start.status == .code(1))
        for message in ["chdir(\"/nonexistent/folder\") failed (2: No such file or directory)", "no worker process can serve"] {
            #expect(start.standardError.contains("\(name): [emerg] \(message)\n"))
        }
        try eventually("nothing of it") {
            try FileManager.default.contentsOfDirectory(atPath: workspace.path).allSatisfy { !$0.hasPrefix("server.pid") && $0 != "s" }
        }
    }

    @Test func `a start whose workers have no room for descriptors fails`() throws {
        let server = try ServerUnderTest(
            configuration: configuration(pid: "server.pid", main: "worker_rlimit_nofile 3;", socket: try Workspace.here().file("s")),
            until: .nothing)
        #expect(try server.awaitExit() == .code(1))
        #expect(!server.exists("server.pid"))
    }

    @Test(arguments: ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
    func `a server whose standard input or output is closed serves as any other`(_ closing: String) throws {
        let port = try Ports.free()
        let auth = try StubAuthServer(accepting: try StubServer.imap())
        let server = try ServerUnderTest(
            configuration: ServerUnderTest.configuration(
                mail: "auth_http \(auth.url); server { listen 127.0.0.1:\(port); protocol imap; }"),
            program: ["sh", "-c", "exec \"$0\" \"$@\" \(closing)", ProgramUnderTest.path])
        try LineClient(port).converse(Speech.imap.login() + Speech.imap.welcome)
        server.signal(SIGHUP)
        try server.awaitLog("gracefully shutting down")
        try LineClient(port).converse(Speech.imap.login() + Speech.imap.welcome)
        #expect((0...2).allSatisfy { FileManager.default.fileExists(atPath: "/proc/\(server.pid)/fd/\($0)") })
    }

    // MARK: Stopping

    @Test(arguments: [SIGTERM, SIGINT]) func `a fast stop cuts sessions`(_ signal: CInt) throws {
        let proxy = try proxy()
        let client = try proxy.loggedInClient(.imap)
        proxy.server.signal(signal)
        try client.expectEnd()
        #expect(try proxy.server.awaitExit() == .code(0))
        let text = signal == SIGTERM ? "signal 15 (SIGTERM) received" : "signal 2 (SIGINT) received"
        try proxy.server.awaitLog(text)
        try proxy.server.awaitLog("exited with code 0", count: 2)
        #expect(!isListening(proxy.port))
    }

    @Test func `a graceful stop lets sessions end, logins in progress too`() throws {
        let proxy = try proxy(workers: 1)
        let (old, new) = (try proxy.loggedInClient(.imap), try proxy.client())
        try new.expect("* OK IMAP4 ready")
        proxy.server.signal(SIGQUIT)
        try proxy.server.awaitLog("gracefully shutting down")
        try eventually("a closed port") { !isListening(proxy.port) }
        try old.converse("C: x\nS: x")
        try new.converse("C: a LOGIN user secret\nS: a OK logged in\nC: y\nS: y")
        #expect(proxy.server.exitStatus == nil)
        #expect(proxy.server.workers.map(\.title) == ["\(name): worker process is shutting down"])
        for client in [old, new] {
            client.finishSending()
            try client.expectEnd()
        }
        #expect(try proxy.server.awaitExit() == .code(0))
        try proxy.server.awaitLog("signal 3 (SIGQUIT) received")
    }

    @Test func `worker_shutdown_timeout ends relays, and says goodbye to those not logged in`() throws {
        let proxy = try proxy(workers: 1, main: "worker_shutdown_timeout 500ms;")
        let (old, new) = (try proxy.loggedInClient(.imap), try proxy.client())
        try new.expect("* OK IMAP4 ready")
        proxy.server.signal(SIGQUIT)
        try old.expectEnd()
        try new.converse("S: * BYE …\nS.")
        #expect(try proxy.server.awaitExit() == .code(0))
        try proxy.server.awaitLog("shutdown timeout while proxying, client: 127.0.0.1")
    }

    @Test func `a worker that hangs does not stop a fast stop`() throws {
        let server = try proxy(workers: 1).server
        _ = kill(server.workers[0].pid, SIGSTOP)
        server.signal(SIGTERM)
        #expect(try server.awaitExit() == .code(0))
        try server.awaitLog("exited on signal 9")
    }

    @Test func `a worker that hung while it was told to leave leaves when it goes on`() throws {
        let server = try proxy(workers: 1).server
        let worker = server.workers[0].pid
        _ = kill(worker, SIGSTOP)
        // More orders than the channel to a worker holds.
        try eventually("so many orders to reopen logs") {
            for _ in 0..<20 {
                server.signal(SIGUSR1)
                sched_yield()
            }
            return server.occurrences(of: ", reopening logs") >= 1000
        }
        server.signal(SIGQUIT)
        try server.awaitLog("shutting down")
        _ = kill(worker, SIGCONT)
        #expect(try server.awaitExit() == .code(0))
    }

    @Test func `workers do not outlive a killed master for long`() throws {
        let proxy = try proxy()
        let client = try proxy.loggedInClient(.imap)
        let workers = proxy.server.workers
        proxy.server.signal(SIGKILL)
        try eventually("the end of all workers", by: .after(.seconds(3))) { workers.allSatisfy { !$0.isAlive } }
        try client.expectEnd()
    }

    // MARK: Dying workers

    @Test func `a killed worker is replaced at once, and its siblings' sessions live on`() throws {
        let proxy = try proxy()
        // Clients until both workers have some: which one accepts is the kernel's choice.
        var clients: [LineClient] = []
        let before = proxy.server.workers
        func descriptors() -> [Int] { before.map(\.descriptorCount) }
        let idle = descriptors()
        try eventually("sessions at both workers") {
            clients.append(try proxy.loggedInClient(.imap))
            return zip(descriptors(), idle).allSatisfy { $0 > $1 + 1 }
        }
        let start = ContinuousClock.now
        _ = kill(before[0].pid, SIGKILL)
        try eventually("a new worker", by: .after(.seconds(1))) {
            let now = proxy.server.workers
            return now.count == 2 && !now.contains(before[0])
        }
        #expect(ContinuousClock.now - start < .seconds(1))
        try proxy.server.awaitLog("[alert] \(proxy.server.pid)#")
        try proxy.server.awaitLog("worker process \(before[0].pid) exited on signal 9")
        let alive = clients.filter { client in
            (try? client.send("ping\r\n")) != nil && (try? client.line()) == "ping"
        }
        #expect(!alive.isEmpty && alive.count < clients.count)
        try proxy.client().expect("* OK IMAP4 ready")
    }

    @Test func `no connection is refused while workers are killed in a loop`() throws {
        let proxy = try proxy()
        let (refusals, stop, finished) = (Notes(), Notes(), Counter())
        onNewThread {
            while stop["now"].isEmpty {
                do { _ = try Socket.connect(to: .port(proxy.port)) } catch { refusals.add("\(error)", to: "connect") }
            }
            _ = finished.next()
        }
        for _ in 1...4 {
            let workers = try proxy.server.awaitWorkers(2)
            for worker in workers { worker.signal(SIGKILL) }
            try proxy.server.awaitWorkers(2, otherThan: workers)
        }
        stop.add("", to: "now")
        try eventually("the end of the loop") { finished.count == 1 }
        #expect(refusals["connect"] == [])
        try proxy.loggedInClient(.imap).converse("C: x\nS: x")
    }

    @Test func `a worker told to end is replaced as well`() throws {
        let server = try proxy(workers: 1).server
        let before = server.workers
        _ = kill(before[0].pid, SIGTERM)
        try server.awaitWorkers(1, otherThan: before)
        try server.awaitLog("worker process \(before[0].pid) exited with code 0")
    }

    @Test(arguments: [SIGQUIT, SIGWINCH])
    func `a worker told to leave is replaced at once, while its sessions go on`(_ signal: CInt) throws {
        let proxy = try proxy(workers: 1)
        let session = try proxy.loggedInClient(.imap)
        let worker = try #require(proxy.server.workers.first)
        worker.signal(signal)
        try proxy.server.awaitLog("start worker process ", count: 2)
        try proxy.loggedInClient(.imap).converse("C: x\nS: x")
        try session.converse("C: x\nS: x")
        #expect(worker.isAlive)
        session.finishSending()
        try eventually("the end of the worker") { !worker.isAlive }
        #expect(proxy.server.occurrences(of: "start worker process ") == 2)
    }

    @Test func `a worker whose successor cannot serve has one when that can be`() throws {
        let folder = try Workspace.here().file("folder")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        let server = try proxy(workers: 1, main: "working_directory \(folder);").server
        let worker = try server.awaitWorkers(1)
        try FileManager.default.moveItem(atPath: folder, toPath: folder + ".away")
        worker[0].signal(SIGKILL)
        try server.awaitLog("exited with code 2", count: 2)
        try FileManager.default.moveItem(atPath: folder + ".away", toPath: folder)
        try server.awaitWorkers(1, otherThan: worker, by: .after(.seconds(15)))
    }

    @Test func `a worker that dies again and again is restarted with a growing pause`() throws {
        let server = try proxy(workers: 1).server
        var pauses: [Duration] = []
        for _ in 1...6 {
            let worker = try server.awaitWorkers(1)[0]
            let start = ContinuousClock.now
            _ = kill(worker.pid, SIGKILL)
            try server.awaitWorkers(1, otherThan: [worker], by: .after(.seconds(15)))
            pauses.append(ContinuousClock.now - start)
        }
        #expect(pauses[0] < .seconds(1))
        #expect(pauses[5] > pauses[0] * 2 && pauses[5] > .milliseconds(200))
    }

    // MARK: Reload

    @Test func `a reload replaces the workers and keeps old sessions`() throws {
        let proxy = try proxy()
        let client = try proxy.loggedInClient(.imap)
        let before = proxy.server.workers
        proxy.server.signal(SIGHUP)
        try proxy.server.awaitLog("gracefully shutting down", count: 2)
        try client.converse("C: x\nS: x")
        try proxy.loggedInClient(.imap).converse("C: y\nS: y")
        client.finishSending()
        try client.expectEnd()
        try eventually("the old workers' end") { before.allSatisfy { !$0.isAlive } }
        try proxy.server.awaitWorkers(2, otherThan: before)
        for text in ["signal 1 (SIGHUP) received from ", ", reconfiguring", ": reconfiguring"] {
            try proxy.server.awaitLog(text)
        }
    }

    @Test(arguments: ["foo on;", "error_log /nonexistent/folder/x.log;", "include none.conf;"])
    func `a reload with a broken file changes nothing`(_ fault: String) throws {
        let proxy = try proxy()
        let client = try proxy.loggedInClient(.imap)
        let before = proxy.server.workers
        try proxy.server.rewrite(fault + "\n" + proxy.server.contents("server.conf"))
        proxy.server.signal(SIGHUP)
        try proxy.server.awaitLog("[emerg]")
        try client.converse("C: x\nS: x")
        try proxy.loggedInClient(.imap).converse("C: y\nS: y")
        #expect(proxy.server.workers == before)
    }

    @Test func `a reload whose workers cannot serve changes nothing, and the old ones are still replaced`() throws {
        let proxy = try proxy()
        let client = try proxy.loggedInClient(.imap)
        let text = proxy.server.contents("server.conf")
        try proxy.server.rewrite("working_directory /nonexistent/folder;\n" + text)
        proxy.server.signal(SIGHUP)
        try proxy.server.awaitLog("the old configuration stays")
        try client.converse("C: x\nS: x")
        try proxy.loggedInClient(.imap).converse("C: y\nS: y")
        let before = proxy.server.workers
        _ = kill(before[0].pid, SIGKILL)
        try proxy.server.awaitWorkers(before.count, otherThan: [before[0]])
        try proxy.loggedInClient(.imap).converse("C: z\nS: z")
        try proxy.server.rewrite(text)
        proxy.server.signal(SIGHUP)
        try proxy.server.awaitLog("gracefully shutting down")
    }

    @Test func `a reload whose new port is taken changes nothing`() throws {
        let proxy = try proxy()
        let before = proxy.server.workers
        let taken = try Socket.listen(at: .port(0))
        let text = proxy.server.contents("server.conf")
        try proxy.server.rewrite(text.replacingOccurrences(
            of: "listen 127.0.0.1:\(proxy.port);", with: "listen 127.0.0.1:\(proxy.port); listen 127.0.0.1:\(taken.port);"))
        proxy.server.signal(SIGHUP)
        try proxy.server.awaitLog("still could not bind()")
        #expect(proxy.server.workers == before)
        _ = try proxy.loggedInClient(.imap)
    }

    @Test func `a reload opens new listeners and closes those that are gone`() throws {
        let proxy = try proxy()
        let other = try Ports.free()
        let text = proxy.server.contents("server.conf")
        let both = text.replacingOccurrences(
            of: "listen 127.0.0.1:\(proxy.port);", with: "listen 127.0.0.1:\(proxy.port); listen 127.0.0.1:\(other);")
        try proxy.server.rewrite(both)
        proxy.server.signal(SIGHUP)
        try eventually("the new listener") { isListening(other) }
        try LineClient(other).converse("S: * OK IMAP4 ready")
        try proxy.server.rewrite(text.replacingOccurrences(
            of: "listen 127.0.0.1:\(proxy.port);", with: "listen 127.0.0.1:\(other);"))
        proxy.server.signal(SIGHUP)
        try eventually("the old listener's end") { !isListening(proxy.port) }
        try LineClient(other).converse("S: * OK IMAP4 ready")
    }

    @Test func `a reload brings new settings to new sessions`() throws {
        let proxy = try proxy()
        try proxy.server.rewrite(proxy.server.contents("server.conf").replacingOccurrences(
            of: "protocol imap;", with: "protocol imap; imap_capabilities NEW;"))
        proxy.server.signal(SIGHUP)
        try eventually("the new capabilities") {
            let client = try proxy.client()
            try client.converse("S: * OK IMAP4 ready\nC: a CAPABILITY")
            return try client.line()?.hasPrefix("* CAPABILITY NEW AUTH") ?? false
        }
    }

    @Test func `no login fails and no session is lost while the server is reloaded again and again`() throws {
        let proxy = try proxy()
        let sessions = try (0..<10).map { _ in try proxy.loggedInClient(.imap) }
        let load = Load { try proxy.loggedInClient(.imap).converse("C: x\nS: x") }
        for _ in 1...4 {
            let before = proxy.server.occurrences(of: "gracefully shutting down")
            proxy.server.signal(SIGHUP)
            try proxy.server.awaitLog("gracefully shutting down", count: before + 2)
            try load.awaitMore()
        }
        let failures = try load.stop()
        #expect(failures == [])
        for session in sessions { try session.converse("C: still\nS: still") }
    }

    // MARK: Logs

    @Test func `logs are reopened on demand, by master and workers`() throws {
        let proxy = try proxy()
        try FileManager.default.moveItem(atPath: proxy.server.folder + "/error.log", toPath: proxy.server.folder + "/old.log")
        proxy.server.signal(SIGUSR1)
        try proxy.server.awaitLog("reopening logs", count: 3, in: "old.log")
        try eventually("a log of the workers again") {
            _ = try proxy.loggedInClient(.imap)
            return proxy.server.log.contains("client logged in")
        }
    }

    @Test(arguments: ["", "master_process off;"])
    func `after a reload and a rotation, nobody holds the old log`(_ main: String) throws {
        let server = try MailServer(.imap, accepting: try StubServer.imap(), main: main).server
        server.signal(SIGHUP)
        try server.awaitLog("reconfiguring")
        try eventually("old workers gone") {
            server.occurrences(of: "exited with code 0") == 1 || (main != "" && server.occurrences(of: "event method") == 2)
        }
        try FileManager.default.removeItem(atPath: server.folder + "/error.log")
        server.signal(SIGUSR1)
        func deletedLogs(_ process: ProcessView) -> [String] {
            let folder = "/proc/\(process.pid)/fd/"
            let all = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            return all.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: folder + $0) }
                .filter { $0.hasSuffix("error.log (deleted)") }
        }
        try eventually("no deleted log, has \(([server.master] + server.workers).map(deletedLogs))") {
            ([server.master] + server.workers).allSatisfy { deletedLogs($0).isEmpty }
        }
    }

    @Test func `a log that cannot be opened anew is named`() throws {
        let folder = try Workspace.here().file("logs")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        let server = try MailServer(.imap, accepting: try StubServer.imap(), main: "error_log \(folder)/a.log;").server
        try FileManager.default.moveItem(atPath: folder, toPath: folder + ".old")
        server.signal(SIGUSR1)
        try server.awaitLog("open() \"\(folder)/a.log\" failed (2: No such file or directory)")
    }

    // MARK: The pid file

    private func configuration(pid: String, main: String = "", socket: String) -> String {
        ServerUnderTest.configuration(
            main: main, mail: "auth_http 127.0.0.1:1; server { listen unix:\(socket); protocol imap; }"
        ).replacingOccurrences(of: "pid server.pid;", with: "pid \(pid);")
    }

    @Test func `a pid file that cannot be written stops the start, and no socket stays`() throws {
        let socket = try Workspace.here().file("s")
        let server = try ServerUnderTest(configuration: configuration(pid: "none/a.pid", socket: socket), until: .nothing)
        #expect(try server.awaitExit() == .code(1))
        #expect(server.standardError.contains("[emerg] open() \"\(server.folder)/none/a.pid\" failed (2: No such file or directory)\n"))
        #expect(!FileManager.default.fileExists(atPath: socket))
    }

    @Test func `a socket is for everybody, and other files are as the umask says`() throws {
        let workspace = try Workspace.here()
        try workspace.write(configuration(pid: "server.pid", socket: workspace.file("s")), to: "test.conf")
        let child = try ChildProcess(
            ["sh", "-c", "umask 027; exec \"$0\" \"$@\"", ProgramUnderTest.path]
                + ["-p", workspace.path, "-c", "test.conf", "-e", "start.log"], in: workspace)
        try eventually("a pid file") { FileManager.default.fileExists(atPath: workspace.file("server.pid")) }
        func mode(_ name: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: workspace.file(name))[.posixPermissions] as? Int
        }
        #expect(try ["s", "error.log", "start.log"].map(mode) == [0o666, 0o640, 0o640])
        kill(child.pid, SIGTERM)
        #expect(try child.awaitExit() == .code(0))
    }

    @Test func `a second start says that there is a first`() throws {
        let server = try proxy(workers: 1).server
        let second = try run([ProgramUnderTest.path, "-p", server.folder, "-c", "server.conf", "-e", "second.log"])
        #expect(second.status == .code(1))
        let path = server.folder + "/server.pid"
        #expect(second.standardError ==
            "\(name): [emerg] process \(server.pid), which \"\(path)\" names, is a martlet master that still runs\n")
        #expect(server.contents("server.pid") == "\(server.pid)\n")
    }

    @Test func `a server that waits for its last session leaves room for another`() throws {
        let proxy = try proxy(workers: 1)
        let (first, port) = (proxy.server, proxy.port)
        let session = try proxy.loggedInClient(.imap)
        first.signal(SIGQUIT)
        try first.awaitLog("gracefully shutting down")
        try eventually("a closed port") { !isListening(port) }
        #expect(first.master.title == "\(name): master process is shutting down")
        let second = try ServerUnderTest(
            configuration: first.contents("server.conf").replacingOccurrences(of: "pid server.pid;", with: "pid \(first.folder)/server.pid;"))
        #expect(first.contents("server.pid") == "\(second.pid)\n")
        try session.converse("C: x\nS: x")
        session.finishSending()
        #expect(try first.awaitExit() == .code(0))
        #expect(first.contents("server.pid") == "\(second.pid)\n")
        _ = try proxy.loggedInClient(.imap)
    }

    @Test func `a reload takes over no pid file of a server that runs, and nothing changes`() throws {
        let (server, other) = (try proxy(workers: 1).server, try proxy(workers: 1).server)
        let before = server.workers
        let text = server.contents("server.conf")
        try server.rewrite(text.replacingOccurrences(of: "pid server.pid;", with: "pid \(other.folder)/server.pid;"))
        server.signal(SIGHUP)
        try server.awaitLog(
            "[emerg] \(server.pid)#\(server.pid): process \(other.pid), which \"\(other.folder)/server.pid\" names, is a martlet master that still runs")
        #expect(server.contents("server.pid") == "\(server.pid)\n" && other.contents("server.pid") == "\(other.pid)\n")
        #expect(server.workers == before)
    }

    @Test func `a reload whose pid file cannot be written changes nothing`() throws {
        let proxy = try proxy(workers: 1)
        let (server, before) = (proxy.server, proxy.server.workers)
        let text = server.contents("server.conf")
        try server.rewrite(text.replacingOccurrences(of: "pid server.pid;", with: "pid none/server.pid;"))
        server.signal(SIGHUP)
        try server.awaitLog(
            "[emerg] \(server.pid)#\(server.pid): open() \"\(server.folder)/none/server.pid\" failed (2: No such file or directory)")
        _ = try proxy.loggedInClient(.imap)
        #expect(server.workers == before && server.contents("server.pid") == "\(server.pid)\n")
        server.signal(SIGQUIT)
        #expect(try server.awaitExit() == .code(0))
        #expect(!server.exists("server.pid") && server.occurrences(of: "[alert]") == 0)
    }

    @Test func `-s waits for no pipe in the place of a pid file`() throws {
        let server = try proxy(workers: 1).server
        let path = server.folder + "/server.pid"
        try FileManager.default.removeItem(atPath: path)
        try #require(mkfifo(path, 0o600) == 0)
        let result = try run(
            [ProgramUnderTest.path, "-p", server.folder, "-c", "server.conf", "-e", "signal.log", "-s", "stop"], by: .after(.seconds(10)))
        #expect(result.status == .code(1))
        #expect(result.standardError == "\(name): [error] invalid PID number \"\" in \"\(path)\"\n")
    }

    @Test func `a pid file that a killed master has left says nothing at the next start`() throws {
        let socket = try Workspace.here().file("s")
        let text = configuration(pid: try Workspace.here().file("a.pid"), socket: socket)
        let first = try ServerUnderTest(configuration: text)
        first.signal(SIGKILL)
        try first.awaitExit()
        try FileManager.default.removeItem(atPath: socket)
        let second = try ServerUnderTest(configuration: text)
        #expect(try Workspace.here().contents("a.pid") == "\(second.pid)\n")
        #expect(second.standardError == "")
    }

    @Test func `a pid file for which there is no room leaves nothing behind`() throws {
        let workspace = try Workspace.here()
        let text = configuration(pid: workspace.file("a.pid"), socket: workspace.file("s"))
            .replacingOccurrences(of: "error_log error.log debug;", with: "error_log /dev/null;")
        try workspace.write(text, to: "test.conf")
        let child = try ChildProcess(
            ["sh", "-c", "trap '' 25; ulimit -f 0; exec \"$0\" \"$@\"", ProgramUnderTest.path]
                + ["-p", workspace.path, "-c", "test.conf", "-e", "/dev/null"], in: workspace)
        #expect(try child.awaitExit() == .code(1))
        let left = try FileManager.default.contentsOfDirectory(atPath: workspace.path)
        #expect(left.filter { $0.hasPrefix("a.pid") || $0 == "s" } == [])
    }

    @Test func `a pid file that is gone is an alert at the end of a single process`() throws {
        let socket = try Workspace.here().file("s")
        let server = try ServerUnderTest(
            configuration: configuration(pid: "server.pid", main: "master_process off;", socket: socket))
        try FileManager.default.removeItem(atPath: server.folder + "/server.pid")
        server.signal(SIGTERM)
        #expect(try server.awaitExit() == .code(0))
        try server.awaitLog("[alert] \(server.pid)#\(server.pid): unlink() \"\(server.folder)/server.pid\" failed (2: No such file or directory)")
        #expect(!FileManager.default.fileExists(atPath: socket))
    }

    @Test func `a signal that comes while the server starts is kept until it can be obeyed`() throws {
        let workspace = try Workspace.here()
        let pipe = workspace.file("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        // The server waits here, until somebody reads its number.
        let server = try ServerUnderTest(
            configuration: configuration(pid: pipe, socket: workspace.file("s")), until: .nothing)
        try server.awaitLog("getrlimit(RLIMIT_NOFILE)")
        server.signal(SIGHUP)
        let reader = open(pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        defer { _ = close(reader) }
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = try eventually("the server's number") {
            let count = read(reader, &bytes, bytes.count)
            return count > 0 ? count : nil
        }
        #expect(String(decoding: bytes.prefix(count), as: UTF8.self) == "\(server.pid)\n")
        try server.awaitLog("signal 1 (SIGHUP) received")
        server.signal(SIGTERM)
        #expect(try server.awaitExit() == .code(0))
        #expect(FileManager.default.fileExists(atPath: pipe))
    }

    @Test func `-s signals no stranger`() throws {
        let server = try proxy(workers: 1).server
        let stranger = try ChildProcess(["sleep", "100"], in: try Workspace.here())
        for (pid, isWorker) in [(stranger.pid, false), (server.workers[0].pid, true)] {
            try "\(pid)\n".write(toFile: server.folder + "/server.pid", atomically: true, encoding: .utf8)
            let result = try run([ProgramUnderTest.path, "-p", server.folder, "-c", "server.conf", "-s", "stop"])
            #expect(result.status == .code(1), "worker: \(isWorker)")
            #expect(result.standardError.contains("[alert] kill(\(pid), 15) failed, "))
            #expect(result.standardError.hasSuffix("no martlet master (3: No such process)\n"))
        }
        #expect(stranger.exitStatus == nil)
        #expect(server.workers.count == 1)
    }

    @Test func `-s sends signals by the pid file`() throws {
        let server = try proxy().server
        func send(_ word: String) throws {
            let result = try run([ProgramUnderTest.path, "-p", server.folder, "-c", "server.conf", "-e", "signal.log", "-s", word])
            #expect(result.status == .code(0))
            #expect(result.standardError == "")
        }
        try send("reopen")
        try server.awaitLog("reopening logs")
        try send("reload")
        try server.awaitLog("gracefully shutting down")
        try send("quit")
        #expect(try server.awaitExit() == .code(0))
        #expect(server.occurrences(of: "signal process started", in: "signal.log") == 3)
    }

    // MARK: Limits

    @Test func `a full descriptor table is survived`() throws {
        let proxy = try proxy(workers: 1, main: "worker_rlimit_nofile 40;")
        var clients = try (0..<60).map { _ in try proxy.client() }
        try proxy.server.awaitLog("(24: Too many open files)")
        clients[0].close()
        clients.removeAll()
        try proxy.loggedInClient(.imap).converse("C: x\nS: x")
    }

    @Test func `a client too many is sent away`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer(accepting: upstream)
        let port = try Ports.free()
        let text = ServerUnderTest.configuration(
            mail: "auth_http \(auth.url); server { listen 127.0.0.1:\(port); protocol imap; }"
        ).replacingOccurrences(of: "worker_connections 512;", with: "worker_connections 20;")
        let server = try ServerUnderTest(configuration: text)
        var clients: [LineClient] = []
        try eventually("a client too many") {
            clients.append(try LineClient(port))
            return server.log.contains("20 worker_connections are not enough")
        }
        for client in clients { client.close() }
        clients.removeAll()
        try eventually("room again") {
            guard let client = try? LineClient(port) else { return false }
            return (try? client.converse(Speech.imap.login() + Speech.imap.welcome)) != nil
        }
    }
}
