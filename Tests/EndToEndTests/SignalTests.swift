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

        var testDescription: String { rawValue }
    }

    /// What comes of it.
    enum Effect: Sendable {
        case nothing
        /// The whole server ends.
        case stops
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
        (.resting, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .stops),
        (.resting, SIGHUP, "1 (SIGHUP) received from ME, reconfiguring", .resumes),
        (.resting, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .reopens),
        (.resting, SIGUSR2, "12 (SIGUSR2) received from ME, changing binary", .upgrades),
        (.resting, SIGWINCH, "28 (SIGWINCH) received from ME, stop accepting connections", .nothing),

        (.draining, SIGTERM, "15 (SIGTERM) received from ME, exiting", .stops),
        (.draining, SIGQUIT, "3 (SIGQUIT) received from ME, shutting down", .nothing),
        (.draining, SIGUSR1, "10 (SIGUSR1) received from ME, reopening logs", .nothing),
        (.draining, SIGHUP, "1 (SIGHUP) received from ME, ignoring", .nothing),
        (.draining, SIGWINCH, "28 (SIGWINCH) received from ME, shutting down", .nothing),
    ]

    @Test(arguments: table.indices)
    func `each signal does to each process what the table says`(_ index: Int) throws {
        let row = Self.table[index]
        let proxy = try MailServer(.imap, accepting: try StubServer.imap(), main: row.role == .single ? "master_process off;" : "")
        let server = proxy.server
        let before = row.role == .single ? [] : try server.awaitWorkers(1)
        let session = try bring(proxy, into: row.role)
        let receiver = [.worker, .draining].contains(row.role) ? before[0] : server.master
        if row.effect == .reopens { try FileManager.default.moveItem(atPath: server.folder + "/error.log", toPath: server.folder + "/1.log") }
        receiver.signal(row.signal)
        if !row.words.isEmpty {
            try server.awaitLog(
                "[notice] \(receiver.pid)#\(receiver.pid): signal " + row.words.replacingOccurrences(of: "ME", with: "\(getpid())"),
                in: row.effect == .reopens ? "1.log" : "error.log")
        }
        try expect(row.effect, of: receiver, proxy, before)
        withExtendedLifetime(session) {}
    }

    /// - Returns: the session that is being waited for, if any.
    private func bring(_ proxy: MailServer, into role: Role) throws -> LineClient? {
        let (server, master) = (proxy.server, proxy.server.master)
        switch role {
        case .master, .worker, .single: return nil
        case .quitting, .draining:
            let session = try proxy.loggedInClient(.imap)
            master.signal(SIGQUIT)
            try server.awaitLog("gracefully shutting down")
            return session
        case .resting:
            master.signal(SIGWINCH)
            try eventually("no worker") { master.workers.isEmpty }
            return nil
        }
    }

    private func expect(_ effect: Effect, of receiver: ProcessView, _ proxy: MailServer, _ before: [ProcessView]) throws {
        let (server, master) = (proxy.server, proxy.server.master)
        switch effect {
        case .nothing:
            // Signals are obeyed in turn: once this one is, the one before has had its effect.
            let alarms = server.occurrences(of: "\(receiver.pid)#\(receiver.pid): signal 14 (SIGALRM) received")
            receiver.signal(SIGALRM)
            try server.awaitLog("\(receiver.pid)#\(receiver.pid): signal 14 (SIGALRM) received", count: alarms + 1)
            #expect(server.exitStatus == nil)
            #expect(master.children == before.filter(\.isAlive))
        case .stops:
            #expect(try server.awaitExit() == .code(0))
            #expect(!server.exists("server.pid"))
        case .replacesWorkers, .resumes:
            try server.awaitWorkers(1, otherThan: before)
            _ = try proxy.loggedInClient(.imap)
        case .rests:
            try eventually("no worker") { master.workers.isEmpty }
            _ = try proxy.client()
            #expect(server.exitStatus == nil)
        case .upgrades:
            _ = try server.awaitMaster(otherThan: master, workers: 1)
            _ = try proxy.loggedInClient(.imap)
        case .reopens:
            try eventually("a new log") { server.exists("error.log") }
        }
    }
}
