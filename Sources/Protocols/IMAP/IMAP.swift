public import Configuration

/// IMAP with the settings of one server block (`mail-imap.md`).
public final class IMAP: MailProtocol {
    public static let name = "imap"
    public static let wellKnownPorts: [UInt16] = [143, 993]
    public static let implicitTLSPort: UInt16 = 993
    public static var settings: any SettingsGroup.Type { IMAPSettings.self }

    let policy: DialoguePolicy
    /// The words of `imap_auth`.
    let auth: [String]
    let capabilities: IMAPCapabilityLines
    /// The same, for a proxy that may say who its client is, and does only where ID is offered.
    let capabilitiesForProxies: IMAPCapabilityLines
    public let clientBufferSize: Int

    public init(_ settings: Settings, policy: DialoguePolicy) {
        self.policy = policy
        let settings = settings[IMAPSettings.self]
        auth = settings.auth
        capabilities = IMAPCapabilityLines(settings.capabilities, settings.auth, startTLS: policy.startTLS)
        let hasID = settings.capabilities.contains { $0.span.isKeyword("ID", in: $0.indices) }
        capabilitiesForProxies = IMAPCapabilityLines(
            settings.capabilities + (hasID ? [] : [Array("ID".utf8)]), settings.auth, startTLS: policy.startTLS)
        clientBufferSize = settings.clientBuffer
    }

    public var greetingDelay: Duration? { nil }
    public var usesChallenge: Bool { auth.contains(CRAMMD5.keyword) }
    public var tellsClientHost: Bool { false }
    public var mayTrustProxy: Bool { false }
    public var needsAuthServer: [String] {
        enabledMechanisms(auth).filter { $0.needsAuthServer }.map { "imap_auth \($0.keyword)" }
    }

    public func makeClientDialogue(_ start: DialogueStart) -> any ClientDialogue {
        IMAPClientDialogue(of: self, start)
    }
}

/// The answers to CAPABILITY (`mail-imap.md`, section 5).
struct IMAPCapabilityLines: Sendable {
    let overTLS: [UInt8]
    let inTheClear: [UInt8]

    init(_ words: [[UInt8]], _ auth: [String], startTLS: StartTLS) {
        let mechanisms = enabledMechanisms(auth).map { Array("AUTH=\($0.name)".utf8) }
        let startTLSWord = Array("STARTTLS".utf8)
        overTLS = IMAPReply.capabilities(words + mechanisms)
        inTheClear =
            switch startTLS {
            case .off: overTLS
            case .on: IMAPReply.capabilities(words + mechanisms + [startTLSWord])
            case .only: IMAPReply.capabilities(words + [startTLSWord, Array("LOGINDISABLED".utf8)])
            }
    }
}
