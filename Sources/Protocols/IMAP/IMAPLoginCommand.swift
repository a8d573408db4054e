/// A login as an IMAP upstream is told it, in as few parts as it allows: each part but the first is
/// sent only when the upstream asks for it.
struct IMAPLoginCommand: Sendable {
    struct Part: Sendable {
        let bytes: Secret
        /// What a log line says we are doing (`mail-proxy.md`, section 8).
        let activity: String
    }

    private(set) var parts: [Part] = []
    /// The part that is being written, and how long it may become: it must not move on the way,
    /// since what it leaves behind would be a stray copy of a password.
    private var line: [UInt8] = []
    private var activity = "sending LOGIN command to upstream"

    /// Lines of commands should not be much longer than 1000 bytes (RFC 2683, section 3.2.1.5).
    private static let maxQuotedLength = 450

    /// `LOGIN` with each value as a quoted string where it can be one, and as a literal elsewhere.
    init(tag: [UInt8], login: [UInt8], password: Secret, offers: IMAPUpstreamOffers) {
        let capacity = tag.count + 2 * (login.count + password.count) + 64
        startLine(capacity)
        line += tag
        line += " LOGIN ".utf8
        append(login, offers, capacity, as: "sending user name to upstream")
        line.append(.space)
        append(password.bytes, offers, capacity, as: "sending password to upstream")
        endPart()
    }

    /// `AUTHENTICATE` with a token (RFC 9051, section 6.2.2), with the response on the same line
    /// where the upstream takes it there (RFC 4959).
    init(tag: [UInt8], token: OAuthLogin, mechanism: String, offers: IMAPUpstreamOffers) {
        activity = "sending AUTH to upstream"
        let capacity = tag.count + token.response.count + mechanism.utf8.count + 64
        startLine(capacity)
        line += tag
        line += " AUTHENTICATE \(mechanism)".utf8
        if offers.initialResponse {
            line.append(.space)
        } else {
            endPart()
            startLine(capacity)
        }
        line += token.response.bytes
        endPart()
    }

    private mutating func startLine(_ capacity: Int) {
        line = []
        line.reserveCapacity(capacity)
    }

    private mutating func endPart() {
        line += [.carriageReturn, .lineFeed]
        parts.append(Part(bytes: Secret(line), activity: activity))
        line = []
    }

    private mutating func append(
        _ value: [UInt8], _ offers: IMAPUpstreamOffers, _ capacity: Int, as next: String
    ) {
        if value.count <= Self.maxQuotedLength && value.allSatisfy(\.isPrintableASCII) {
            appendQuoted(value)
        } else if value.count <= offers.longestUnpromptedLiteral {
            line += "{\(value.count)+}\r\n".utf8
            line += value
        } else {
            line += "{\(value.count)}".utf8
            endPart()
            activity = next
            startLine(capacity)
            line += value
        }
    }

    private mutating func appendQuoted(_ value: [UInt8]) {
        line.append(.quote)
        for byte in value {
            if byte == .quote || byte == .backslash { line.append(.backslash) }
            line.append(byte)
        }
        line.append(.quote)
    }
}

/// What the capabilities in an upstream's greeting let a login save.
struct IMAPUpstreamOffers: Sendable {
    /// How long a literal may be that is sent without being asked for (RFC 7888). The empty value is
    /// never a literal.
    let longestUnpromptedLiteral: Int
    /// Whether AUTHENTICATE takes an initial response (RFC 4959).
    let initialResponse: Bool

    /// - Parameter code: the greeting's response code.
    init(_ code: [String]) {
        let capabilities = code.first == "CAPABILITY" ? code.dropFirst() : []
        longestUnpromptedLiteral =
            capabilities.contains("LITERAL+") ? .max : capabilities.contains("LITERAL-") ? 4096 : 0
        initialResponse = capabilities.contains("SASL-IR")
    }
}
