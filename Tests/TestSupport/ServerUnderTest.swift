import Foundation
import Glibc

/// The program that end-to-end tests run: the `martlet` built beside the test bundle, or what
/// `MARTLET_UNDER_TEST` names.
public enum ProgramUnderTest {
    private static let environment = ProcessInfo.processInfo.environment

    public static let path = environment["MARTLET_UNDER_TEST"] ?? sibling("martlet")

    /// A program built beside the test bundle.
    public static func sibling(_ name: String) -> String {
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        var folder = URL(fileURLWithPath: bundle).deletingLastPathComponent()
        while folder.path != "/" {
            let candidate = folder.appendingPathComponent(name).path
            var isFolder: ObjCBool = false
            if FileManager.default.fileExists(atPath: candidate, isDirectory: &isFolder), !isFolder.boolValue {
                return candidate
            }
            folder.deleteLastPathComponent()
        }
        return name
    }

    /// How it calls itself in messages and process titles.
    public static let name = URL(fileURLWithPath: path).lastPathComponent

    /// Directives that it needs ahead of every file (`load_module`, for a reference to compare with).
    public static let preamble = environment["MARTLET_PREAMBLE"] ?? ""

    /// Directives that it needs at the start of its `mail` block (defaults that the reference had not yet).
    public static let mailPreamble = environment["MARTLET_MAIL_PREAMBLE"] ?? ""
}

/// A server with its configuration, in a folder of the test's workspace that is its prefix.
public final class ServerUnderTest: @unchecked Sendable {
    private let workspace: Workspace
    /// The prefix, without a final slash.
    public let folder: String
    private let child: ChildProcess
    private let daemonPID: pid_t?

    /// What a test waits for before it goes on.
    public enum Readiness: Sendable {
        /// The first `listen` of the file greets.
        case greeting
        /// The first `listen` of the file takes a connection.
        case connects
        case nothing
    }

    /// Starts a server of the usual frame around the contents of `mail`.
    public convenience init(
        workers: Int = 1, main: String = "", events: String = "", mail: String, until readiness: Readiness = .greeting
    ) throws {
        try self.init(
            configuration: Self.configuration(workers: workers, main: main, events: events, mail: mail),
            until: readiness)
    }

    /// The usual frame: in the foreground, log at the finest level, everything in the prefix.
    public static func configuration(
        workers: Int = 1, main: String = "", events: String = "", mail: String
    ) -> String {
        """
        \(ProgramUnderTest.preamble)
        daemon off;
        worker_processes \(workers);
        pid server.pid;
        error_log error.log debug;
        \(main)
        events { \(events.contains("worker_connections") ? "" : "worker_connections 512;") \(events) }
        mail {
        server_name mx.test;
        \(ProgramUnderTest.mailPreamble)
        \(mail)
        }

        """
    }

    /// Starts a server with a whole file.
    /// - Parameters:
    ///   - program: what is started, where it is not the usual path; the words before the options.
    ///   - daemonizes: whether the process started returns at once and leaves a daemon.
    ///   - descriptors: what it finds open as 3 and so on.
    public init(
        configuration: String, program: [String] = [ProgramUnderTest.path], arguments: [String] = [],
        environment: [String: String] = [:], descriptors: [CInt] = [], daemonizes: Bool = false,
        until readiness: Readiness = .greeting
    ) throws {
        workspace = try Workspace.here()
        folder = workspace.file("server.\(Self.counter.next())")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try configuration.write(toFile: folder + "/server.conf", atomically: true, encoding: .utf8)
        child = try ChildProcess(
            program + ["-p", folder, "-c", "server.conf", "-e", "error.log"] + arguments, environment: environment,
            descriptors: descriptors, in: workspace)
        if daemonizes {
            guard try child.awaitExit() == .code(0) else { throw TestFailure("the server did not become a daemon") }
            let pidFile = folder + "/server.pid"
            daemonPID = try eventually("a pid file") {
                (try? String(contentsOfFile: pidFile, encoding: .utf8)).flatMap {
                    pid_t($0.trimmingCharacters(in: .whitespacesAndNewlines))
                }
            }
        } else {
            daemonPID = nil
        }
        workspace.onFailure { [self] in report }
        workspace.atEnd { [self] in stop() }
        try awaitReadiness(readiness, of: configuration)
    }

    private static let counter = Counter()

    // MARK: Its processes

    public var pid: pid_t { daemonPID ?? child.pid }
    public var master: ProcessView { ProcessView(pid) }
    public var workers: [ProcessView] { master.workers }
    public var exitStatus: ExitStatus? { child.exitStatus }

    public func signal(_ number: CInt) { _ = Glibc.kill(pid, number) }

    /// Waits until exactly this many workers run, none of them of `earlier`.
    @discardableResult
    public func awaitWorkers(
        _ count: Int, otherThan earlier: [ProcessView] = [], by deadline: Deadline = .usual,
        file: String = #fileID, line: Int = #line
    ) throws -> [ProcessView] {
        try eventually("\(count) workers, has \(workers.map(\.title))", by: deadline, file: file, line: line) {
            let workers = self.workers
            return workers.count == count && Set(workers).isDisjoint(with: earlier)
                && workers.allSatisfy { $0.title.hasPrefix("\(ProgramUnderTest.name): worker process") } ? workers : nil
        }
    }

    /// Waits for the end of the process that was started in the foreground.
    @discardableResult
    public func awaitExit(by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line) throws -> ExitStatus {
        try child.awaitExit(by: deadline, file: file, line: line)
    }

    /// The master that the pid file names now, when it is another than these and has as many workers.
    public func awaitMaster(
        otherThan earlier: ProcessView..., workers count: Int, file: String = #fileID, line: Int = #line
    ) throws -> ProcessView {
        try eventually("another master than \(earlier.map(\.pid))", file: file, line: line) {
            guard let pid = pid_t(contents("server.pid").trimmingCharacters(in: .whitespacesAndNewlines)) else { return nil }
            let master = ProcessView(pid)
            return !earlier.contains(master) && master.workers.count == count ? master : nil
        }
    }

    /// Ends all its processes, politely first so that nothing of the log is lost.
    public func stop() {
        if master.isAlive {
            signal(SIGTERM)
            try? eventually("the server's end", by: .after(.seconds(5))) { !isRunning }
        }
        _ = Glibc.kill(-pid, SIGKILL)
        child.kill()
    }

    private var isRunning: Bool { daemonPID == nil ? child.exitStatus == nil : master.isAlive }

    // MARK: Its files

    public func contents(_ name: String) -> String {
        FileManager.default.contents(atPath: folder + "/" + name).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    public func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder + "/" + name) }

    public var log: String { contents("error.log") }
    public var standardError: String {
        FileManager.default.contents(atPath: child.standardError).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// How often `text` is in the log.
    public func occurrences(of text: String, in name: String = "error.log") -> Int {
        ranges(of: Data(text.utf8), in: data(name)).count
    }

    /// Waits for the line of the log that holds `text`, the `count`th of them.
    @discardableResult
    public func awaitLog(
        _ text: String, count: Int = 1, in name: String = "error.log", by deadline: Deadline = .usual,
        file: String = #fileID, line: Int = #line
    ) throws -> String {
        var size = -1
        return try eventually("a log line with \"\(text)\"", by: deadline, file: file, line: line) {
            let now = Self.size(of: folder + "/" + name)
            guard now != size else { return nil }
            size = now
            let log = data(name)
            let found = ranges(of: Data(text.utf8), in: log)
            guard found.count >= count else { return nil }
            let start = log[..<found[count - 1].lowerBound].lastIndex(of: 10).map { $0 + 1 } ?? 0
            // A line that is still being written comes whole with the next look.
            guard let end = log[found[count - 1].upperBound...].firstIndex(of: 10) else { return nil }
            return String(decoding: log[start..<end], as: UTF8.self)
        }
    }

    private func data(_ name: String) -> Data { FileManager.default.contents(atPath: folder + "/" + name) ?? Data() }

    private func ranges(of text: Data, in log: Data) -> [Range<Data.Index>] {
        var found: [Range<Data.Index>] = []
        while let range = log.range(of: text, in: (found.last?.upperBound ?? 0)..<log.count) { found.append(range) }
        return found
    }

    private static func size(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : -2
    }

    /// Replaces the configuration file.
    public func rewrite(_ configuration: String) throws {
        try configuration.write(toFile: folder + "/server.conf", atomically: true, encoding: .utf8)
    }

    private var report: String {
        let last = log.split(separator: "\n", omittingEmptySubsequences: false).suffix(60).joined(separator: "\n")
        return "end of \(folder)/error.log:\n\(last)\nstandard error:\n\(standardError)"
    }

    // MARK: Readiness

    private func awaitReadiness(_ readiness: Readiness, of configuration: String) throws {
        if case .nothing = readiness { return }
        guard let address = Self.firstListener(of: configuration) else { throw TestFailure("no listen in the file") }
        let _: Bool = try eventually("the server at \(address)\n\(report)") {
            guard isRunning else { throw TestFailure("the server ended at once\n\(report)") }
            guard let socket = try? Socket.connect(to: address) else { return nil }
            if case .connects = readiness { return true }
            // A server that gives up resets what its listener has queued.
            return (try? socket.receive())?.isEmpty == false ? true : nil
        }
    }

    private static func firstListener(of configuration: String) -> Address? {
        let words = configuration.split { " \n;".contains($0) }
        guard let index = words.firstIndex(of: "listen"), index + 1 < words.count else { return nil }
        let value = words[index + 1]
        if value.hasPrefix("unix:") { return .path(String(value.dropFirst(5))) }
        return value.split(separator: ":").last.flatMap { UInt16($0) }.map { .port($0) }
    }
}
