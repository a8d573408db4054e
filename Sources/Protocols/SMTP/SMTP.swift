public import Configuration

/// SMTP with the settings of one server block (`mail-smtp.md`).
public final class SMTP: MailProtocol {
    public static let name = "smtp"
    public static let wellKnownPorts: [UInt16] = [25, 465, 587]
    public static let implicitTLSPort: UInt16 = 465
    public static var settings: any SettingsGroup.Type { SMTPSettings.self }

    let policy: DialoguePolicy
    /// The words of `smtp_auth`.
    let auth: [String]
    public let usesChallenge: Bool
    let greeting: [UInt8]
    /// The answer to HELO, and those to EHLO.
    let helloReply: [UInt8]
    let capabilities: SMTPCapabilityLists
    /// The same, for a proxy that may say who its client is.
    let capabilitiesForProxies: SMTPCapabilityLists
    /// How the server greets its upstreams.
    let upstreamHello: SMTPHello
    public let clientBufferSize: Int
    public let greetingDelay: Duration?

    public init(_ settings: Settings, policy: DialoguePolicy) {
        self.policy = policy
        let settings = settings[SMTPSettings.self]
        auth = settings.auth
        usesChallenge = auth.contains(CRAMMD5.keyword)
        greeting = SMTPReply.greeting(of: policy.serverName)
        helloReply = SMTPReply.line("250 ", policy.serverName)
        capabilities = SMTPCapabilityLists(settings, policy: policy)
        let xclient = (["XCLIENT"] + Self.knownAttributes.map(\.word)).joined(separator: " ")
        capabilitiesForProxies = SMTPCapabilityLists(settings, policy: policy, more: [Array(xclient.utf8)])
        upstreamHello = SMTPHello(of: policy.serverName)
        clientBufferSize = settings.clientBuffer
        greetingDelay = settings.greetingDelay > .zero ? settings.greetingDelay : nil
    }

    /// What a proxy may say of its client: all that Postfix documents, and Dovecot's attributes that have a use here.
    static let knownAttributes: [XClientAttribute] = [
        .name, .address, .port, .proto, .helo, .login, .destinationAddress, .destinationPort, .hopsLeft, .session,
    ]

    public func printableByteCount(of input: Span<UInt8>) -> Int { SMTPCommand.byteCountWithoutPassword(of: input) }
    public var tellsClientHost: Bool { true }
    public var mayTrustProxy: Bool { true }
    public var needsAuthServer: [String] {
        enabledMechanisms(auth).filter { $0.needsAuthServer }.map { "smtp_auth \($0.keyword)" }
    }

    /// Whether messages are taken without a login (`mail-smtp.md`, section 6).
    var takesMailWithoutLogin: Bool { auth.contains(AuthMethod.none.rawValue) }

    public func makeClientDialogue(_ start: DialogueStart) -> any ClientDialogue {
        SMTPClientDialogue(of: self, start)
    }
}

/// The answers to EHLO (`mail-smtp.md`, section 4; RFC 5321, section 4.1.1.1).
struct SMTPCapabilityLists: Sendable {
    /// Also where TLS can begin no longer.
    let overTLS: [UInt8]
    let inTheClear: [UInt8]

    /// - Parameter more: what is offered with logins, and so only under TLS where those are.
    init(_ settings: SMTPSettings, policy: DialoguePolicy, more: [[UInt8]] = []) {
        let mechanisms = enabledMechanisms(settings.auth).map { $0.name }
        let auth = mechanisms.isEmpty ? [] : [Array((["AUTH"] + mechanisms).joined(separator: " ").utf8)]
        let startTLS = [Array("STARTTLS".utf8)]
        let entries = [policy.serverName] + settings.capabilities
        overTLS = Self.reply(entries + more + auth)
        inTheClear =
            switch policy.startTLS {
            case .off: overTLS
            case .on: Self.reply(entries + more + auth + startTLS)
            case .only: Self.reply(entries + startTLS)
            }
    }

    /// Every line but the last has a hyphen after the code.
    private static func reply(_ lines: [[UInt8]]) -> [UInt8] {
        lines.dropLast().flatMap { SMTPReply.line("250-", $0) } + SMTPReply.line("250 ", lines.last ?? [])
    }
}
