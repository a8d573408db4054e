import Kernel

/// Which records of those that a destination's level admits it takes: `filter=TYPE:PATTERN`.
public struct LogFilter: Sendable, Hashable {
    /// What of a record is looked at.
    public enum Subject: Sendable, Hashable {
        /// Message, reason and context.
        case logline
        case message
        /// One of its tags.
        case tag
        case property(LogContext.Property)
    }

    public enum Pattern: Sendable, Hashable {
        case containing(String)
        case exactly(String)
        /// An extended regular expression.
        case matching(String)

        /// Whether a text is one of those that are meant.
        func test() throws(RegularExpression.Fault) -> @Sendable (String) -> Bool {
            switch self {
            case .containing(let part): return { $0.utf8.contains(part.utf8) }
            case .exactly(let whole): return { $0 == whole }
            case .matching(let pattern):
                let expression = try RegularExpression(pattern)
                return { expression.matches($0) }
            }
        }
    }

    public let subject: Subject
    public let pattern: Pattern

    public init(_ subject: Subject, _ pattern: Pattern) {
        self.subject = subject
        self.pattern = pattern
    }
}

/// A filter at work.
struct LogSieve {
    private let subject: LogFilter.Subject
    private let admits: @Sendable (String) -> Bool

    /// - Throws: where the pattern is an expression that cannot be read.
    init(_ filter: LogFilter) throws(RegularExpression.Fault) {
        subject = filter.subject
        admits = try filter.pattern.test()
    }

    /// What is compared is what a line would show: control bytes are spelled out, so that none of them hides
    /// what follows.
    func admits(_ line: LogLine) -> Bool {
        switch subject {
        case .logline: admits(String(decoding: line.text, as: UTF8.self))
        case .message: admits(line.message.printable)
        case .tag: line.tags.contains(where: admits)
        case .property(let property): (line.context?[property]).map { admits($0.printable) } ?? false
        }
    }
}

extension String {
    fileprivate var printable: String {
        var bytes: [UInt8] = []
        bytes.append(printable: self)
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension String.UTF8View {
    fileprivate func contains(_ part: String.UTF8View) -> Bool {
        let (whole, part) = (Array(self), Array(part))
        guard let first = part.first else { return true }
        guard whole.count >= part.count else { return false }
        return (0...(whole.count - part.count)).contains { start in
            whole[start] == first && whole[start..<(start + part.count)].elementsEqual(part)
        }
    }
}
