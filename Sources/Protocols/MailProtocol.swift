public import Configuration

/// A mail protocol with the settings of one server block: it makes the two dialogues of each session.
/// Built once per server block, so capability lines and the like are composed here, not per session;
/// and one object, because it would be much to copy for each.
public protocol MailProtocol: AnyObject, Sendable {
    /// The word of the `protocol` directive, and of `Auth-Protocol`: `imap`, `pop3`, `smtp`.
    static var name: String { get }
    /// The ports that imply the protocol where no `protocol` directive does (`mail-directives.md`, section 3).
    static var wellKnownPorts: [UInt16] { get }
    /// The port on which upstreams of the protocol speak TLS from the first byte.
    static var implicitTLSPort: UInt16 { get }
    /// The directives of this protocol.
    static var settings: any SettingsGroup.Type { get }

    init(_ settings: Settings, policy: DialoguePolicy)

    /// How many bytes one command may take, its literals included.
    var clientBufferSize: Int { get }
    /// How long a client must stay silent before the greeting, and what it hears if it does not
    /// (`mail-smtp.md`, section 1). Nil: greet at once.
    var greetingDelay: Duration? { get }
    /// How much of what a client has said before its greeting a log may show: nothing of it can be a password.
    func printableByteCount(of input: Span<UInt8>) -> Int
    /// Whether dialogues of this server may use `DialogueStart.challenge`.
    var usesChallenge: Bool { get }
    /// Whether `Client-Host` goes into the question to the auth server.
    var tellsClientHost: Bool { get }
    /// Whether an upstream may take the proxy's word for a login, so that one without a password is
    /// not the auth server's fault (`mail-auth-http.md`, section 4).
    var mayTrustProxy: Bool { get }
    /// The mechanisms of this server that only an auth server can answer (`APOP`, `CRAM-MD5`,
    /// `EXTERNAL`), by the directive and word that ask for each, such as `imap_auth cram-md5`.
    var needsAuthServer: [String] { get }

    func makeClientDialogue(_ start: DialogueStart) -> any ClientDialogue
}

extension MailProtocol {
    public func printableByteCount(of input: Span<UInt8>) -> Int { 0 }
}

/// Every mail protocol there is. A new one is a folder beside these and a line here.
public let mailProtocols: [any MailProtocol.Type] = [IMAP.self, POP3.self, SMTP.self]

/// What the server block says of every dialogue, whatever its protocol.
public struct DialoguePolicy: Sendable {
    public var serverName: [UInt8]
    public var startTLS: StartTLS
    public var maxErrors: Int
    public var maxCommands: Int
    public var proxiesSMTPAuth: Bool
    public var sendsXCLIENT: Bool
    /// Whether upstreams of IMAP and POP3 are told who the client is.
    public var passesClientID: Bool

    public init(
        serverName: [UInt8], startTLS: StartTLS = .off, maxErrors: Int = 5, maxCommands: Int = 1000,
        proxiesSMTPAuth: Bool = false, sendsXCLIENT: Bool = true, passesClientID: Bool = false
    ) {
        self.serverName = serverName
        self.startTLS = startTLS
        self.maxErrors = maxErrors
        self.maxCommands = maxCommands
        self.proxiesSMTPAuth = proxiesSMTPAuth
        self.sendsXCLIENT = sendsXCLIENT
        self.passesClientID = passesClientID
    }
}

/// `starttls`: not offered, offered, or demanded before any login.
public enum StartTLS: Sendable { case off, on, only }

/// What is different for every session: dialogues ask neither the clock nor the kernel.
public struct DialogueStart: Sendable {
    /// 64 random bits from the kernel, for the challenge `<challenge.time@server_name>`.
    public let challenge: UInt64
    /// Seconds since 1970.
    public let time: Int
    /// Whether the peer is a proxy whose word is taken for who its client is.
    public let believesClaims: Bool

    public init(challenge: UInt64, time: Int, believesClaims: Bool = false) {
        self.challenge = challenge
        self.time = time
        self.believesClaims = believesClaims
    }
}

/// The client's side of a session up to its login: bytes in, decisions out.
public protocol ClientDialogue: Sendable {
    /// The first line, sent before anything is read.
    func greeting(overTLS: Bool) -> [UInt8]

    /// Reads one command from the first byte of `input` on and decides. Called again at once while
    /// the answer is `.reply`, with the bytes that remain; after `.awaitInput` with more of them.
    mutating func receive(_ input: Span<UInt8>, overTLS: Bool) -> ClientStep

    /// A command has filled the whole buffer and is not complete: the farewell to it.
    mutating func receiveTooLong(_ input: Span<UInt8>) -> ClientStep

    /// TLS has begun: everything said in the clear is forgotten, also who the client is.
    mutating func forgetPlaintext()

    /// The credentials of the last `.authenticate` were refused.
    /// - Parameter thenCloses: whether the refusal is the last word (no `Auth-Wait`).
    mutating func refuse(_ refusal: Refusal, thenCloses: Bool) -> ClientAction

    /// What to say before closing for a reason that is not the client's last command.
    func farewell(_ reason: Farewell) -> [UInt8]

    /// The other side of the session, once a route is known.
    /// - Parameter credentials: those of the last `.authenticate`, with what the auth server replaced in them.
    func makeUpstreamDialogue(with credentials: Credentials, to route: UpstreamTerms) -> any UpstreamDialogue
}

/// A decision, and how much of the input it has used up.
public struct ClientStep: Sendable {
    public let byteCount: Int
    public let action: ClientAction
    /// What the log should know, in nginx's words, without a password (level info).
    public let note: String?

    public init(byteCount: Int, _ action: ClientAction, note: String? = nil) {
        self.byteCount = byteCount
        self.action = action
        self.note = note
    }
}

public enum ClientAction: Sendable, Equatable {
    /// The command is not complete.
    case awaitInput
    /// Say this and go on.
    case reply([UInt8])
    /// The client is who this says; say that it is understood and go on.
    indirect case adopt(ClientClaim, reply: [UInt8])
    /// Say this, discard all input, and let the handshake begin.
    case startTLS(after: [UInt8])
    /// Ask whether these are good. No reply until that is known.
    case authenticate(Credentials)
    /// Say this and close.
    case close(after: [UInt8])
}

/// Why a session ends other than by its own commands. Each protocol has its words for it.
public enum Farewell: Sendable, CaseIterable {
    /// A fault of ours, of the auth server's or of the upstream's.
    case internalError
    case certificateError
    case noRequiredCertificate
    /// `timeout` ran out before login.
    case timedOut
    /// The server is going down, or this worker's configuration has been replaced.
    case shuttingDown
    /// No room for another session.
    case tooManyConnections
    /// The client spoke before its turn (SMTP's greeting delay).
    case spokeTooSoon
    /// The server's rules do not let the client in.
    case accessForbidden
    /// Too many logins from the client's address have failed of late.
    case tooManyFailures
}

/// A login that was refused, and in whose words.
public struct Refusal: Sendable, Equatable {
    public enum Text: Sendable, Equatable {
        /// A message that the protocol's reply carries: `TAG NO message`, `-ERR message`, `CODE message`.
        case message([UInt8])
        /// The upstream's whole reply, in this protocol already, each line with its CR LF.
        case reply([UInt8])
    }
    public let text: Text
    /// SMTP's reply code, such as `451 4.3.0`; nil: `535 5.7.0`. Only digits, dots and spaces.
    public let smtpCode: [UInt8]?
    /// What OAuth clients are told before the final reply, base64 (`mail-imap.md`, section 7).
    public let saslError: [UInt8]?

    public init(_ text: Text, smtpCode: [UInt8]? = nil, saslError: [UInt8]? = nil) {
        self.text = text
        self.smtpCode = smtpCode
        self.saslError = saslError
    }
}

/// Whether an upstream's connection is encrypted, and from when on.
public enum UpstreamSecurity: Sendable, Equatable {
    case off
    /// From the first byte.
    case on
    /// When both sides have said so in the clear.
    case startTLS

    /// The words of `proxy_ssl`, and of the auth server's `Auth-SSL`.
    public static let words: [(String, UpstreamSecurity)] = [("off", .off), ("on", .on), ("starttls", .startTLS)]
}

/// What a login at an upstream depends on, beside the credentials.
public struct UpstreamTerms: Sendable {
    /// Who the client is.
    public var client: ClientFacts
    /// Whether nobody has checked the credentials yet (`proxy_pass`): the upstream must do it, so they
    /// are always put to it, OAuth tokens by their own mechanism, and its word on them is a refusal.
    public var upstreamDecides: Bool
    /// Whether TLS is to begin before anything else is said (`proxy_ssl starttls`).
    public var startsTLS: Bool

    public init(client: ClientFacts, upstreamDecides: Bool = false, startsTLS: Bool = false) {
        self.client = client
        self.upstreamDecides = upstreamDecides
        self.startsTLS = startsTLS
    }
}

/// The login at an upstream: bytes in, decisions out.
public protocol UpstreamDialogue: Sendable {
    /// What the session is doing now, as a log line ends: `reading response from upstream`,
    /// `sending user name to upstream` … (`mail-proxy.md`, section 8).
    var activity: StaticString { get }

    /// Reads one reply line, or more where the decision needs more, from the first byte of `input` on.
    /// Called again at once while bytes remain and the answer is not `.awaitInput`.
    mutating func receive(_ input: Span<UInt8>) -> UpstreamStep
}

public struct UpstreamStep: Sendable {
    public let byteCount: Int
    public let action: UpstreamAction

    public init(byteCount: Int, _ action: UpstreamAction) {
        self.byteCount = byteCount
        self.action = action
    }
}

/// Why TLS cannot begin at an upstream.
public enum StartTLSFault: Sendable, Equatable {
    case notOffered
    case refused(reply: [UInt8])
    /// What it said is no reply to what it was asked.
    case invalid(reply: [UInt8])
    /// Something came in the clear behind the reply that lets TLS begin.
    case saidMore
}

public enum UpstreamAction: Sendable, Equatable {
    /// The reply is not complete.
    case awaitInput
    /// A line that changes nothing was read; go on.
    case skip
    /// Send this and await the reply.
    case send(Secret)
    /// Let the handshake begin, and when it is done ask again, with whatever has come since.
    case startTLS
    /// TLS must begin and cannot, so that nothing more may be said.
    case cannotStartTLS(StartTLSFault)
    /// The upstream is logged in. `reply` is the first thing the client hears of it.
    case accepted(reply: [UInt8])
    /// The upstream refused the credentials themselves, with this whole reply.
    case refused(reply: [UInt8], saslError: [UInt8]?)
    /// The upstream said something that no login can follow, this whole reply.
    case failed(reply: [UInt8])
    /// The login needs a password and there is none.
    case noPassword
    /// Login or password hold bytes that would end a line or field of this protocol early. Nothing of
    /// them has been said, and the client's login is refused.
    case unspeakable
    /// More than any login needs came before a decision.
    case tooLong
}
