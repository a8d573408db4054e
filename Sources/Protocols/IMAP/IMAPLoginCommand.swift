/// A login as an IMAP upstream is told it, in as few parts as it allows: each part but the first is
/// sent only when the upstream asks for it.
struct IMAPLoginCommand: Sendable {
    struct Part: Sendable {
        let bytes: Secret
        /// What a log line says we are doing (`mail-proxy.md`, section 8).
        let activity: StaticString
    }

    private(set) var parts: [Part] = []
    /// The part that is being written.
    private var line = Secret(capacity: 128)
    private var activity: StaticString = "sending LOGIN command to upstream"

    /// Lines of commands should not be much longer than 1000 bytes (RFC 2683, section 3.2.1.5).
    private static let maxQuotedLength = 450

    /// `LOGIN` with each value as a quoted string where it can be one, and as a literal elsewhere.
    init(tag: [UInt8], login: [UInt8], password: Secret, offers: IMAPUpstreamOffers) {
        line.append(tag)
        line.append(" LOGIN ".utf8)
        append(login.span, offers, as: "sending user name to upstream")
        line.append(.space)
        append(password.span, offers, as: "sending password to upstream")
        endPart()
    }

    /// `AUTHENTICATE` with a token (RFC 9051, section 6.2.2), with the response on the same line
    /// where the upstream takes it there (RFC 4959).
    init(tag: [UInt8], token: OAuthLogin, mechanism: String, offers: IMAPUpstreamOffers) {
        activity = "sending AUTH to upstream"
        line.append(tag)
        line.append(" AUTHENTICATE \(mechanism)".utf8)
        if offers.initialResponse {
            line.append(.space)
        } else {
            endPart()
        }
        line.append(token.response.span)
        endPart()
    }

    private mutating func endPart() {
        line.append("\r\n".utf8)
        parts.append(Part(bytes: line, activity: activity))
        line = Secret()
    }

    private mutating func append(_ value: Span<UInt8>, _ offers: IMAPUpstreamOffers, as next: StaticString) {
        if value.count <= Self.maxQuotedLength && value.indices.allSatisfy({ value[$0].isPrintableASCII }) {
            appendQuoted(value)
        } else if value.count <= offers.longestUnpromptedLiteral {
            line.append("{\(value.count)+}\r\n".utf8)
            line.append(value)
        } else {
            line.append("{\(value.count)}".utf8)
            endPart()
            activity = next
            line.append(value)
        }
    }

    private mutating func appendQuoted(_ value: Span<UInt8>) {
        line.append(.quote)
        var start = 0
        for index in value.indices where value[index] == .quote || value[index] == .backslash {
            line.append(value.extracting(start..<index))
            line.append(.backslash)
            start = index
        }
        line.append(value.extracting(start..<value.count))
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
    /// Whether ID may be said (RFC 2971): also where nobody says what is offered, for to refuse it costs nothing.
    let takesID: Bool

    /// - Parameter code: the greeting's response code.
    init(_ code: [String]) {
        let capabilities = code.first == "CAPABILITY" ? code.dropFirst() : []
        longestUnpromptedLiteral =
            capabilities.contains("LITERAL+") ? .max : capabilities.contains("LITERAL-") ? 4096 : 0
        initialResponse = capabilities.contains("SASL-IR")
        takesID = capabilities.isEmpty || capabilities.contains("ID")
    }
}
