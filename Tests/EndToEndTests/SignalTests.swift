import Foundation
import Glibc
import TestSupport
import Testing

/// What each signal does to each process, in each state (`processes.md`, section 4).
@Suite(.ownWorkspace) struct SignalTests {
    /// Who gets the signal.
    enum Role: String, Sendable, CustomTestStringConvertible {
        case master, worker, single
        /// A master that waits for its last session.
        case quitting
        /// A master whose workers have left on WINCH.
        case resting
        /// A worker that waits for its last session, for whose master it is too late.
        case draining
        /// A process of its own (`master_process off`) that waits for its last session.
        case retiring
        /// A master whose new binary serves beside it.
        case old
        /// A new binary whose old master serves beside it.
        case new
        /// A master none of whose workers accepts yet.
        case starting
        /// Such a worker.
        case beginning
        /// A process of its own that does not accept yet.
        case startingAlone
        /// A master that has been told to reload, and whose new workers do not accept yet.
        case reloading
        /// Such a worker.
        case incoming
        /// A worker of the old generation, beside such.
        case outgoing
        /// A process of its own that reads a new configuration.
        case reloadingAlone

        /// Whether the server has a master at all.
        var hasMaster: Bool { ![.single, .retiring, .startingAlone, .reloadingAlone].contains(self) }

        var testDescription: String { rawValue }
    }

    /// What comes of it.
    indirect enum Effect: Sendable {
        /// Nothing until the start or the reload that is under way has come to its end.
        case later(Effect)
        /// What is under way ends as if there had been no signal.
        case nothing
        /// The whole server ends.
        case stops
        /// It ends, and the other binary goes on.
        case leaves
        /// New workers are in place of the old ones.
        case replacesWorkers
        /// Another worker is in the place of the one that got it, and the others stay.
        case replacesOne
        /// Workers are there again.
        case resumes
        /// Its workers leave, and it stays.
        case rests
        /// A new master runs beside it.
        case upgrades
        /// What the log of the next record goes to is a new file.
        case reopens
    }

    typealias Row = (role: Role, signal: CInt, words: String, effect: Effect)

    private static let table: [Row] = [
        (.master, SIGTERM, "15 (SIGTERM) received from ME, exiting", .stops),
        (.master, SIGINT, "2 (SIGINT) received from ME, exiting", .stops),
        (.master, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .stops),
        (.master, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .replacesWorkers),
        (.master, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .reopens),
        (.master, SIGUSR2, "12 (SIGUSR2) received from ME, changing binary", .upgrades),
        (.master, SIGWINCH, "28 (SIGWINCH) received from ME, stop accepting connections", .rests),
        (.master, SIGCHLD, "17 (SIGCHLD) received from ME", .nothing),
        (.master, SIGALRM, "14 (SIGALRM) received from ME", .nothing),
        (.master, SIGIO, "29 (SIGIO) received from ME", .nothing),
        (.master, SIGPIPE, "", .nothing),

        (.worker, SIGTERM, "15 (SIGTERM) received from ME, exiting", .replacesWorkers),
        (.worker, SIGINT, "2 (SIGINT) received from ME, exiting", .replacesWorkers),
        (.worker, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .replacesWorkers),
        (.worker, SIGWINCH, "28 (SIGWINCH) received from ME, shutting down", .replacesWorkers),
        (.worker, SIGHUP, "1 (SIGHUP) received from ME, ignoring", .nothing),
        (.worker, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .nothing),
        (.worker, SIGUSR2, "12 (SIGUSR2) received from ME, ignoring", .nothing),
        (.worker, SIGCHLD, "17 (SIGCHLD) received from ME", .nothing),
        (.worker, SIGALRM, "14 (SIGALRM) received from ME", .nothing),
        (.worker, SIGIO, "29 (SIGIO) received from ME, ignoring", .nothing),
        (.worker, SIGPIPE, "", .nothing),
        (.worker, SIGKILL, "", .replacesWorkers),

        (.single, SIGTERM, "15 (SIGTERM) received from ME, exiting", .stops),
        (.single, SIGINT, "2 (SIGINT) received from ME, exiting", .stops),
        (.single, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .stops),
        (.single, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .nothing),
        (.single, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .reopens),
        (.single, SIGUSR2, "12 (SIGUSR2) received from ME, ignoring", .nothing),
        (.single, SIGWINCH, "28 (SIGWINCH) received from ME, ignoring", .nothing),

        (.quitting, SIGTERM, "15 (SIGTERM) received from ME, exiting", .stops),
        (.quitting, SIGINT, "2 (SIGINT) received from ME, exiting", .stops),
        (.quitting, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .nothing),
        (.quitting, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .nothing),
        (.quitting, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .nothing),
        (.quitting, SIGUSR2, "12 (SIGUSR2) received from ME, changing binary", .nothing),
        (.quitting, SIGWINCH, "28 (SIGWINCH) received from ME, stop accepting connections", .nothing),

        (.resting, SIGTERM, "15 (SIGTERM) received from ME, exiting", .stops),
        (.resting, SIGINT, "2 (SIGINT) received from ME, exiting", .stops),
        (.resting, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .stops),
        (.resting, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .resumes),
        (.resting, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .reopens),
        (.resting, SIGUSR2, "12 (SIGUSR2) received from ME, changing binary", .upgrades),
        (.resting, SIGWINCH, "28 (SIGWINCH) received from ME, stop accepting connections", .nothing),

        (.draining, SIGTERM, "15 (SIGTERM) received from ME, exiting", .stops),
        (.draining, SIGINT, "2 (SIGINT) received from ME, exiting", .stops),
        (.draining, SIGKILL, "", .stops),
        (.draining, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .nothing),
        (.draining, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .nothing),
        (.draining, SIGHUP, "1 (SIGHUP) received from ME, ignoring", .nothing),
        (.draining, SIGWINCH, "28 (SIGWINCH) received from ME, shutting down", .nothing),

        (.retiring, SIGTERM, "15 (SIGTERM) received from ME, exiting", .stops),
        (.retiring, SIGINT, "2 (SIGINT) received from ME, exiting", .stops),
        (.retiring, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .nothing),
        (.retiring, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .nothing),
        (.retiring, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .reopens),
        (.retiring, SIGUSR2, "12 (SIGUSR2) received from ME, ignoring", .nothing),
        (.retiring, SIGWINCH, "28 (SIGWINCH) received from ME, ignoring", .nothing),

        (.old, SIGTERM, "15 (SIGTERM) received from ME, exiting", .leaves),
        (.old, SIGINT, "2 (SIGINT) received from ME, exiting", .leaves),
        (.old, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .leaves),
        (.old, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .nothing),
        (.old, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .reopens),
        (.old, SIGUSR2, "12 (SIGUSR2) received from ME, ignoring", .nothing),
        (.old, SIGWINCH, "28 (SIGWINCH) received from ME, stop accepting connections", .rests),
        (.old, SIGKILL, "", .leaves),

        (.new, SIGTERM, "15 (SIGTERM) received from ME, exiting", .leaves),
        (.new, SIGINT, "2 (SIGINT) received from ME, exiting", .leaves),
        (.new, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .leaves),
        (.new, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .replacesWorkers),
        (.new, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .reopens),
        (.new, SIGUSR2, "12 (SIGUSR2) received from ME, ignoring", .nothing),
        (.new, SIGWINCH, "28 (SIGWINCH) received from ME, stop accepting connections", .rests),
        (.new, SIGKILL, "", .leaves),

        (.starting, SIGTERM, "15 (SIGTERM) received from ME, exiting", .stops),
        (.starting, SIGINT, "2 (SIGINT) received from ME, exiting", .stops),
        (.starting, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .stops),
        (.starting, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .later(.replacesWorkers)),
        (.starting, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .reopens),
        (.starting, SIGUSR2, "12 (SIGUSR2) received from ME, changing binary", .later(.upgrades)),
        (.starting, SIGWINCH, "28 (SIGWINCH) received from ME, stop accepting connections", .later(.rests)),
        (.starting, SIGCHLD, "17 (SIGCHLD) received from ME", .nothing),

        (.beginning, SIGTERM, "15 (SIGTERM) received from ME, exiting", .replacesWorkers),
        (.beginning, SIGINT, "2 (SIGINT) received from ME, exiting", .replacesWorkers),
        (.beginning, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .replacesWorkers),
        (.beginning, SIGWINCH, "28 (SIGWINCH) received from ME, shutting down", .replacesWorkers),
        (.beginning, SIGHUP, "1 (SIGHUP) received from ME, ignoring", .nothing),
        (.beginning, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .nothing),
        (.beginning, SIGUSR2, "12 (SIGUSR2) received from ME, ignoring", .nothing),
        (.beginning, SIGCHLD, "17 (SIGCHLD) received from ME", .nothing),
        (.beginning, SIGKILL, "", .replacesWorkers),

        (.startingAlone, SIGTERM, "15 (SIGTERM) received from ME, exiting", .stops),
        (.startingAlone, SIGINT, "2 (SIGINT) received from ME, exiting", .stops),
        (.startingAlone, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .stops),
        (.startingAlone, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .nothing),
        (.startingAlone, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .reopens),
        (.startingAlone, SIGUSR2, "12 (SIGUSR2) received from ME, ignoring", .nothing),
        (.startingAlone, SIGWINCH, "28 (SIGWINCH) received from ME, ignoring", .nothing),

        (.reloading, SIGTERM, "15 (SIGTERM) received from ME, exiting", .stops),
        (.reloading, SIGINT, "2 (SIGINT) received from ME, exiting", .stops),
        (.reloading, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .stops),
        (.reloading, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .later(.replacesWorkers)),
        (.reloading, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .reopens),
        (.reloading, SIGUSR2, "12 (SIGUSR2) received from ME, changing binary", .later(.upgrades)),
        (.reloading, SIGWINCH, "28 (SIGWINCH) received from ME, stop accepting connections", .later(.rests)),
        (.reloading, SIGCHLD, "17 (SIGCHLD) received from ME", .nothing),

        (.incoming, SIGTERM, "15 (SIGTERM) received from ME, exiting", .replacesWorkers),
        (.incoming, SIGINT, "2 (SIGINT) received from ME, exiting", .replacesWorkers),
        (.incoming, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .replacesWorkers),
        (.incoming, SIGWINCH, "28 (SIGWINCH) received from ME, shutting down", .replacesWorkers),
        (.incoming, SIGHUP, "1 (SIGHUP) received from ME, ignoring", .nothing),
        (.incoming, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .nothing),
        (.incoming, SIGUSR2, "12 (SIGUSR2) received from ME, ignoring", .nothing),
        (.incoming, SIGCHLD, "17 (SIGCHLD) received from ME", .nothing),
        (.incoming, SIGKILL, "", .replacesWorkers),

        (.outgoing, SIGTERM, "15 (SIGTERM) received from ME, exiting", .replacesOne),
        (.outgoing, SIGINT, "2 (SIGINT) received from ME, exiting", .replacesOne),
        (.outgoing, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .replacesOne),
        (.outgoing, SIGWINCH, "28 (SIGWINCH) received from ME, shutting down", .replacesOne),
        (.outgoing, SIGHUP, "1 (SIGHUP) received from ME, ignoring", .nothing),
        (.outgoing, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .nothing),
        (.outgoing, SIGUSR2, "12 (SIGUSR2) received from ME, ignoring", .nothing),
        (.outgoing, SIGCHLD, "17 (SIGCHLD) received from ME", .nothing),
        (.outgoing, SIGKILL, "", .replacesOne),

        (.reloadingAlone, SIGTERM, "15 (SIGTERM) received from ME, exiting", .stops),
        (.reloadingAlone, SIGINT, "2 (SIGINT) received from ME, exiting", .stops),
        (.reloadingAlone, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .stops),
        (.reloadingAlone, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .nothing),
        (.reloadingAlone, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .reopens),
        (.reloadingAlone, SIGUSR2, "12 (SIGUSR2) received from ME, ignoring", .nothing),
        (.reloadingAlone, SIGWINCH, "28 (SIGWINCH) received from ME, ignoring", .nothing),
    ]

    /// What keeps a start or a reload from its end.
    private struct Hold {
        /// The process that cannot go on.
        let process: ProcessView
        /// Lets it go on, and may be called again.
        let release: () -> Void
    }

    /// A server, and which of its processes the signal and its effect concern.
    private struct Stage {
        let proxy: MailServer
        /// The master that the signal goes to, or whose worker gets it.
        let master: ProcessView
        let receiver: ProcessView
        /// The master of the other binary, where there is one.
        let other: ProcessView?
        let workers: [ProcessView]
        let children: [ProcessView]
        /// What is being waited for, if anything.
        let session: LineClient?
        let hold: Hold?

        var server: ServerUnderTest { proxy.server }
        /// Whether the receiver can obey only when it may go on.
        var isReceiverHeld: Bool { hold?.process == receiver }
    }

    @Test(arguments: table.indices)
    func `each signal does to each process what the table says`(_ index: Int) throws {
        let row = Self.table[index]
        let stage = try bring(into: row.role)
        let (server, receiver) = (stage.server, stage.receiver)
        if row.effect.isReopening { try FileManager.default.moveItem(atPath: server.folder + "/error.log", toPath: server.folder + "/1.log") }
        receiver.signal(row.signal)
        if stage.isReceiverHeld { stage.hold?.release() }
        if !row.words.isEmpty {
            try server.awaitLog(
                "[notice] \(receiver.pid)#\(receiver.pid): signal " + row.words.replacingOccurrences(of: "ME", with: "\(getpid())"),
                in: row.effect.isReopening ? "1.log" : "error.log")
        }
        try expect(row.effect, stage)
        withExtendedLifetime(stage.session) {}
    }

    @Test func `a terminal that changes its size sends nobody away`() throws {
        let (port, tty) = (try Ports.free(), try Workspace.here().file("tty"))
        let server = try ServerUnderTest(
            configuration: ServerUnderTest.configuration(
                mail: "auth_http 127.0.0.1:1; server { listen 127.0.0.1:\(port); protocol imap; }"),
            program: ["sh", "-c", "exec script -qec \"tty >\(tty); exec $0 $*\" /dev/null", ProgramUnderTest.path])
        let master = ProcessView(try #require(pid_t(server.contents("server.pid").dropLast())))
        defer { master.signal(SIGTERM) }
        let terminal = try #require(try Workspace.here().contents("tty")).dropLast()
        #expect(try run(["stty", "-F", String(terminal), "rows", "77"]).succeeded)
        let line = try server.awaitLog("\(master.pid)#\(master.pid): signal 28 (SIGWINCH) received")
        #expect(line.hasSuffix(" received"))
        let worker = try eventually("a worker") { master.workers.first }
        try server.awaitLog("\(worker.pid)#\(worker.pid): signal 28 (SIGWINCH) received, ignoring")
        master.signal(SIGALRM)
        try server.awaitLog("signal 14 (SIGALRM) received")
        #expect(master.workers == [worker])
    }

    // MARK: States

    private func bring(into role: Role) throws -> Stage {
        switch role {
        case .starting, .beginning, .reloading, .incoming, .outgoing: try hold(role)
        case .startingAlone, .reloadingAlone: try holdAlone(role)
        default: try bring(try MailServer(.imap, accepting: try StubServer.imap(), main: role.hasMaster ? "" : "master_process off;"), into: role)
        }
    }

    private func bring(_ proxy: MailServer, into role: Role) throws -> Stage {
        let (server, first) = (proxy.server, proxy.server.master)
        let workers = role.hasMaster ? try server.awaitWorkers(1) : []
        var (master, other, session): (ProcessView, ProcessView?, LineClient?) = (first, nil, nil)
        switch role {
        case .quitting, .draining, .retiring:
            session = try proxy.loggedInClient(.imap)
            first.signal(SIGQUIT)
            try server.awaitLog("gracefully shutting down")
        case .resting:
            first.signal(SIGWINCH)
            try eventually("no worker") { first.workers.isEmpty }
        case .old, .new:
            first.signal(SIGUSR2)
            let second = try server.awaitMaster(otherThan: first, workers: 1)
            (master, other) = role == .old ? (first, second) : (second, first)
        default: break
        }
        return Stage(
            proxy: proxy, master: master, receiver: [.worker, .draining].contains(role) ? workers[0] : master, other: other,
            workers: master.workers, children: master.children, session: session, hold: nil)
    }

    /// A master whose worker is kept from accepting, at the start or after HUP.
    private func hold(_ role: Role) throws -> Stage {
        let brake = try Brake()
        let isStart = role == .starting || role == .beginning
        if isStart { brake.pull() }
        let proxy = try proxy(main: brake.settings, program: brake.program, until: isStart ? .nothing : .greeting)
        let (server, master) = (proxy.server, proxy.server.master)
        let before = isStart ? [] : try server.awaitWorkers(1)
        if !isStart {
            brake.pull()
            master.signal(SIGHUP)
        }
        let held = try brake.hold(of: server, after: before.count)
        // The system says so, and more of the same would be lost while nobody has heard it.
        try server.awaitLog("signal 17 (SIGCHLD) received from \(held.pid)")
        return Stage(
            proxy: proxy, master: master, receiver: role == .outgoing ? before[0] : [.beginning, .incoming].contains(role) ? held : master,
            other: nil, workers: before + [held], children: master.children, session: nil,
            // The brake's end of the pipe is there as long as anybody may write to it.
            hold: Hold(process: held) { withExtendedLifetime(brake) { held.signal(SIGCONT) } })
    }

    /// A process of its own that waits for somebody to read its pid file, at the start or after HUP.
    private func holdAlone(_ role: Role) throws -> Stage {
        let pipe = try PIDPipe()
        let isStart = role == .startingAlone
        let proxy = try proxy(main: "master_process off;", pid: isStart ? pipe.path : nil, until: isStart ? .nothing : .greeting)
        let server = proxy.server
        if isStart {
            try server.awaitLog("getrlimit(RLIMIT_NOFILE)")
        } else {
            try server.rewrite(Self.withPID(pipe.path, server.contents("server.conf")))
            let logs = { server.master.openFiles.count { $0.hasSuffix("/error.log") } }
            let before = logs()
            server.signal(SIGHUP)
            // The pid file comes next.
            try eventually("a log of the new configuration") { logs() > before }
        }
        return Stage(
            proxy: proxy, master: server.master, receiver: server.master, other: nil, workers: [], children: [], session: nil,
            hold: Hold(process: server.master, release: pipe.openReader))
    }

    /// A pid file that can be written when somebody is there to read it.
    private final class PIDPipe {
        let path: String
        private var reader: CInt = -1

        init() throws {
            path = try Workspace.here().file("pid")
            try #require(mkfifo(path, 0o600) == 0)
        }

        deinit { _ = close(reader) }

        func openReader() {
            // For both ways, so that it need not wait for the writer either.
            if reader < 0 { reader = open(path, O_RDWR | O_CLOEXEC) }
        }
    }

    private func proxy(
        main: String, pid: String? = nil, program: [String] = [ProgramUnderTest.path], until readiness: ServerUnderTest.Readiness
    ) throws -> MailServer {
        let port = try Ports.free()
        let auth = try StubAuthServer(accepting: try StubServer.imap())
        let text = ServerUnderTest.configuration(
            main: main, mail: "auth_http \(auth.url); server { listen 127.0.0.1:\(port); protocol imap; }")
        return MailServer(
            at: port,
            try ServerUnderTest(configuration: pid.map { Self.withPID($0, text) } ?? text, program: program, until: readiness))
    }

    private static func withPID(_ path: String, _ text: String) -> String {
        text.replacingOccurrences(of: "pid server.pid;", with: "pid \(path);")
    }

    // MARK: Effects

    private func expect(_ effect: Effect, _ stage: Stage) throws {
        let (proxy, server, master, receiver) = (stage.proxy, stage.server, stage.master, stage.receiver)
        switch effect {
        case .later(let effect):
            try expectUndisturbed(stage)
            stage.hold?.release()
            return try expect(effect, stage)
        case .nothing:
            if !stage.isReceiverHeld { try expectUndisturbed(stage) }
            try expectEndOfHold(stage)
            if stage.isReceiverHeld { try awaitTurn(of: stage) }
        case .stops:
            // A master does not wait for those who do not accept yet.
            if stage.hold != nil && !stage.isReceiverHeld {
                try awaitTurn(of: stage)
                #expect(master.title.hasSuffix(": master process is shutting down"))
            }
            stage.hold?.release()
            #expect(try server.awaitExit() == .code(0))
            #expect(!server.exists("server.pid"))
        case .leaves:
            let other = try #require(stage.other)
            try eventually("the end of the one") { !master.isAlive && stage.workers.allSatisfy { !$0.isAlive } }
            try eventually("the pid file of the other") { server.contents("server.pid") == "\(other.pid)\n" }
            #expect(other.workers.count == 1)
            _ = try proxy.loggedInClient(.imap)
            other.signal(SIGTERM)
            try eventually("the end of the other") { !other.isAlive }
        case .replacesWorkers, .resumes:
            try eventually("another worker") {
                let now = master.workers
                return now.count == 1 && !stage.workers.contains(now[0]) && now[0].title.hasSuffix(": worker process")
            }
            _ = try proxy.loggedInClient(.imap)
        case .replacesOne:
            let others = stage.workers.filter { $0 != receiver }
            try eventually("another in its place") {
                let now = master.children
                return now.count == stage.workers.count && !now.contains(receiver) && others.allSatisfy(now.contains)
            }
            _ = try proxy.loggedInClient(.imap)
            try expectEndOfHold(stage)
        case .rests:
            try eventually("no worker") { master.workers.isEmpty && stage.workers.allSatisfy { !$0.isAlive } }
            _ = try proxy.client()
            #expect(master.isAlive)
        case .upgrades:
            _ = try server.awaitMaster(otherThan: master, workers: 1)
            _ = try proxy.loggedInClient(.imap)
        case .reopens:
            if !stage.isReceiverHeld { try awaitTurn(of: stage) }
            try eventually("a new log") { server.exists("error.log") }
            try expectEndOfHold(stage)
            if let held = stage.hold?.process {
                try server.awaitLog("\(held.pid)#\(held.pid): reopening logs", in: "1.log")
                held.signal(SIGALRM)
                try server.awaitLog("\(held.pid)#\(held.pid): signal 14 (SIGALRM) received")
            }
        }
        // The server ends what was started first, and knows of no other.
        stage.other?.signal(SIGTERM)
        if master != server.master { master.signal(SIGTERM) }
    }

    private func expectUndisturbed(_ stage: Stage) throws {
        try awaitTurn(of: stage)
        #expect(stage.server.exitStatus == nil)
        #expect(stage.master.children == stage.children)
    }

    /// Signals are obeyed in turn: once another one is, the one before has had its effect.
    private func awaitTurn(of stage: Stage) throws {
        let (server, receiver) = (stage.server, stage.receiver)
        let alarms = server.occurrences(of: "\(receiver.pid)#\(receiver.pid): signal 14 (SIGALRM) received")
        receiver.signal(SIGALRM)
        try server.awaitLog("\(receiver.pid)#\(receiver.pid): signal 14 (SIGALRM) received", count: alarms + 1)
    }

    /// Who could not go on serves from now on, alone.
    private func expectEndOfHold(_ stage: Stage) throws {
        guard let hold = stage.hold else { return }
        hold.release()
        let workers = hold.process == stage.master ? [] : [hold.process]
        try eventually("the end of what is under way") {
            stage.master.children == workers && workers.allSatisfy { $0.title.hasSuffix(": worker process") }
        }
        _ = try stage.proxy.loggedInClient(.imap)
    }
}

extension SignalTests.Effect {
    fileprivate var isReopening: Bool { if case .reopens = self { true } else { false } }
}
