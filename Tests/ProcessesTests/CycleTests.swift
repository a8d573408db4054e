import Configuration
import Foundation
import Kernel
import Telemetry
import TestSupport
import Testing

@testable import Processes

@Suite(.ownWorkspace) struct CycleTests {
    /// No test may redirect the standard error of all: a log that has it as a destination does not.
    private static let preamble = "error_log stderr emerg; error_log main.log info; "
    private static let server = "auth_http 127.0.0.1:1; protocol imap; "

    private func invocation(isTest: Bool = false) throws -> Invocation {
        Invocation(
            arguments: [], prefix: try Workspace.here().path, configuration: "m.conf", errorLog: "start.log", globalDirectives: nil,
            isTest: isTest, isQuiet: false)
    }

    /// Writes the file: each server listens where it says.
    private func write(main: String = "", events: String = "", listens: [String], server: String = server) throws {
        let servers = listens.map { "server { listen \($0); \(server) }" }.joined(separator: "\n")
        try Workspace.here().write("\(Self.preamble)\(main) events { \(events) }\nmail { \(servers) }\n", to: "m.conf")
    }

    /// The generation that the file makes.
    @LoopActor private func cycle(
        replacing old: Cycle? = nil, inheriting inherited: InheritedListeners? = nil, isTest: Bool = false
    ) throws(ConfigurationError) -> Cycle {
        let invocation: Invocation
        do { invocation = try self.invocation(isTest: isTest) } catch { throw ConfigurationError("\(error)") }
        return try Cycle(
            try invocation.loadConfiguration(), for: invocation, startupLog: old?.log ?? ErrorLog([]), replacing: old,
            inheriting: inherited)
    }

    /// Does what a worker does when it begins to accept.
    @LoopActor private func open(_ cycle: Cycle) throws {
        for opening in cycle.openings(of: WorkerPlace(index: 0, count: 1)) { try opening.listener.listen(opening.place) }
    }

    @LoopActor private func refusal(replacing old: Cycle? = nil, isTest: Bool = false) -> ConfigurationError? {
        do throws(ConfigurationError) {
            let cycle = try cycle(replacing: old, isTest: isTest)
            cycle.retireListeners()
            return nil
        } catch {
            return error
        }
    }

    private func free(_ count: Int) throws -> [String] { try (0..<count).map { _ in "127.0.0.1:\(try Ports.free())" } }

    /// Whether somebody listens there.
    private func answers(_ listen: String) -> Bool {
        guard let port = listen.split(separator: ":").last.flatMap({ UInt16($0) }) else { return false }
        return (try? Socket.connect(to: .port(port))) != nil
    }

    /// Waits until these answer and those do not: a process that another test is just starting may hold a
    /// listener for a moment, up to its exec.
    private func expectAnswers(_ listens: [String], _ expected: [Bool], line: Int = #line) throws {
        try eventually("answers at \(listens) to be \(expected)", line: line) { listens.map(answers) == expected }
    }

    private func log(_ name: String = "main.log") throws -> String { try Workspace.here().contents(name) ?? "" }

    @Test func `listeners are bound, in the order of the servers`() throws {
        let ports = try free(2)
        try write(listens: ports)
        try onLoop {
            let cycle = try cycle()
            #expect(cycle.listeners.map(\.address.description) == ports)
            #expect(ports.allSatisfy(answers))
            cycle.retireListeners()
            try expectAnswers(ports, [false, false])
            #expect(cycle.listeners.isEmpty)
        }
    }

    @Test func `the next generation takes over what has the same address, and binds the rest`() throws {
        let ports = try free(3)
        try write(listens: [ports[0], ports[1]])
        try onLoop {
            let old = try cycle()
            try write(listens: [ports[2], ports[1]])
            let new = try cycle(replacing: old)
            #expect(new.listeners[1] === old.listeners[1])
            #expect(new.listeners[0] !== old.listeners[0])
            // Nobody comes before there is a worker.
            try expectAnswers(ports, [true, true, false])
            try open(new)
            #expect(ports.allSatisfy(answers))
            old.retireListeners(notIn: new)
            try expectAnswers(ports, [false, true, true])
            new.retireListeners()
        }
    }

    @Test(arguments: [("127.0.0.1:PORT", "*:PORT"), ("*:PORT", "127.0.0.1:PORT"), ("127.0.0.1:PORT", "127.0.0.1:PORT multipath")])
    func `a listener is replaced by one that has the same port, and both are there meanwhile`(_ before: String, _ after: String) throws {
        let port = "\(try Ports.free())"
        func listen(_ text: String) -> String { text.replacingOccurrences(of: "PORT", with: port) }
        try write(listens: [listen(before)])
        try onLoop {
            let old = try cycle()
            try write(listens: [listen(after)])
            let new = try cycle(replacing: old)
            #expect(new.listeners[0] !== old.listeners[0])
            #expect(answers(port))
            try open(new)
            new.takeOver(from: old)
            #expect(answers(port))
            new.retireListeners()
            try expectAnswers([port], [false])
        }
    }

    @Test(arguments: [("", 1), ("worker_processes 3;", 3), ("worker_processes 3; master_process off;", 1)])
    func `with reuseport there is a socket for each worker, and a reload closes none`(_ main: String, _ count: Int) throws {
        let port = try free(1)[0]
        try write(main: main, listens: [port + " reuseport"])
        try onLoop {
            let old = try cycle()
            #expect(places(old) == count)
            for (main, expected) in [("worker_processes 2;", max(count, 2)), ("worker_processes 5;", 5), ("", 5)] {
                try write(main: main, listens: [port + (main.isEmpty ? "" : " reuseport")])
                let new = try cycle(replacing: old)
                #expect(new.listeners[0] === old.listeners[0] && places(new) == expected)
            }
            old.retireListeners()
        }
    }

    /// How many sockets the first listener has.
    @LoopActor private func places(_ cycle: Cycle) -> Int {
        cycle.listeners[0].places(of: WorkerPlace(index: 0, count: 1), areShared: false).count
    }

    @Test(arguments: [("127.0.0.1:PORT", "*:PORT"), ("*:PORT", "127.0.0.1:PORT")])
    func `a new binary binds beside a listener that it is left and does not want`(_ before: String, _ after: String) throws {
        let port = "\(try Ports.free())"
        func listen(_ text: String) -> String { text.replacingOccurrences(of: "PORT", with: port) }
        try write(listens: [listen(before)])
        try onLoop {
            let old = try cycle()
            let inherited = try left(old.listeners[0], from: OwnProcess.parentID)
            try write(listens: [listen(after)])
            let new = try cycle(inheriting: inherited)
            #expect(new.listeners[0].origin == .bound && new.spares.isEmpty && inherited.listeners.count == 1)
            inherited.closeRest()
            #expect(answers(port))
            try open(new)
            #expect(answers(port))
            new.retireListeners()
            old.retireListeners()
        }
    }

    @Test func `a service manager's socket that no generation names now waits for one that does`() throws {
        let ports = try free(2)
        let sockets = try ports.map { try Socket.listen(at: .port(try #require(UInt16($0.split(separator: ":")[1])))) }
        try write(listens: [ports[0]])
        try onLoop {
            let inherited = InheritedListeners(
                Inheritance(try sockets.map { "\(try FileDescriptor.duplicate(of: $0.descriptor).release()):" }.joined(), of: "MARTLET", from: 1),
                log: ErrorLog([]))
            var cycle = try cycle(inheriting: inherited)
            inherited.closeRest()
            for (listens, spares) in [([ports[1]], [ports[0]]), (ports, []), ([ports[0]], [ports[1]])] {
                try write(listens: listens)
                let new = try self.cycle(replacing: cycle)
                new.takeOver(from: cycle)
                #expect(new.listeners.map(\.address.description) == listens && new.listeners.allSatisfy { $0.origin == .activated })
                #expect(new.spares.map(\.address.description) == spares)
                cycle = new
            }
            cycle.retireListeners()
            // It is not this process's to close for others.
            #expect(ports.allSatisfy(answers))
        }
        withExtendedLifetime(sockets) {}
    }

    /// What a new binary gets of a listener.
    @LoopActor private func left(_ listener: Listener, from master: Int32) throws -> InheritedListeners {
        let text = Inheritance.text(for: try listener.surviveExec())
        return InheritedListeners(Inheritance(text, of: "MARTLET", from: master), log: ErrorLog([]))
    }

    @Test func `a socket whose name is gone from the file system is made anew, unless another server has the name`() throws {
        let path = try Workspace.here().file("s")
        try write(listens: ["unix:\(path)"])
        try onLoop {
            let old = try cycle()
            try Files.remove(path)
            let new = try cycle(replacing: old)
            try open(new)
            new.takeOver(from: old)
            #expect((try? Socket.connect(to: .path(path))) != nil)
            #expect(try log().contains(": socket \(path) is gone, making it anew\n"))
            let same = try cycle(replacing: new)
            #expect(same.listeners[0] === new.listeners[0])
            try Files.remove(path)
            let other = try Socket.listen(at: .path(path))
            #expect(try cycle(replacing: new).listeners[0] === new.listeners[0])
            withExtendedLifetime(other) {}
            new.retireListeners()
            #expect(Files.exists(path))
        }
    }

    @Test func `options change when the new generation takes over, and not before`() throws {
        let path = try Workspace.here().file("s")
        try write(listens: ["unix:\(path) backlog=1"])
        try onLoop {
            let old = try cycle()
            try write(listens: ["unix:\(path) backlog=3"])
            let new = try cycle(replacing: old)
            var held: [EventSource] = []
            while let client = try? EventSource.connect(to: .unix(path)) { held.append(client) }
            #expect(held.count == 2)
            new.takeOver(from: old)
            while let client = try? EventSource.connect(to: .unix(path)) { held.append(client) }
            #expect(held.count == 4)
            new.retireListeners()
        }
    }

    @Test func `what the system refuses of an option is told, and ignored`() throws {
        let port = try free(1)[0]
        try write(listens: [port + " so_keepalive=100000"])
        try onLoop {
            let cycle = try cycle()
            #expect(try log().contains("[alert] "))
            #expect(try log().contains(": setsockopt(TCP_KEEPIDLE, 100000) \(port) failed, ignored (22: Invalid argument)\n"))
            cycle.retireListeners()
        }
    }

    @Test func `a socket that a crash has left is replaced, a served one and another file are not`() throws {
        let workspace = try Workspace.here()
        let (left, served) = (workspace.file("left"), workspace.file("served"))
        _ = try Socket.listen(at: .path(left)).port
        let other = try Socket.listen(at: .path(served))
        try workspace.write("precious", to: "file")
        try onLoop {
            try write(listens: ["unix:\(left)"])
            let cycle = try cycle()
            #expect(try log().contains(": deleting abandoned socket \(left)\n"))
            #expect((try? Socket.connect(to: .path(left))) != nil)
            let taken = [served, workspace.file("file")]
            try write(listens: taken.map { "unix:\($0)" })
            #expect(refusal()?.isReported == true)
            let text = try log()
            #expect(taken.allSatisfy { text.contains("bind() to unix:\($0) failed (98: Address already in use)") })
            #expect((try? Socket.connect(to: .path(served))) != nil && workspace.contents("file") == "precious")
            cycle.retireListeners()
        }
        withExtendedLifetime(other) {}
    }

    @Test func `masks for another number of workers are warned of`() throws {
        try write(main: "worker_processes 3; worker_cpu_affinity 01 10;", listens: try free(1))
        try onLoop {
            #expect(refusal() == nil)
            let text = try log()
            #expect(text.contains("[warn] "))
            #expect(text.contains(
                #": the number of "worker_processes" is not equal to the number of "worker_cpu_affinity" masks, "#
                    + "using last mask for remaining worker processes\n"))
        }
    }

    @Test func `where an address cannot be bound, all is as before`() throws {
        let ports = try free(2)
        try write(listens: [ports[0]])
        try onLoop {
            let old = try cycle()
            // An address for documentation, which no machine has (RFC 5737).
            let path = try Workspace.here().file("s")
            try write(listens: [ports[0], ports[1], "unix:\(path)", "192.0.2.1:4711"])
            let error = refusal(replacing: old)
            #expect(error?.isReported == true)
            #expect(try log().contains("[emerg] "))
            #expect(try log().contains("bind() to 192.0.2.1:4711 failed (99: Cannot assign requested address)"))
            try expectAnswers(ports, [true, false])
            #expect(!Files.exists(path))
            old.retireListeners()
        }
    }

    @Test func `a socket in the file system goes with its generation, which the log says`() throws {
        let path = try Workspace.here().file("s")
        let port = try free(1)[0]
        try write(listens: ["unix:\(path)", port])
        try onLoop {
            let old = try cycle()
            #expect(Files.exists(path))
            try write(listens: [port])
            let new = try cycle(replacing: old)
            old.retireListeners(notIn: new)
            #expect(!Files.exists(path))
            #expect(try log().contains("[warn] "))
            #expect(try log().contains(": deleting socket \(path)\n"))
            new.retireListeners()
        }
    }

    @Test func `a test leaves no file behind, and minds no address in use`() throws {
        let workspace = try Workspace.here()
        let taken = try Socket.listen(at: .port(0))
        try write(main: "pid a.pid;", listens: ["127.0.0.1:\(taken.port)", "unix:\(workspace.file("s"))"])
        try onLoop { #expect(refusal(isTest: true) == nil) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: workspace.path) == ["m.conf"])
    }

    @Test(arguments: [
        ("", "192.0.2.1:4711", "bind() to 192.0.2.1:4711 failed (99: Cannot assign requested address)"),
        ("error_log none/a.log;", "127.0.0.1:1", "open() \"FOLDER/none/a.log\" failed (2: No such file or directory)"),
    ])
    func `a test finds out what a start would`(_ main: String, _ listen: String, _ message: String) throws {
        let workspace = try Workspace.here()
        try write(main: main, listens: [listen])
        try onLoop {
            let error = try #require(refusal(isTest: true))
            #expect(error.message == message.replacingOccurrences(of: "FOLDER", with: workspace.path))
            #expect(error.isAfterParsing)
        }
    }

    @Test(arguments: [(2, nil), (1, "1 worker_connections are not enough for 1 listening sockets")] as [(Int, String?)])
    func `there must be room for a client beside the listeners`(_ count: Int, _ message: String?) throws {
        try write(events: "worker_connections \(count);", listens: try free(1))
        try onLoop { #expect(refusal()?.message == message) }
    }

    @Test func `a file that several blocks name is opened once, and anew when told`() throws {
        let workspace = try Workspace.here()
        try write(listens: try free(2), server: Self.server + "error_log server.log notice; error_log stderr emerg;")
        try onLoop {
            let cycle = try cycle()
            let servers = cycle.entrances.flatMap { $0.listens.map(\.server) }
            let files = servers.map { $0.log.destinations[0].file! }
            #expect(files[0] === files[1] && files[0].path == workspace.file("server.log"))
            cycle.log.write(.info, "one")
            servers[0].log.write(.notice, "one")
            for name in ["main.log", "server.log"] { try Files.move(workspace.file(name), to: workspace.file(name + ".1")) }
            cycle.reopenLogs(owner: nil)
            cycle.log.write(.info, "two")
            servers[1].log.write(.notice, "two")
            cycle.retireListeners()
        }
        for name in ["main.log", "server.log"] {
            #expect(try log(name + ".1").hasSuffix(": one\n"))
            #expect(try log(name).hasSuffix(": two\n"))
        }
    }

    @Test func `a server that names no log has the file's or, where there is none, the call's`() throws {
        let workspace = try Workspace.here()
        try workspace.write("events {} mail { server { listen \(try free(1)[0]); \(Self.server) } }", to: "m.conf")
        try onLoop {
            let cycle = try cycle()
            for log in [cycle.log, cycle.entrances[0].listens[0].server.log] {
                #expect(log.destinations.map(\.file?.path) == [workspace.file("start.log")])
                #expect(log.destinations.map(\.level) == [.error])
            }
            #expect(cycle.pidPath == workspace.file("martlet.pid"))
            cycle.retireListeners()
        }
    }

    // MARK: Reload

    @Test func `a file with a fault changes nothing, and the log says which`() throws {
        let ports = try free(1)
        try write(listens: ports)
        try onLoop {
            let old = try cycle()
            try Workspace.here().write("events {}\nfoo bar;\n", to: "m.conf")
            #expect(Cycle.reloaded(from: old, for: try invocation()) === nil)
            #expect(try log().hasSuffix(": unknown directive \"foo\" in \(try Workspace.here().file("m.conf")):2\n"))
            #expect(ports.allSatisfy(answers))
            old.retireListeners()
        }
    }

    @Test(arguments: [
        ("none/a.pid", "open() \"PATH\" failed (2: No such file or directory)"), ("folder", "open() \"PATH\" failed (21: Is a directory)"),
    ])
    func `a reload is refused where its pid file cannot be written, and binds nothing`(_ name: String, _ message: String) throws {
        let workspace = try Workspace.here()
        let ports = try free(2)
        try FileManager.default.createDirectory(atPath: workspace.file("folder"), withIntermediateDirectories: false)
        try write(main: "pid a.pid;", listens: [ports[0]])
        try onLoop {
            let old = try cycle()
            try write(main: "pid \(name);", listens: ports)
            #expect(Cycle.reloaded(from: old, for: try invocation()) === nil)
            #expect(try log().hasSuffix("[emerg] \(getpid())#\(getpid()): \(message.replacing("PATH", with: workspace.file(name)))\n"))
            try expectAnswers(ports, [true, false])
            old.retireListeners()
        }
    }

    @Test func `a pid file of two names is one file`() throws {
        let workspace = try Workspace.here()
        let ports = try free(1)
        try FileManager.default.createSymbolicLink(atPath: workspace.file("link"), withDestinationPath: workspace.path)
        try write(main: "pid a.pid;", listens: ports)
        try onLoop {
            let old = try cycle()
            try PIDFile.draft(workspace.file("a.pid")).publish()
            try write(main: "pid link/a.pid;", listens: ports)
            let new = try #require(Cycle.reloaded(from: old, for: try invocation()))
            new.takeOver(from: old)
            #expect(workspace.contents("a.pid") == "\(OwnProcess.id)\n")
            new.retireListeners()
        }
    }

    @Test(arguments: ["b.pid", "a.pid"])
    func `a reload moves the pid file where it is another`(_ name: String) throws {
        let workspace = try Workspace.here()
        let ports = try free(1)
        try write(main: "pid a.pid;", listens: ports)
        try onLoop {
            let old = try cycle()
            try PIDFile.draft(workspace.file("a.pid")).publish()
            try write(main: "pid \(name);", listens: ports)
            let new = try #require(Cycle.reloaded(from: old, for: try invocation()))
            #expect(new.listeners[0] === old.listeners[0])
            #expect(workspace.contents("a.pid") == "\(OwnProcess.id)\n")
            new.takeOver(from: old)
            #expect(workspace.contents(name) == "\(OwnProcess.id)\n")
            #expect(Files.exists(workspace.file("a.pid")) == (name == "a.pid"))
            #expect(try log().contains("[notice] "))
            #expect(try log().contains(": using the \"epoll\" event method\n"))
            new.retireListeners()
        }
    }
}
