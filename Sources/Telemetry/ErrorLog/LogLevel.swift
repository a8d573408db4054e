/// How much a record matters, most severe first (`logging.md`, section 1).
package enum LogLevel: Int, Sendable, Comparable, CaseIterable {
    case emerg = 1, alert, crit, error, warn, notice, info, debug

    /// As the file and the log say it.
    package var name: String { "\(self)" }

    package init?(named name: String) {
        guard let level = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = level
    }

    package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// What records of level `debug` are about. A destination takes all of them, or those that it names.
package struct DebugClasses: OptionSet, Sendable, Hashable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The process: its logs and its limits.
    package static let core = DebugClasses(rawValue: 1)
    /// Connections as they come.
    package static let event = DebugClasses(rawValue: 2)
    /// What sessions do, step by step.
    package static let mail = DebugClasses(rawValue: 4)
    package static let all: DebugClasses = [.core, .event, .mail]

    /// The words of `error_log`. Some are for parts of nginx that there are none of here.
    package init?(named name: String) {
        switch name {
        case "debug_core": self = .core
        case "debug_event": self = .event
        case "debug_mail": self = .mail
        case "debug_alloc", "debug_mutex", "debug_http", "debug_stream": self = []
        default: return nil
        }
    }
}
