/// Cuts a configuration into statements (`config-language.md`, section 2).
public struct Lexer {
    /// Where the bytes are from. The two differ in their last messages, and in what a word may hold.
    public enum Source: Sendable, Equatable {
        case file(String)
        /// The text of `-g`.
        case commandLine
    }

    /// Words with what ended them. There is always at least one.
    public enum Statement: Sendable, Equatable {
        /// `words ;`
        case simple([Word])
        /// `words {`
        case opening([Word])
        /// A lone `}`.
        case closing
        case end
    }

    /// How many bytes a word in a file may take as it is written, between its quotes if it has such.
    public static let maximumWordLength = 4095

    public let source: Source
    private let bytes: [UInt8]
    private var offset = 0
    private var line = 1
    private var warnings: [String] = []

    public init(_ bytes: [UInt8], from source: Source) {
        self.bytes = bytes
        self.source = source
    }

    /// The line that the lexer has come to: after a statement, the one of its last byte.
    public var position: Position { position(line: line) }

    private func position(line: Int) -> Position {
        switch source {
        case .file(let path): .file(path, line: line)
        case .commandLine: .commandLine
        }
    }

    /// Reads up to the end of the next statement.
    public mutating func next() throws(ConfigurationError) -> Statement {
        if offset == 0 { try checkEncoding() }
        var words: [Word] = []
        while let byte = skippingBlanks() {
            switch byte {
            case .semicolon where !words.isEmpty:
                advance()
                return .simple(words)
            case .openingBrace where !words.isEmpty:
                advance()
                return .opening(words)
            case .closingBrace where words.isEmpty:
                advance()
                return .closing
            case .semicolon, .openingBrace, .closingBrace:
                throw unexpected(byte)
            case .doubleQuote, .singleQuote:
                words.append(try quotedWord(byte))
            default:
                words.append(try word(endedBy: nil))
            }
        }
        if !words.isEmpty { throw endOfInput }
        return .end
    }

    /// What the last statements had that probably does not mean what its author believes. Asked for
    /// by whoever interprets the statements, so nothing is said of blocks that are read past.
    public mutating func takeWarnings() -> [String] {
        defer { warnings = [] }
        return warnings
    }
}

// MARK: Words

extension Lexer {
    /// What the byte before makes of the next one.
    private enum Previous {
        case ordinary
        /// `{` is part of the word, so that `${name}` stays one.
        case dollar
        /// Whatever comes is part of the word.
        case backslash
    }

    /// A word between quotes. Only what ends a word may follow at once; the `)` starts another.
    private mutating func quotedWord(_ quote: UInt8) throws(ConfigurationError) -> Word {
        advance()
        let word = try word(endedBy: quote)
        advance()
        guard let following = current else { return word }
        if following == 0 { throw nulByte }
        guard following.isBlank || [.semicolon, .openingBrace, .closingParenthesis].contains(following) else {
            throw unexpected(following)
        }
        return word
    }

    /// The word that starts here, without what ends it: its quote, or for an unquoted one a blank,
    /// `;` or `{`.
    private mutating func word(endedBy quote: UInt8?) throws(ConfigurationError) -> Word {
        let start = offset
        let startLine = line
        var previous = Previous.ordinary
        while let byte = current {
            if byte == 0 { throw nulByte }
            if source != .commandLine && offset - start > Self.maximumWordLength {
                throw tooLong(from: start, line: startLine, quote: quote)
            }
            switch (previous, byte) {
            case (.backslash, _):
                noteKeptBackslash(before: byte)
                previous = .ordinary
            case (.dollar, .openingBrace):
                break
            case (_, .backslash):
                previous = .backslash
            case (_, .dollar):
                previous = .dollar
            case (_, quote):
                return unescape(bytes[start..<offset])
            case _ where quote == nil && (byte.isBlank || byte == .semicolon || byte == .openingBrace):
                return unescape(bytes[start..<offset])
            default:
                previous = .ordinary
            }
            advance()
        }
        throw endOfInput
    }

    /// A backslash keeps these from ending a word or meaning something, but is not taken away itself.
    private mutating func noteKeptBackslash(before byte: UInt8) {
        guard [UInt8](" ;{}#$".utf8).contains(byte) else { return }
        let character = String(decoding: [byte], as: UTF8.self)
        warnings.append("the backslash before \"\(character)\" stays a part of the word \(position)")
    }

    /// Resolves the escapes of section 2.1. A backslash before any other byte stays.
    private func unescape(_ raw: ArraySlice<UInt8>) -> Word {
        guard raw.contains(.backslash) else { return Word(Array(raw)) }
        var bytes: [UInt8] = []
        var rest = raw
        while let byte = rest.popFirst() {
            if byte == .backslash, let next = rest.first, let meaning = Self.escapes[next] {
                bytes.append(meaning)
                rest.removeFirst()
            } else {
                bytes.append(byte)
            }
        }
        return Word(bytes)
    }

    private static let escapes: [UInt8: UInt8] = [
        .doubleQuote: .doubleQuote, .singleQuote: .singleQuote, .backslash: .backslash,
        UInt8(ascii: "t"): .tab, UInt8(ascii: "r"): .carriageReturn, UInt8(ascii: "n"): .lineFeed,
    ]
}

// MARK: Bytes

extension Lexer {
    private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func advance() {
        if current == .lineFeed { line += 1 }
        offset += 1
    }

    /// Goes on to the first byte that is neither blank nor part of a comment. Comments may be of any
    /// length; nginx refuses those longer than a word.
    private mutating func skippingBlanks() -> UInt8? {
        var isComment = false
        while let byte = current {
            if byte == .lineFeed {
                isComment = false
            } else if !isComment && byte == .numberSign {
                isComment = true
            } else if !isComment && !byte.isBlank {
                return byte
            }
            advance()
        }
        return nil
    }

    /// An editor's marks are told apart from unknown directives, which they would otherwise become.
    private func checkEncoding() throws(ConfigurationError) {
        guard let mark = Self.byteOrderMarks.first(where: { bytes.starts(with: $0.bytes) }) else { return }
        throw ConfigurationError(
            "the text starts with a byte order mark (\(mark.encoding)), save it as plain UTF-8 without one",
            at: position)
    }

    private static let byteOrderMarks: [(bytes: [UInt8], encoding: String)] = [
        ([0xef, 0xbb, 0xbf], "UTF-8"), ([0xff, 0xfe], "UTF-16"), ([0xfe, 0xff], "UTF-16"),
    ]
}

// MARK: Errors

extension Lexer {
    private func unexpected(_ byte: UInt8) -> ConfigurationError {
        ConfigurationError("unexpected \"\(Word([byte]).printed)\"", at: position)
    }

    /// nginx takes a name for as long as its first NUL, so a file could say less than it shows.
    private var nulByte: ConfigurationError {
        ConfigurationError("a NUL byte in the configuration, which must be plain text, not UTF-16 or binary", at: position)
    }

    private var endOfInput: ConfigurationError {
        switch source {
        case .file: ConfigurationError("unexpected end of file, expecting \";\" or \"}\"", at: position)
        case .commandLine: ConfigurationError("unexpected end of parameter, expecting \";\"", at: position)
        }
    }

    private func tooLong(from start: Int, line: Int, quote: UInt8?) -> ConfigurationError {
        let text: String
        if let quote {
            text = "too long parameter, probably missing terminating \"\(Word([quote]).text)\" character"
        } else {
            text = "too long parameter \"\(Word(Array(bytes[start...].prefix(10))).printed)...\" started"
        }
        return ConfigurationError(text, at: position(line: line))
    }
}

extension UInt8 {
    fileprivate static let tab = UInt8(ascii: "\t")
    fileprivate static let lineFeed = UInt8(ascii: "\n")
    fileprivate static let carriageReturn = UInt8(ascii: "\r")
    fileprivate static let doubleQuote = UInt8(ascii: "\"")
    fileprivate static let numberSign = UInt8(ascii: "#")
    fileprivate static let dollar = UInt8(ascii: "$")
    fileprivate static let singleQuote = UInt8(ascii: "'")
    fileprivate static let closingParenthesis = UInt8(ascii: ")")
    fileprivate static let semicolon = UInt8(ascii: ";")
    fileprivate static let backslash = UInt8(ascii: "\\")
    fileprivate static let openingBrace = UInt8(ascii: "{")
    fileprivate static let closingBrace = UInt8(ascii: "}")

    /// Form feed, vertical tab and no-break space are not blank.
    fileprivate var isBlank: Bool { self == 0x20 || self == .tab || self == .lineFeed || self == .carriageReturn }
}
