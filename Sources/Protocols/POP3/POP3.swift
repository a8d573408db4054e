public import Configuration

/// POP3 with the settings of one server block (`mail-pop3.md`).
public final class POP3: MailProtocol {
    public static let name = "pop3"
    public static let wellKnownPorts: [UInt16] = [110, 995]
    public static let implicitTLSPort: UInt16 = 995
    public static var settings: any SettingsGroup.Type { POP3Settings.self }

    let policy: DialoguePolicy
    /// The words of `pop3_auth`.
    let auth: [String]
    /// APOP is no SASL mechanism, but has a word in `pop3_auth`.
    let acceptsAPOP: Bool
    public let usesChallenge: Bool
    /// The answers to CAPA, and to AUTH without an argument.
    let capabilities: POP3CapabilityLists
    let mechanismList: [UInt8]

    public init(_ settings: Settings, policy: DialoguePolicy) {
        self.policy = policy
        let settings = settings[POP3Settings.self]
        // `pop3_auth plain` shows LOGIN too, which has no word of its own there.
        auth = settings.auth + (settings.auth.contains(Plain.keyword) ? [Login.keyword] : [])
        acceptsAPOP = auth.contains(AuthMethod.apop.rawValue)
        usesChallenge = acceptsAPOP || auth.contains(CRAMMD5.keyword)
        let mechanisms = enabledMechanisms(auth).map { $0.name }
        capabilities = POP3CapabilityLists(settings.capabilities, mechanisms: mechanisms, startTLS: policy.startTLS)
        mechanismList = POP3Reply.list("+OK methods supported:", mechanisms.map { Array($0.utf8) })
    }

    /// A fixed buffer of a page: SASL responses and tokens do not fit into nginx's 128 bytes.
    public var clientBufferSize: Int { 4096 }
    public var greetingDelay: Duration? { nil }
    public var tellsClientHost: Bool { false }
    public var mayTrustProxy: Bool { false }
    public var needsAuthServer: [String] {
        let mechanisms = enabledMechanisms(auth).filter { $0.needsAuthServer }.map { $0.keyword }
        return ((acceptsAPOP ? [AuthMethod.apop.rawValue] : []) + mechanisms).map { "pop3_auth \($0)" }
    }

    public func makeClientDialogue(_ start: DialogueStart) -> any ClientDialogue {
        POP3ClientDialogue(of: self, start)
    }
}

/// The answers to CAPA (`mail-pop3.md`, section 4; RFC 2449, section 5).
struct POP3CapabilityLists: Sendable {
    /// Over TLS, without STLS, or after USER.
    let full: [UInt8]
    /// In the clear, before USER.
    let inTheClear: [UInt8]

    init(_ words: [[UInt8]], mechanisms: [String], startTLS: StartTLS) {
        let sasl = Array((["SASL"] + mechanisms).joined(separator: " ").utf8)
        let stls = Array("STLS".utf8)
        full = Self.list(words + [sasl])
        inTheClear =
            switch startTLS {
            case .off: full
            case .on: Self.list(words + [sasl, stls])
            case .only: Self.list(words.filter { !$0.span.isKeyword("USER", in: $0.indices) } + [stls])
            }
    }

    private static func list(_ entries: [[UInt8]]) -> [UInt8] {
        POP3Reply.list("+OK Capability list follows", entries)
    }
}
