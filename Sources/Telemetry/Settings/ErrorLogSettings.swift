public import Configuration
import Kernel

/// Where records go, as `error_log` says: the whole list of an inner block replaces the outer one's.
public struct ErrorLogSettings: SettingsGroup {
    @Setting public var targets: [LogTarget] = []
    /// What is attached to the records of a server, for filters to go by.
    @Setting public var userTags: [String] = []
    /// What can be told only when the block is whole, as Angie does.
    private var unknownProperty: String?

    public init() {}

    public static let directives: [Directive<Self>] = [
        .custom(
            "error_log", in: [.main, .mail, .server], takes: .atLeast(1), inherits: \.$targets,
            handler: { (group, call) throws(DirectiveFault) in
                var reader = LogTargetReader(call)
                group.$targets.append(contentsOf: [try reader.target()])
                group.unknownProperty = group.unknownProperty ?? reader.unknownProperty
            }),
        .words("error_log_user_tag", in: [.mail, .server], takes: .exactly(1), sets: \.$userTags),
    ]

    public mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
        if let unknownProperty { throw ConfigurationError(unknownProperty, isAfterParsing: block == .main) }
    }
}

/// A destination as one `error_log` has it.
public struct LogTarget: Sendable, Hashable {
    public enum Place: Sendable, Hashable {
        case file(String)
        case standardError
        case syslog(SyslogServer)
        /// - header: what the ring begins with: it says which directive asked for it.
        case memory(byteCount: Int, header: String)
    }

    /// Records a second of a destination that says nothing of it.
    public static let standardRate = 1000

    public let place: Place
    public fileprivate(set) var level = LogLevel.error
    public fileprivate(set) var debugClasses = DebugClasses.all
    public fileprivate(set) var format = LogFormat.plain
    public fileprivate(set) var filters: [LogFilter] = []
    /// Records a second; 0: as many as there are.
    public fileprivate(set) var rate = standardRate

    /// Everything of level `error`.
    public init(_ place: Place) { self.place = place }
}

/// Reads the words of an `error_log` (`logging.md`, sections 1 and 8).
private struct LogTargetReader {
    private let call: DirectiveCall
    private var level: LogLevel?
    private var debugClasses: DebugClasses?
    private var format: LogFormat?
    private var filters: [LogFilter] = []
    private var rate = LogTarget.standardRate
    private(set) var unknownProperty: String?

    init(_ call: DirectiveCall) { self.call = call }

    /// `FILE:LINE`, where the directive stands.
    private var place: Substring { call.position.description.dropFirst("in ".count) }

    mutating func target() throws(DirectiveFault) -> LogTarget {
        var target = LogTarget(try destination(call.words[0]))
        for word in call.words.dropFirst() { try read(word) }
        target.level = level ?? .error
        target.debugClasses = debugClasses ?? .all
        target.format = format ?? .plain
        target.filters = filters
        target.rate = rate
        return target
    }

    private func destination(_ word: Word) throws(DirectiveFault) -> LogTarget.Place {
        if word == "stderr" { return .standardError }
        if let parameters = word.value(after: "syslog:") { return .syslog(try SyslogServer(parameters)) }
        if let size = word.value(after: "memory:") { return try memory(size) }
        return .file(call.paths.resolve(word.text))
    }

    private func memory(_ size: Word) throws(DirectiveFault) -> LogTarget.Place {
        guard let byteCount = size.size else { throw .message("invalid buffer size \"\(size.printed)\"") }
        let header = "MEMLOG \(byteCount) \(place)\n"
        guard (header.utf8.count + 1...LogTarget.largestRing).contains(byteCount) else {
            throw .message("invalid buffer size \"\(size.printed)\"")
        }
        return .memory(byteCount: byteCount, header: header)
    }

    private mutating func read(_ word: Word) throws(DirectiveFault) {
        if let value = word.value(after: "format=") { return try read(format: value) }
        if let value = word.value(after: "filter=") { return try read(filter: value) }
        if let value = word.value(after: "rate=") { return try read(rate: value) }
        if word.bytes.contains(UInt8(ascii: "=")) { throw .message("invalid parameter \"\(word.printed)\"") }
        try read(level: word)
    }

    /// One level, or any number of debug classes.
    private mutating func read(level word: Word) throws(DirectiveFault) {
        let invalid = DirectiveFault.message("invalid log level \"\(word.printed)\"")
        if let kind = DebugClasses(named: word.text) {
            if level != nil && debugClasses == nil { throw invalid }
            level = .debug
            debugClasses = (debugClasses ?? []).union(kind)
        } else {
            guard let named = LogLevel(named: word.text) else { throw invalid }
            if level != nil { throw .message("duplicate log level \"\(word.printed)\"") }
            level = named
        }
    }

    private mutating func read(format value: Word) throws(DirectiveFault) {
        guard let named = LogFormat(rawValue: value.text) else { throw .message("unknown log format \"\(value.printed)\"") }
        if format != nil { throw .message("duplicate format= parameter (\"\(value.printed)\")") }
        format = named
    }

    private mutating func read(rate value: Word) throws(DirectiveFault) {
        let digits = value.bytes.suffix(3).elementsEqual("m/s".utf8) ? Word(value.bytes.dropLast(3)) : value
        guard let number = digits.number, number <= LogTarget.highestRate else { throw .message("invalid rate \"\(value.printed)\"") }
        rate = number
    }

    private mutating func read(filter value: Word) throws(DirectiveFault) {
        guard let colon = value.bytes.firstIndex(of: UInt8(ascii: ":")), colon > 0 else {
            throw .message("missing filter type in \"\(value.printed)\"")
        }
        let type = Word(Array(value.bytes[..<colon])), text = Word(Array(value.bytes[(colon + 1)...]))
        let pattern = try pattern(text, of: value)
        guard let subject = LogFilter.Subject(type.text) else {
            unknownProperty = "error_log directive at \(place) has filter with unknown property \"\(type.printed)\""
            return
        }
        filters.append(LogFilter(subject, pattern))
    }

    private func pattern(_ text: Word, of filter: Word) throws(DirectiveFault) -> LogFilter.Pattern {
        let mark = text.value(after: "=") ?? text.value(after: "~") ?? text
        if mark.bytes.isEmpty { throw .message("empty filter pattern \"\(filter.printed)\"") }
        let pattern: LogFilter.Pattern = switch text.bytes.first {
        case UInt8(ascii: "="): .exactly(mark.text)
        case UInt8(ascii: "~"): .matching(mark.text)
        default: .containing(text.text)
        }
        do throws(RegularExpression.Fault) { _ = try pattern.test() } catch {
            throw .message("invalid filter pattern \"\(filter.printed)\": \(error.text)")
        }
        return pattern
    }
}

extension LogTarget {
    /// Beyond these a number is a slip.
    fileprivate static let largestRing = 1 << 30
    fileprivate static let highestRate = 1_000_000
}

extension LogFilter.Subject {
    /// `logline`, `message`, `tag`, or what a session's context calls its parts.
    fileprivate init?(_ type: String) {
        switch type {
        case "logline": self = .logline
        case "message": self = .message
        case "tag": self = .tag
        default:
            guard let property = LogContext.Property(rawValue: type) else { return nil }
            self = .property(property)
        }
    }
}
