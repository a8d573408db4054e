package import Configuration

/// Where records go, as `error_log` says: the whole list of an inner block replaces the outer one's.
package struct ErrorLogSettings: SettingsGroup {
    package struct Target: Sendable, Equatable {
        /// Nil is the standard error.
        package let path: String?
        package let level: LogLevel

        package init(path: String?, level: LogLevel) {
            self.path = path
            self.level = level
        }
    }

    @Setting package var targets: [Target] = []

    package init() {}

    package static let directives: [Directive<Self>] = [
        Directive(
            "error_log", in: [.main, .mail, .server], takes: .atLeast(1),
            apply: { (group, call) throws(DirectiveFault) in
                let target = try target(call)
                group.$targets.set(group.$targets.isSet ? group.targets + [target] : [target])
            },
            inherit: { $0.$targets.inherit(from: $1.$targets) })
    ]

    private static func target(_ call: DirectiveCall) throws(DirectiveFault) -> Target {
        let destination = call.words[0].text
        if destination.hasPrefix("syslog:") || destination.hasPrefix("memory:") {
            throw .notSupported("error_log \(destination)")
        }
        return Target(
            path: destination == "stderr" ? nil : call.paths.resolve(destination), level: try level(call.words.dropFirst()))
    }

    /// One level, or any number of debug classes (`logging.md`, section 1).
    private static func level(_ words: ArraySlice<Word>) throws(DirectiveFault) -> LogLevel {
        var level: LogLevel?
        for word in words.map(\.text) {
            if let parameter = ["format=", "filter=", "rate="].first(where: word.hasPrefix) {
                throw .notSupported("error_log … \(parameter)")
            }
            let isDebugClass = debugClasses.contains(word)
            guard let named = isDebugClass ? .debug : LogLevel(named: word) else { throw .message("invalid log level \"\(word)\"") }
            switch level {
            case nil: level = named
            case .debug where isDebugClass: break
            default: throw .message(isDebugClass ? "invalid log level \"\(word)\"" : "duplicate log level \"\(word)\"")
            }
        }
        return level ?? .error
    }

    private static let debugClasses: Set = [
        "debug_core", "debug_alloc", "debug_mutex", "debug_event", "debug_http", "debug_mail", "debug_stream",
    ]
}
