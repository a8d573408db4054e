/// What an SMTP client says before its session is relayed (RFC 5321, RFC 4954, RFC 3207).
public enum SMTPCommand: Equatable, Sendable {
    /// Nil where there was not exactly one argument.
    case helo([UInt8]?), ehlo([UInt8]?)
    case auth(mechanism: [UInt8], initialResponse: Secret?)
    /// AUTH with no argument, and with more than it can have.
    case bareAuth, overfullAuth
    case mail(EnvelopeLine), rcpt(EnvelopeLine)
    case noop, rset, quit, startTLS
    /// Commands that exist, and that nobody gets an answer to before a login.
    case vrfy, expn, help
    /// Postfix's word for who the client of a proxy is.
    case xclient([[UInt8]])

    /// A line that is kept as it came, for the auth server and the upstream to judge.
    public struct EnvelopeLine: Equatable, Sendable {
        /// The line from its command word to the end of its last argument, inner spaces included.
        public let text: [UInt8]
        public let hasArguments: Bool

        init(_ words: LineWords, of bytes: Span<UInt8>) {
            text = bytes.bytes(in: 0..<words[words.count - 1].upperBound)
            hasArguments = words.count > 1
        }
    }

    /// How many arguments any command may have; one more makes the line unreadable.
    static let maxArguments = 11

    /// Parses the command that starts at the first byte (`mail-smtp.md`, section 2).
    public static func parse(_ bytes: Span<UInt8>) -> Parsed<SMTPCommand> {
        guard let line = bytes.line() else { return .incomplete }
        do throws(ParseFault) {
            return .complete(try command(on: line, of: bytes), byteCount: line.end)
        } catch {
            return .invalid(error, byteCount: line.end)
        }
    }

    /// How many of the bytes are whole commands without a password, from the first one on. What follows AUTH may be one,
    /// and so may what is no command.
    static func byteCountWithoutPassword(of bytes: Span<UInt8>) -> Int {
        var end = 0
        while case .complete(let command, let byteCount) = parse(bytes.extracting(end..<bytes.count)) {
            switch command {
            case .auth, .bareAuth, .overfullAuth: return end
            case .helo, .ehlo, .mail, .rcpt, .noop, .rset, .quit, .startTLS, .vrfy, .expn, .help, .xclient: end += byteCount
            }
        }
        return end
    }

    private static func command(on line: Line, of bytes: Span<UInt8>) throws(ParseFault) -> SMTPCommand {
        let verb = try line.verb(of: bytes)
        let words = try line.words(of: bytes, atMost: 1 + maxArguments)
        // Arguments are copied only into a command that keeps them: any of them may be a password.
        func argument(_ index: Int) -> [UInt8] { bytes.bytes(in: words[1 + index]) }
        func secret(_ index: Int) -> Secret { Secret(bytes.extracting(words[1 + index])) }
        return switch (verb, words.count - 1) {
        case ("HELO", let count): .helo(count == 1 ? argument(0) : nil)
        case ("EHLO", let count): .ehlo(count == 1 ? argument(0) : nil)
        case ("AUTH", 0): .bareAuth
        case ("AUTH", 1): .auth(mechanism: argument(0), initialResponse: nil)
        case ("AUTH", 2): .auth(mechanism: argument(0), initialResponse: secret(1))
        case ("AUTH", _): .overfullAuth
        case ("MAIL", _): .mail(EnvelopeLine(words, of: bytes))
        case ("RCPT", _): .rcpt(EnvelopeLine(words, of: bytes))
        case ("NOOP", _): .noop
        case ("RSET", _): .rset
        case ("QUIT", _): .quit
        case ("STARTTLS", _): .startTLS
        case ("VRFY", _): .vrfy
        case ("EXPN", _): .expn
        case ("HELP", _): .help
        case ("XCLIENT", let count): .xclient((0..<count).map { argument($0) })
        default: throw .command
        }
    }
}
