/// A command of a client that has not logged in yet (RFC 9051, section 6.1 and 6.2).
public struct IMAPCommand: Sendable, Equatable {
    public enum Name: String, Sendable, CaseIterable {
        case noop = "NOOP", login = "LOGIN", logout = "LOGOUT", startTLS = "STARTTLS"
        case capability = "CAPABILITY", authenticate = "AUTHENTICATE", id = "ID"
    }

    /// May be empty: a line that begins with a space has such a tag, and replies begin with the space.
    public let tag: [UInt8]
    public let name: Name
    /// Each could be a password, so each wipes itself.
    public let arguments: [Secret]
    /// What an ID says; of any other command, nothing.
    public let clientID: IMAPClientID

    public init(tag: [UInt8], _ name: Name, _ arguments: [Secret] = [], clientID: IMAPClientID = IMAPClientID()) {
        self.tag = tag
        self.name = name
        self.arguments = arguments
        self.clientID = clientID
    }
}

/// What the bytes from the first one of a command on amount to.
public enum IMAPInput: Sendable, Equatable {
    case command(IMAPCommand, byteCount: Int)
    /// The command is not whole yet; parse again from its first byte when there are more.
    case incomplete
    /// The client announced a literal whose bytes begin at this position, and sends them only after
    /// a continuation. Having sent it, parse again, with this position.
    case awaitsContinuation(at: Int)
    /// The line can never become a command.
    case invalid(IMAPRejection, byteCount: Int)
}

/// A line that is none of the commands, skipped up to its LF.
public struct IMAPRejection: Sendable, Equatable {
    public let fault: ParseFault
    /// The tag, where the line got as far as that.
    public let tag: [UInt8]?
    /// Whether the line ends in the announcement of a literal that follows without being asked for.
    /// Nobody can tell that data from commands, so the session cannot go on.
    public let losesLiteral: Bool

    public init(_ fault: ParseFault, tag: [UInt8]?, losesLiteral: Bool = false) {
        self.fault = fault
        self.tag = tag
        self.losesLiteral = losesLiteral
    }
}

extension IMAPCommand {
    public static let maxTagLength = 32
    public static let maxArguments = 3

    /// Parses the command that starts at the first byte (`mail-imap.md`, section 2).
    /// - Parameter continued: the position of the last literal that the client has been asked for; 0 for none.
    public static func parse(_ bytes: Span<UInt8>, continuedAt continued: Int = 0) -> IMAPInput {
        var scan = Scan(continuedAt: continued)
        do throws(Stop) {
            return try scan.command(in: bytes)
        } catch {
            switch error {
            case .incomplete: return .incomplete
            case .awaitsContinuation(let position): return .awaitsContinuation(at: position)
            case .invalid(let fault): return scan.skipLine(in: bytes, because: fault)
            }
        }
    }

    /// The beginning of a command that does not fit into the buffer, as far as it can be read.
    public static func opening(of bytes: Span<UInt8>) -> (tag: [UInt8]?, name: Name?) {
        var scan = Scan(continuedAt: 0)
        guard let tag = try? scan.readTag(in: bytes) else { return (nil, nil) }
        scan.skipSpaces(in: bytes)
        return (tag, try? scan.readName(in: bytes))
    }

    /// Why a scan ends before its command does.
    fileprivate enum Stop: Error {
        case incomplete
        case awaitsContinuation(at: Int)
        case invalid(ParseFault)
    }

    /// One way through the bytes. It stands on a byte that nothing has been made of yet.
    fileprivate struct Scan {
        /// An argument as it stands among the bytes, copied only once the whole command is there.
        struct Argument {
            let range: Range<Int>
            let hasEscapes: Bool
        }

        let continuedAt: Int
        var position = 0
        var tag: [UInt8]?
        var arguments: [Argument] = []

        init(continuedAt: Int) { self.continuedAt = continuedAt }

        mutating func command(in bytes: Span<UInt8>) throws(Stop) -> IMAPInput {
            let tag = try readTag(in: bytes)
            skipSpaces(in: bytes)
            let name = try readName(in: bytes)
            if name == .id {
                let clientID = try readClientID(in: bytes)
                return .command(IMAPCommand(tag: tag, name, clientID: clientID), byteCount: position)
            }
            try readArguments(in: bytes)
            let secrets = arguments.map { Scan.secret($0, in: bytes) }
            return .command(IMAPCommand(tag: tag, name, secrets), byteCount: position)
        }
    }
}

extension IMAPCommand.Scan {
    /// Reads the tag and the space behind it.
    mutating func readTag(in bytes: Span<UInt8>) throws(IMAPCommand.Stop) -> [UInt8] {
        while try byte(in: bytes) != .space {
            guard try byte(in: bytes).isTagCharacter, position < IMAPCommand.maxTagLength else { throw .invalid(.tag) }
            position += 1
        }
        let tag = bytes.bytes(in: 0..<position)
        self.tag = tag
        position += 1
        return tag
    }

    mutating func readName(in bytes: Span<UInt8>) throws(IMAPCommand.Stop) -> IMAPCommand.Name {
        let start = position
        while try byte(in: bytes).isLetter { position += 1 }
        guard try byte(in: bytes).endsAtom else { throw .invalid(.command) }
        for name in IMAPCommand.Name.allCases where bytes.isKeyword(name.rawValue, in: start..<position) {
            return name
        }
        throw .invalid(.command)
    }

    /// Reads arguments up to the end of the line, and over it.
    mutating func readArguments(in bytes: Span<UInt8>) throws(IMAPCommand.Stop) {
        arguments.reserveCapacity(IMAPCommand.maxArguments)
        while true {
            skipSpaces(in: bytes)
            let first = try byte(in: bytes)
            if first == .lineFeed || first == .carriageReturn { return try readLineEnd(in: bytes) }
            if arguments.count == IMAPCommand.maxArguments { throw .invalid(.tooManyArguments) }
            switch first {
            case .quote: try readQuoted(in: bytes)
            case .openBrace:
                try readLiteral(in: bytes)
                guard try byte(in: bytes).endsAtom else { throw .invalid(.literal) }
            default: try readAtom(in: bytes)
            }
        }
    }

    /// Reads `NIL`, or names and values in parentheses, up to the end of the line, and over it (RFC 2971,
    /// section 4).
    mutating func readClientID(in bytes: Span<UInt8>) throws(IMAPCommand.Stop) -> IMAPClientID {
        var values: [Secret?] = []
        skipSpaces(in: bytes)
        if try byte(in: bytes) == .openParenthesis {
            position += 1
            while try !isAtClosingParenthesis(in: bytes) {
                if values.count == 2 * IMAPClientID.maxCount { throw .invalid(.tooManyArguments) }
                values.append(try readString(in: bytes))
            }
            position += 1
        } else if try readString(in: bytes) != nil {
            throw .invalid(.argument)
        }
        guard let clientID = IMAPClientID(values) else { throw .invalid(.argument) }
        skipSpaces(in: bytes)
        try readLineEnd(in: bytes)
        return clientID
    }

    private mutating func isAtClosingParenthesis(in bytes: Span<UInt8>) throws(IMAPCommand.Stop) -> Bool {
        skipSpaces(in: bytes)
        return try byte(in: bytes) == .closeParenthesis
    }

    /// Reads a quoted string or a literal, or `NIL`, which is nil.
    private mutating func readString(in bytes: Span<UInt8>) throws(IMAPCommand.Stop) -> Secret? {
        switch try byte(in: bytes) {
        case .quote: try readQuoted(in: bytes)
        case .openBrace: try readLiteral(in: bytes)
        default:
            let start = position
            while try byte(in: bytes).isLetter { position += 1 }
            guard bytes.isKeyword("NIL", in: start..<position) else { throw .invalid(.argument) }
            return nil
        }
        return arguments.popLast().map { Self.secret($0, in: bytes) }
    }

    private mutating func readLineEnd(in bytes: Span<UInt8>) throws(IMAPCommand.Stop) {
        if try byte(in: bytes) == .carriageReturn { position += 1 }
        guard try byte(in: bytes) == .lineFeed else { throw .invalid(.lineEnd) }
        position += 1
    }

    private mutating func readAtom(in bytes: Span<UInt8>) throws(IMAPCommand.Stop) {
        let start = position
        while try !byte(in: bytes).endsAtom { position += 1 }
        arguments.append(.init(range: start..<position, hasEscapes: false))
    }

    /// A quoted string ends on its own line. nginx lets the line end close it, and misreads the next
    /// line then.
    private mutating func readQuoted(in bytes: Span<UInt8>) throws(IMAPCommand.Stop) {
        position += 1
        let start = position
        var hasEscapes = false
        while try byte(in: bytes) != .quote {
            if try byte(in: bytes) == .backslash {
                hasEscapes = true
                position += 1
            }
            let next = try byte(in: bytes)
            if next == .lineFeed || next == .carriageReturn { throw .invalid(.argument) }
            position += 1
        }
        arguments.append(.init(range: start..<position, hasEscapes: hasEscapes))
        position += 1
    }

    /// `{N}` or `{N+}` (RFC 7888), the end of the line, and N bytes of any value.
    private mutating func readLiteral(in bytes: Span<UInt8>) throws(IMAPCommand.Stop) {
        let start = position + 1
        repeat { position += 1 } while try byte(in: bytes).isDigit
        guard let length = bytes.decimal(in: start..<position) else { throw .invalid(.literal) }
        let isSynchronizing = try byte(in: bytes) != .plus
        if !isSynchronizing { position += 1 }
        guard try byte(in: bytes) == .closeBrace else { throw .invalid(.literal) }
        repeat { position += 1 } while try byte(in: bytes) == .carriageReturn
        guard try byte(in: bytes) == .lineFeed else { throw .invalid(.literal) }
        position += 1
        if isSynchronizing && position > continuedAt { throw .awaitsContinuation(at: position) }
        guard bytes.count - position >= length else { throw .incomplete }
        arguments.append(.init(range: position..<(position + length), hasEscapes: false))
        position += length
    }

    mutating func skipSpaces(in bytes: Span<UInt8>) {
        while position < bytes.count && bytes[position] == .space { position += 1 }
    }

    private func byte(in bytes: Span<UInt8>) throws(IMAPCommand.Stop) -> UInt8 {
        guard position < bytes.count else { throw .incomplete }
        return bytes[position]
    }

    /// Skips the rest of a line that is no command, from the byte that showed it.
    func skipLine(in bytes: Span<UInt8>, because fault: ParseFault) -> IMAPInput {
        guard let line = bytes.line(from: position) else { return .incomplete }
        let end = line.content.upperBound
        let losesLiteral = end >= 2 && bytes.hasBytes([.plus, .closeBrace], at: end - 2)
        return .invalid(IMAPRejection(fault, tag: tag, losesLiteral: losesLiteral), byteCount: line.end)
    }

    /// Copies an argument, without the backslashes that quote.
    static func secret(_ argument: Argument, in bytes: Span<UInt8>) -> Secret {
        guard argument.hasEscapes else { return Secret(bytes.extracting(argument.range)) }
        var text = Secret()
        var isEscaped = false
        for index in argument.range {
            isEscaped = !isEscaped && bytes[index] == .backslash
            if !isEscaped { text.append(bytes[index]) }
        }
        return text
    }
}

extension UInt8 {
    fileprivate var isTagCharacter: Bool {
        isLetter || isDigit || self == .hyphen || self == UInt8(ascii: ".") || self == UInt8(ascii: "_")
    }

    fileprivate var endsAtom: Bool { self == .space || self == .carriageReturn || self == .lineFeed }
}
