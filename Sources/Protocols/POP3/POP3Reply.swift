/// One line of a POP3 upstream's (RFC 1939, section 3; RFC 5034, section 4).
public enum POP3Reply: Equatable, Sendable {
    case ok
    /// `-ERR`. It is temporary where its response code says that it is not about the credentials
    /// (RFC 2449, section 8; RFC 3206).
    case error(isTemporary: Bool)
    /// `+` and a challenge, base64.
    case challenge([UInt8])
    /// A line that no upstream says before a login.
    case other

    /// Parses the line that starts at the first byte. Every line is a reply of some kind, so none is
    /// invalid.
    public static func parse(_ bytes: Span<UInt8>) -> Parsed<POP3Reply> {
        guard let line = bytes.line() else { return .incomplete }
        return .complete(reply(bytes.extracting(line.content)), byteCount: line.end)
    }

    private static func reply(_ text: Span<UInt8>) -> POP3Reply {
        if text.hasBytes("+OK") { return .ok }
        if text.hasBytes("-ERR") { return .error(isTemporary: isTemporary(text.bytes(in: 4..<text.count))) }
        if text.count == 1, text.hasBytes("+") { return .challenge([]) }
        if text.hasBytes("+ ") { return .challenge(text.bytes(in: 2..<text.count)) }
        return .other
    }

    /// Response codes of a mailbox or server that is not to be had right now, in small letters.
    private static let temporaryCodes = ["[sys/", "[in-use]", "[login-delay"]

    private static func isTemporary(_ text: [UInt8]) -> Bool {
        let code = text.drop { $0 == .space }.prefix(16).map(\.lowercased)
        return temporaryCodes.contains { code.starts(with: $0.utf8) }
    }
}

/// What we say to clients ourselves (`mail-pop3.md`, sections 3 and 7).
extension POP3Reply {
    static let greeting = line("+OK POP3 ready")
    static let success = line("+OK")
    static let invalidCommand = line("-ERR invalid command")
    /// Dovecot's words about XCLIENT, the first of which stand in a greeting.
    static let claimOffer = Array("[XCLIENT] ".utf8)
    static let adopted = line("+OK Updated")
    static let invalidClaim = line("-ERR Invalid parameters")

    /// A greeting that says more: that the peer may use XCLIENT, and what APOP digests, which is empty where nothing does.
    static func greeting(offersXCLIENT: Bool, challenge: [UInt8]) -> [UInt8] {
        let offer = offersXCLIENT ? claimOffer : []
        return Array("+OK ".utf8) + offer + Array("POP3 ready".utf8) + (challenge.isEmpty ? [] : [.space]) + challenge
            + [.carriageReturn, .lineFeed]
    }

    /// The reply to a login that was refused. Control bytes do not leave us.
    static func refusal(_ text: Refusal.Text) -> [UInt8] {
        switch text {
        case .message(let message): Array("-ERR ".utf8) + message.withoutControls + [.carriageReturn, .lineFeed]
        case .reply(let lines): lines
        }
    }

    /// The line that asks a client for its next response.
    static func continuation(_ challenge: [UInt8]) -> [UInt8] {
        Array("+ ".utf8) + challenge + [.carriageReturn, .lineFeed]
    }

    /// A reply of several lines, which a dot ends.
    static func list(_ status: String, _ entries: [[UInt8]]) -> [UInt8] {
        line(status) + entries.flatMap { $0 + [.carriageReturn, .lineFeed] } + line(".")
    }

    static func farewell(_ reason: Farewell) -> [UInt8] {
        switch reason {
        case .internalError: line("-ERR internal server error")
        case .certificateError: line("-ERR SSL certificate error")
        case .noRequiredCertificate: line("-ERR No required SSL certificate")
        case .timedOut: line("-ERR Login took too long")
        case .shuttingDown: line("-ERR Server is shutting down, try again later")
        case .tooManyConnections: line("-ERR Too many connections, try again later")
        case .spokeTooSoon: invalidCommand
        case .accessForbidden: line("-ERR Access denied")
        case .tooManyFailures: line("-ERR Too many failed logins, try again later")
        }
    }

    private static func line(_ text: String) -> [UInt8] { Array("\(text)\r\n".utf8) }
}
