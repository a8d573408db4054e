/// What a POP3 client says before it is logged in (RFC 1939, RFC 2449, RFC 2595, RFC 5034).
public enum POP3Command: Equatable, Sendable {
    case user([UInt8])
    case pass(Secret)
    case apop(user: [UInt8], digest: Secret)
    /// AUTH without an argument: a question for the mechanisms there are.
    case listMechanisms
    case auth(mechanism: [UInt8], initialResponse: Secret?)
    case capa, noop, quit, stls
    /// Dovecot's word for who the client of a proxy is.
    case xclient([[UInt8]])
    /// A command that exists, with a number of arguments that it does not take. This is refused
    /// like an unknown one, but does not count as an error.
    case misused

    /// How many arguments any command may have; one more makes the line unreadable.
    static let maxArguments = 3
    /// The same of XCLIENT.
    static let maxAttributes = 8

    /// Parses the command that starts at the first byte (`mail-pop3.md`, section 2).
    public static func parse(_ bytes: Span<UInt8>) -> Parsed<POP3Command> {
        guard let line = bytes.line() else { return .incomplete }
        do throws(ParseFault) {
            return .complete(try command(on: line, of: bytes), byteCount: line.end)
        } catch {
            return .invalid(error, byteCount: line.end)
        }
    }

    private static func command(on line: Line, of bytes: Span<UInt8>) throws(ParseFault) -> POP3Command {
        let verb = try line.verb(of: bytes)
        switch verb {
        case "USER":
            guard let name = try line.rest(of: bytes) else { return .misused }
            return .user(bytes.bytes(in: name))
        case "PASS":
            guard let password = try line.rest(of: bytes) else { return .misused }
            return .pass(Secret(bytes.extracting(password)))
        case "XCLIENT":
            let words = try line.words(of: bytes, atMost: 1 + maxAttributes)
            return .xclient((1..<words.count).map { bytes.bytes(in: words[$0]) })
        default:
            return try command(verb, with: try line.words(of: bytes, atMost: 1 + maxArguments), of: bytes)
        }
    }

    /// Arguments are copied only into a command that keeps them: any of them may be a password.
    private static func command(
        _ verb: CommandWord, with words: LineWords, of bytes: Span<UInt8>
    ) throws(ParseFault) -> POP3Command {
        func argument(_ index: Int) -> [UInt8] { bytes.bytes(in: words[1 + index]) }
        func secret(_ index: Int) -> Secret { Secret(bytes.extracting(words[1 + index])) }
        return switch (verb, words.count - 1) {
        case ("APOP", 2): .apop(user: argument(0), digest: secret(1))
        case ("AUTH", 0): .listMechanisms
        case ("AUTH", 1): .auth(mechanism: argument(0), initialResponse: nil)
        case ("AUTH", 2): .auth(mechanism: argument(0), initialResponse: secret(1))
        case ("APOP", _), ("AUTH", _): .misused
        case ("CAPA", _): .capa
        case ("NOOP", _): .noop
        case ("QUIT", _): .quit
        case ("STLS", _): .stls
        default: throw .command
        }
    }
}
