package import Kernel

/// Where a block's records go: each to every destination whose level admits it.
@LoopActor package final class ErrorLog {
    package struct Destination {
        package let file: LogFile
        package let level: LogLevel

        package init(file: LogFile, level: LogLevel) {
            self.file = file
            self.level = level
        }
    }

    package let destinations: [Destination]
    /// The least severe level that any destination takes, where there is one.
    private let level: LogLevel?
    /// Whether records of `warn` and worse also go to the terminal: until the server runs.
    package var copiesToTerminal = false

    package init(_ destinations: [Destination]) {
        self.destinations = destinations
        level = destinations.map(\.level).max()
    }

    /// A log of no destination: what matters reaches the terminal.
    package static func forTerminalOnly() -> ErrorLog {
        let log = ErrorLog([])
        log.copiesToTerminal = true
        return log
    }

    func reachesTerminal(_ level: LogLevel) -> Bool { copiesToTerminal && level <= .warn }

    /// Writes a record. The message is not even made where no destination takes it.
    package func write(
        _ level: LogLevel, _ message: @autoclosure () -> String, reason: String? = nil, context: LogContext? = nil
    ) {
        let isForTerminal = reachesTerminal(level)
        let isForFiles = self.level.map { level <= $0 } ?? false
        guard isForFiles || isForTerminal else { return }
        let line = LogLine(level, message(), reason: reason, context: context)
        let now = WallClock.secondsSinceEpoch
        var hasReachedTerminal = false
        if isForFiles {
            let bytes = line.bytes(at: WallClock(secondsSinceEpoch: now), process: OwnProcess.id)
            for destination in destinations where level <= destination.level {
                destination.file.write(bytes, at: now)
                if destination.file.path == nil { hasReachedTerminal = true }
            }
        }
        if isForTerminal && !hasReachedTerminal { writeAll(line.terminalBytes, to: FileDescriptor.standardError) }
    }

    /// Writes a record about a system call that failed.
    package func write(_ level: LogLevel, _ error: KernelError, context: LogContext? = nil) {
        write(level, "\(error.call) failed", reason: error.reason, context: context)
    }
}
