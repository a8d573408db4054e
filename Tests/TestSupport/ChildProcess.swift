import Foundation
import Glibc

/// How a process ended.
public enum ExitStatus: Equatable, Sendable {
    case code(CInt)
    case signal(CInt)

    fileprivate init(_ status: CInt) {
        self = status & 0x7F == 0 ? .code((status >> 8) & 0xFF) : .signal(status & 0x7F)
    }
}

/// A process that a test has started, in a process group of its own so that nothing of it survives
/// the test. Its output goes to files: a pipe that a grandchild keeps open would never end.
public final class ChildProcess: @unchecked Sendable {
    public let pid: pid_t
    public let standardOutput: String
    public let standardError: String
    private let lock = NSLock()
    private var status: ExitStatus?
    private static let counter = Counter()

    /// Starts a program, by path or by name in `PATH`.
    /// - Parameter descriptors: what it finds open as 3 and so on.
    public init(
        _ command: [String], environment: [String: String] = [:], input: String? = nil,
        directory: String? = nil, descriptors: [CInt] = [], in workspace: Workspace
    ) throws {
        let arguments = directory.map { ["env", "--chdir=\($0)"] + command } ?? command
        let number = Self.counter.next()
        standardOutput = workspace.file("stdout.\(number)")
        standardError = workspace.file("stderr.\(number)")
        let source = try input.map { try workspace.write($0, to: "stdin.\(number)") } ?? "/dev/null"
        pid = try Self.spawn(
            arguments, environment: environment, files: [source, standardOutput, standardError], descriptors: descriptors)
        workspace.atEnd { [self] in kill() }
    }

    private static func spawn(
        _ arguments: [String], environment: [String: String], files: [String], descriptors: [CInt]
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for (number, file) in files.enumerated() {
            let flags = number == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND
            posix_spawn_file_actions_addopen(&actions, CInt(number), file, flags, 0o644)
        }
        for (number, descriptor) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, CInt(3 + number))
        }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))

        var variables = ProcessInfo.processInfo.environment
        variables["SWIFT_BACKTRACE"] = "enable=no"
        variables.merge(environment) { $1 }
        let words = arguments.map { strdup($0) } + [nil]
        let settings = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { for pointer in words + settings { free(pointer) } }
        var pid: pid_t = 0
        let result = inheritance.withLock { posix_spawnp(&pid, arguments[0], &actions, &attributes, words, settings) }
        guard result == 0 else { throw TestFailure("cannot start \(arguments[0]): \(String(cString: strerror(result)))") }
        return pid
    }

    /// How it ended; nil while it runs.
    public var exitStatus: ExitStatus? {
        lock.withLock {
            if status == nil {
                var raw: CInt = 0
                if waitpid(pid, &raw, WNOHANG) == pid { status = ExitStatus(raw) }
            }
            return status
        }
    }

    /// Waits for its end.
    @discardableResult
    public func awaitExit(by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line) throws -> ExitStatus {
        try eventually("the end of process \(pid)", by: deadline, file: file, line: line) { exitStatus }
    }

    public func signal(_ number: CInt) { if exitStatus == nil { _ = Glibc.kill(pid, number) } }

    /// Ends it and whatever is left of its process group.
    public func kill() {
        _ = Glibc.kill(-pid, SIGKILL)
        _ = try? awaitExit(by: .after(.seconds(5)))
    }
}

/// What a command printed, and how it ended.
public struct CommandResult: Sendable {
    public let status: ExitStatus
    public let standardOutput: String
    public let standardError: String

    public var succeeded: Bool { status == .code(0) }
}

/// Runs a command to its end.
public func run(
    _ arguments: [String], environment: [String: String] = [:], input: String? = nil, directory: String? = nil,
    in workspace: Workspace? = nil, by deadline: Deadline = .after(.seconds(60)), file: String = #fileID, line: Int = #line
) throws -> CommandResult {
    let workspace = try workspace ?? Workspace.here()
    let child = try ChildProcess(
        arguments, environment: environment, input: input, directory: directory, in: workspace)
    let status = try child.awaitExit(by: deadline, file: file, line: line)
    func read(_ path: String) -> String {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
    return CommandResult(
        status: status, standardOutput: read(child.standardOutput), standardError: read(child.standardError))
}

/// Runs a program that must succeed, and returns what it prints.
@discardableResult
public func succeed(
    _ arguments: [String], input: String? = nil, in workspace: Workspace? = nil, file: String = #fileID, line: Int = #line
) throws -> String {
    let result = try run(arguments, input: input, in: workspace, file: file, line: line)
    guard result.succeeded else {
        throw TestFailure(
            "\(arguments.joined(separator: " ")): \(result.status)\n\(result.standardError)\(result.standardOutput)",
            at: Place(file: file, line: line))
    }
    return result.standardOutput
}

/// Counts from 1 on, for whoever asks.
public final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var value = 0

    public init() {}

    public func next() -> Int {
        lock.withLock {
            value += 1
            return value
        }
    }

    public var count: Int { lock.withLock { value } }
}
