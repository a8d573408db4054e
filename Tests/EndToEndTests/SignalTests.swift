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

        /// Whether the server has a master at all.
        var hasMaster: Bool { self != .single && self != .retiring }

        var testDescription: String { rawValue }
    }

    /// What comes of it.
    enum Effect: Sendable {
        case nothing
        /// The whole server ends.
        case stops
        /// It ends, and the other binary goes on.
        case leaves
        /// New workers are in place of the old ones.
        case replacesWorkers
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
    ]

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

        var server: ServerUnderTest { proxy.server }
    }

    @Test(arguments: table.indices)
    func `each signal does to each process what the table says`(_ index: Int) throws {
        let row = Self.table[index]
        let proxy = try MailServer(.imap, accepting: try StubServer.imap(), main: row.role.hasMaster ? "" : "master_process off;")
        let stage = try bring(proxy, into: row.role)
        let (server, receiver) = (stage.server, stage.receiver)
        if row.effect == .reopens { try FileManager.default.moveItem(atPath: server.folder + "/error.log", toPath: server.folder + "/1.log") }
        receiver.signal(row.signal)
        if !row.words.isEmpty {
            try server.awaitLog(
                "[notice] \(receiver.pid)#\(receiver.pid): signal " + row.words.replacingOccurrences(of: "ME", with: "\(getpid())"),
                in: row.effect == .reopens ? "1.log" : "error.log")
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

    private func bring(_ proxy: MailServer, into role: Role) throws -> Stage {
        let (server, first) = (proxy.server, proxy.server.master)
        let workers = role.hasMaster ? try server.awaitWorkers(1) : []
        var (master, other, session): (ProcessView, ProcessView?, LineClient?) = (first, nil, nil)
        switch role {
        case .master, .worker, .single: break
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
        }
        return Stage(
            proxy: proxy, master: master, receiver: [.worker, .draining].contains(role) ? workers[0] : master, other: other,
            workers: master.workers, children: master.children, session: session)
    }

    private func expect(_ effect: Effect, _ stage: Stage) throws {
        let (proxy, server, master, receiver) = (stage.proxy, stage.server, stage.master, stage.receiver)
        switch effect {
        case .nothing:
            // Signals are obeyed in turn: once this one is, the one before has had its effect.
            let alarms = server.occurrences(of: "\(receiver.pid)#\(receiver.pid): signal 14 (SIGALRM) received")
            receiver.signal(SIGALRM)
            try server.awaitLog("\(receiver.pid)#\(receiver.pid): signal 14 (SIGALRM) received", count: alarms + 1)
            #expect(server.exitStatus == nil)
            #expect(master.children == stage.children)
        case .stops:
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
                return now.count == 1 && now != stage.workers && now[0].title.hasSuffix(": worker process")
            }
            _ = try proxy.loggedInClient(.imap)
        case .rests:
            try eventually("no worker") { master.workers.isEmpty }
            _ = try proxy.client()
            #expect(master.isAlive)
        case .upgrades:
            _ = try server.awaitMaster(otherThan: master, workers: 1)
            _ = try proxy.loggedInClient(.imap)
        case .reopens:
            try eventually("a new log") { server.exists("error.log") }
        }
        // The server ends what was started first, and knows of no other.
        stage.other?.signal(SIGTERM)
        if master != server.master { master.signal(SIGTERM) }
    }
}
