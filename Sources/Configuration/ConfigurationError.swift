/// Why a configuration is refused, in nginx's words (`config-language.md`, section 5).
public struct ConfigurationError: Error, Equatable, Sendable {
    /// nginx's level for it: everything is `emerg` but an unreadable file.
    public enum Level: String, Sendable { case emerg, crit }

    public let level: Level
    /// The whole message: text, errno in parentheses, and position, where there are such.
    public let message: String
    /// Whether the syntax had been found good before: `-t` then says so first.
    public let isAfterParsing: Bool
    /// What was warned of before, in order, each complete with its position.
    public var earlierWarnings: [String] = []

    /// How many bytes of a text are printed; a value may be longer than any terminal.
    private static let maximumTextLength = 1024

    public init(
        _ text: String, at position: Position? = nil, level: Level = .emerg, isAfterParsing: Bool = false
    ) {
        self.level = level
        let text = Self.shortened(text)
        message = position.map { "\(text) \($0)" } ?? text
        self.isAfterParsing = isAfterParsing
    }

    /// What a handler found wrong with the words of the directive `name`.
    public init(_ fault: DirectiveFault, in name: String, at position: Position) {
        switch fault {
        case .directive(let text): self.init("\"\(name)\" directive \(text)", at: position)
        case .message(let text): self.init(text, at: position)
        }
    }

    private static func shortened(_ text: String) -> String {
        guard text.utf8.count > maximumTextLength else { return text }
        return String(decoding: text.utf8.prefix(maximumTextLength), as: UTF8.self)
    }
}

/// What a directive's handler finds wrong with its words. The language adds name and position.
public enum DirectiveFault: Error, Equatable, Sendable {
    /// Completes `"NAME" directive …`: `is duplicate`, `invalid value`, `invalid number`.
    case directive(String)
    /// A message of its own, to which only the position is added.
    case message(String)

    public static let duplicate = directive("is duplicate")
    public static let invalidValue = directive("invalid value")
    public static let invalidNumber = directive("invalid number")

    /// A word that is none of the keywords.
    public static func invalidValue(_ word: Word) -> DirectiveFault {
        .message("invalid value \"\(word.printed)\"")
    }

    /// Something the file may say one day: clear words instead of silence, so that nobody believes
    /// it to be in force. `what` is what was written, such as `starttls on`.
    public static func notSupported(_ what: String) -> DirectiveFault {
        .message("\"\(what)\" is not supported by this version of martlet")
    }
}
