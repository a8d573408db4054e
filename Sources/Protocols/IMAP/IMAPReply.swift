/// What an IMAP server says before login: the one builder of its lines (`mail-imap.md`, sections 3,
/// 4 and 10).
enum IMAPReply {
    static let greeting = line("* OK IMAP4 ready")
    /// The same with a capability line in it (RFC 9051, section 7.1).
    static func greeting(offering capabilities: [UInt8]) -> [UInt8] {
        line("* OK [", capabilities.dropFirst(2).dropLast(2) + Array("] IMAP4 ready".utf8))
    }

    /// The client may send its literal.
    static let literalContinuation = line("+ OK")

    /// The answer to ID: nothing of the server is told (RFC 2971, section 3.2).
    static func noted(_ tag: [UInt8]) -> [UInt8] { line("* ID NIL") + completed(tag) }

    static func completed(_ tag: [UInt8]) -> [UInt8] { line(tag, " OK completed") }

    /// - Parameter tag: nil where the line did not get as far as a tag.
    static func invalidCommand(_ tag: [UInt8]?) -> [UInt8] {
        line(tag ?? [.asterisk], " BAD invalid command")
    }

    static func continuation(_ challenge: [UInt8]) -> [UInt8] { line("+ ", challenge) }

    static func goodbye(_ tag: [UInt8]) -> [UInt8] { line("* BYE") + completed(tag) }

    /// A capability line (`mail-imap.md`, section 5).
    static func capabilities(_ words: [[UInt8]]) -> [UInt8] {
        line("* CAPABILITY", words.flatMap { [.space] + $0 })
    }

    /// The auth server's message on one line whatever is in it; an upstream's reply as it is.
    static func refusal(_ tag: [UInt8]?, _ text: Refusal.Text) -> [UInt8] {
        switch text {
        case .message(let message): line(tag ?? [.asterisk], " NO ", message.withoutControls)
        case .reply(let reply): reply
        }
    }

    /// nginx says nothing to some of these; a client can show `BYE` to its user.
    static func farewell(_ reason: Farewell) -> [UInt8] {
        switch reason {
        case .internalError: line("* BAD internal server error")
        case .certificateError: line("* BYE SSL certificate error")
        case .noRequiredCertificate: line("* BYE No required SSL certificate")
        case .timedOut: line("* BYE Login timed out")
        case .shuttingDown: line("* BYE Server shutting down")
        case .tooManyConnections: line("* BYE Too many connections")
        case .spokeTooSoon: line("* BYE Commands sent before the greeting")
        case .accessForbidden: line("* BYE Access denied")
        case .tooManyFailures: line("* BYE Too many failed logins, try again later")
        }
    }

    private static func line(_ text: String, _ rest: [UInt8] = []) -> [UInt8] { line(Array(text.utf8), "", rest) }

    private static func line(_ start: [UInt8], _ text: String, _ rest: [UInt8] = []) -> [UInt8] {
        start + Array(text.utf8) + rest + [.carriageReturn, .lineFeed]
    }
}
