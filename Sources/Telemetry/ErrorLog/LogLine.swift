public import Kernel

/// One line of the error log: `YYYY/MM/DD HH:MM:SS [LEVEL] PID#TID: *CONN MESSAGE (ERRNO: TEXT)CONTEXT`
/// (`logging.md`, section 2). The only builder of log lines.
public struct LogLine: Sendable {
    /// The whole line, its end included.
    public static let maximumByteCount = 2048

    public let level: LogLevel
    public let message: String
    /// `98: Address already in use`, where a system call failed.
    public let reason: String?
    public let context: LogContext?
    /// What `error_log_user_tag` attaches.
    public let tags: [String]

    public init(
        _ level: LogLevel, _ message: String, reason: String? = nil, context: LogContext? = nil, tags: [String] = []
    ) {
        self.level = level
        self.message = message
        self.reason = reason
        self.context = context
        self.tags = tags
    }

    /// The line for a file. The process has one thread, so its number is the process's.
    public func bytes(at time: WallClock, process: Int32) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(256)
        line.append(decimal: time.year, digits: 4)
        line.append(0x2F)
        line.append(decimal: time.month, digits: 2)
        line.append(0x2F)
        line.append(decimal: time.day, digits: 2)
        line.append(0x20)
        line.append(decimal: time.hour, digits: 2)
        line.append(0x3A)
        line.append(decimal: time.minute, digits: 2)
        line.append(0x3A)
        line.append(decimal: time.second, digits: 2)
        line.append(contentsOf: " [\(level.name)] \(process)#\(process): ".utf8)
        if let context { line.append(contentsOf: "*\(context.connection) ".utf8) }
        appendText(to: &line)
        line.append(0x0A)
        return line
    }

    /// The line for the terminal, while a server starts: `martlet: [LEVEL] MESSAGE (ERRNO: TEXT)CONTEXT`.
    public var terminalBytes: [UInt8] {
        var line = Array("martlet: [\(level.name)] ".utf8)
        appendText(to: &line)
        line.append(0x0A)
        return line
    }

    /// Message, reason and context, as they stand in a line.
    var text: [UInt8] {
        var text: [UInt8] = []
        text.append(printable: message)
        if let reason { text.append(printable: " (\(reason))") }
        if let context, level != .debug { text.append(printable: context.text) }
        return text
    }

    private func appendText(to line: inout [UInt8]) {
        line.append(contentsOf: text)
        if line.count >= Self.maximumByteCount {
            line.removeLast(line.count - Self.maximumByteCount + 1)
        }
    }
}

extension [UInt8] {
    /// Control bytes would let a client forge lines or steer a terminal: they appear as `\x0A`.
    mutating func append(printable text: String) {
        for byte in text.utf8 {
            if byte < 0x20 || byte == 0x7F {
                append(contentsOf: [0x5C, 0x78, Self.hexadecimal[Int(byte >> 4)], Self.hexadecimal[Int(byte & 15)]])
            } else {
                append(byte)
            }
        }
    }

    private static let hexadecimal = [UInt8]("0123456789ABCDEF".utf8)

    mutating func append(decimal number: Int, digits: Int) {
        var divisor = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            append(0x30 + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }
}
