/// How much a record matters, most severe first (`logging.md`, section 1).
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
    case emerg = 1, alert, crit, error, warn, notice, info, debug

    /// As the file and the log say it.
    public var name: String { "\(self)" }

    public init?(named name: String) {
        guard let level = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = level
    }

    public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// What records of level `debug` are about. A destination takes all of them, or those that it names.
public struct DebugClasses: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The process: its logs and its limits.
    public static let core = DebugClasses(rawValue: 1)
    /// Connections as they come.
    public static let event = DebugClasses(rawValue: 2)
    /// What sessions do, step by step.
    public static let mail = DebugClasses(rawValue: 4)
    public static let all: DebugClasses = [.core, .event, .mail]

    /// The words of `error_log`. Some are for parts of nginx that there are none of here.
    public init?(named name: String) {
        switch name {
        case "debug_core": self = .core
        case "debug_event": self = .event
        case "debug_mail": self = .mail
        case "debug_alloc", "debug_mutex", "debug_http", "debug_stream": self = []
        default: return nil
        }
    }
}
