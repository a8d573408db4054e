public import Kernel

/// Where a block's records go: each to every destination whose level admits it.
@LoopActor public final class ErrorLog {
    public typealias Destination = LogDestination

    public let destinations: [LogDestination]
    /// What `error_log_user_tag` attaches to each record.
    private let tags: [String]
    /// Whether all destinations take everything: the log of a client that `debug_connection` names.
    private let isDebugging: Bool
    /// The number of the least severe level that anybody takes: what others cost is one comparison.
    private var finestLevel = 0
    private let debugClasses: DebugClasses
    /// Whether records of `warn` and worse also go to the terminal: until the server runs.
    public var copiesToTerminal = false {
        didSet { finestLevel = finest }
    }

    public init(_ destinations: [LogDestination], tags: [String] = [], isDebugging: Bool = false) {
        self.destinations = destinations
        self.tags = tags
        self.isDebugging = isDebugging && !destinations.isEmpty
        debugClasses =
            self.isDebugging
            ? .all : destinations.reduce([]) { $1.level == .debug ? $0.union($1.debugClasses) : $0 }
        finestLevel = finest
    }

    private var finest: Int {
        max(
            isDebugging ? LogLevel.debug.rawValue : destinations.map(\.level.rawValue).max() ?? 0,
            copiesToTerminal ? LogLevel.warn.rawValue : 0)
    }

    /// A log of no destination: what matters reaches the terminal.
    public static func forTerminalOnly() -> ErrorLog {
        let log = ErrorLog([])
        log.copiesToTerminal = true
        return log
    }

    /// The same destinations, each of which takes everything.
    public var ofDebuggedConnection: ErrorLog { ErrorLog(destinations, tags: tags, isDebugging: true) }

    /// Those destinations that can always be written to: where it is told that others could not.
    public var filesOnly: ErrorLog { ErrorLog(destinations.filter { $0.file != nil }) }

    func reachesTerminal(_ level: LogLevel) -> Bool { copiesToTerminal && level <= .warn }

    /// Writes a record. Neither message nor context is even made where no destination takes it.
    public func write(
        _ level: LogLevel, _ message: @autoclosure () -> String, reason: String? = nil,
        context: @autoclosure () -> LogContext? = nil
    ) {
        guard level.rawValue <= finestLevel else { return }
        write(LogLine(level, message(), reason: reason, context: context(), tags: tags), .all)
    }

    /// Writes a record about a system call that failed.
    public func write(_ level: LogLevel, _ error: KernelError, context: @autoclosure () -> LogContext? = nil) {
        guard level.rawValue <= finestLevel else { return }
        write(level, "\(error.call) failed", reason: error.reason, context: context())
    }

    /// Writes a record of level `debug`, for destinations that want to know of such things.
    public func debug(
        _ kind: DebugClasses, _ message: @autoclosure () -> String, context: @autoclosure () -> LogContext? = nil
    ) {
        guard debugClasses.contains(kind) else { return }
        write(LogLine(.debug, message(), context: context(), tags: tags), kind)
    }

    private func write(_ line: LogLine, _ kind: DebugClasses) {
        var rendering = LogRendering(line, at: WallClock.millisecondsSinceEpoch)
        var hasReachedTerminal = false
        for destination in destinations where isDebugging || destination.admits(line.level, kind) {
            destination.write(&rendering)
            if destination.isStandardError { hasReachedTerminal = true }
        }
        if reachesTerminal(line.level) && !hasReachedTerminal {
            writeAll(line.terminalBytes, to: FileDescriptor.standardError)
        }
    }
}
