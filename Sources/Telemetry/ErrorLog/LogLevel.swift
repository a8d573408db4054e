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
