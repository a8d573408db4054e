public import Kernel

/// Where the records of one `error_log` go, and which of them. Logs that inherit it share it, and with it
/// what its rate still allows.
@LoopActor public final class LogDestination {
    let sink: LogSink
    public nonisolated let level: LogLevel
    nonisolated let debugClasses: DebugClasses
    private let format: LogFormat
    private let sieves: [LogSieve]
    private var rate: LogRate?

    public convenience init(file: LogFile, level: LogLevel) {
        self.init(.file(file), level: level, debugClasses: .all, format: .plain, sieves: [], rate: nil)
    }

    init(
        _ sink: LogSink, level: LogLevel, debugClasses: DebugClasses, format: LogFormat, sieves: [LogSieve], rate: LogRate?
    ) {
        self.sink = sink
        self.level = level
        self.debugClasses = debugClasses
        self.format = format
        self.sieves = sieves
        self.rate = rate
    }

    /// The file that it is, where it is one, or the standard error.
    public var file: LogFile? { if case .file(let file) = sink { file } else { nil } }
    public var isStandardError: Bool { file.map { $0.path == nil } ?? false }

    /// - Parameter kind: what a record of level `debug` is about.
    func admits(_ level: LogLevel, _ kind: DebugClasses) -> Bool {
        level <= self.level && (level != .debug || debugClasses.contains(kind))
    }

    func write(_ rendering: inout LogRendering) {
        guard sieves.allSatisfy({ $0.admits(rendering.line) }) else { return }
        let (level, moment) = (rendering.line.level, rendering.milliseconds)
        switch rate?.admit(level, at: moment) {
        case nil: sink.write(rendering.bytes(format), level, at: moment)
        case .suppress?: break
        case .pass(let losses)?:
            if losses > 0 { tell("\(losses) log messages suppressed", level, at: moment) }
            sink.write(rendering.bytes(format), level, at: moment)
        case .announce(let losses)?:
            tell("too many log messages, limiting" + (losses > 0 ? ", \(losses) suppressed" : ""), level, at: moment)
        }
    }

    private func tell(_ message: String, _ level: LogLevel, at moment: Int) {
        var rendering = LogRendering(LogLine(level, message), at: moment)
        sink.write(rendering.bytes(format), level, at: moment)
    }
}

/// What records can be written to.
@LoopActor enum LogSink {
    case file(LogFile)
    case syslog(SyslogSocket)
    case memory(SharedRing)

    func write(_ line: [UInt8], _ level: LogLevel, at milliseconds: Int) {
        switch self {
        case .file(let file): file.write(line, at: milliseconds / 1000)
        case .syslog(let socket): socket.write(line.dropLast(), level, at: milliseconds)
        case .memory(let ring): ring.write(line)
        }
    }
}

public enum LogFormat: String, Sendable, Hashable {
    case plain = "default"
    case json
}

/// A record at its moment: each form of it is made once, for all destinations that want it.
struct LogRendering {
    let line: LogLine
    let milliseconds: Int
    private var plain: [UInt8]?
    private var json: [UInt8]?

    init(_ line: LogLine, at milliseconds: Int) {
        self.line = line
        self.milliseconds = milliseconds
    }

    mutating func bytes(_ format: LogFormat) -> [UInt8] {
        switch format {
        case .plain:
            let bytes = plain ?? line.bytes(at: WallClock(secondsSinceEpoch: milliseconds / 1000), process: OwnProcess.id)
            plain = bytes
            return bytes
        case .json:
            let bytes = json ?? line.json(at: milliseconds, process: OwnProcess.id)
            json = bytes
            return bytes
        }
    }
}
