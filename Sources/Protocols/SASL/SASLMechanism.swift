/// A way to log in (RFC 4422). One file for each, and one line in `saslMechanisms`.
public protocol SASLMechanism: Sendable {
    /// As clients ask for it and capability lines show it: `PLAIN`.
    static var name: String { get }
    /// As `imap_auth`, `pop3_auth` and `smtp_auth` say it: `plain`.
    static var keyword: String { get }
    /// Whether clients may use it though no directive lists it (nginx: PLAIN and LOGIN).
    static var isAlwaysAccepted: Bool { get }
    /// Whether a client may send its first response along with the command.
    static var takesInitialResponse: Bool { get }
    /// Whether only an auth server can judge it, because no password ever reaches us.
    static var needsAuthServer: Bool { get }

    /// - Parameter salt: `<random.time@server_name>`, for mechanisms that challenge with it.
    init(salt: [UInt8])

    /// What the server says first where the client has sent no initial response, before base64.
    var firstChallenge: [UInt8] { get }
    /// Takes a decoded response. The caller wipes it.
    mutating func receive(_ response: Span<UInt8>) -> SASLStep
}

public enum SASLStep: Sendable, Equatable {
    /// Ask on, with this challenge, before base64.
    case challenge([UInt8])
    case credentials(Credentials)
    /// What was sent cannot be read; `note` is nginx's log line for it.
    case malformed(note: String)
}

/// Every mechanism, in the order in which capability lines show them.
public let saslMechanisms: [any SASLMechanism.Type] = [
    Plain.self, Login.self, CRAMMD5.self, External.self, XOAUTH2.self, OAUTHBEARER.self,
]

/// The mechanisms that a directive such as `imap_auth` lists by their keywords, in the order in
/// which capability lines show them.
public func enabledMechanisms(_ keywords: [String]) -> [any SASLMechanism.Type] {
    saslMechanisms.filter { keywords.contains($0.keyword) }
}
