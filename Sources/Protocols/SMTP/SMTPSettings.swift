public import Configuration

/// What one server block says of SMTP (`mail-directives.md`, section 5).
public struct SMTPSettings: SettingsGroup {
    /// Keywords of SASL mechanisms, and `none`.
    @Setting public var auth = [Plain.keyword, Login.keyword]
    @Setting public var capabilities: [[UInt8]] = []
    /// One memory page.
    @Setting public var clientBuffer = 4096
    @Setting public var greetingDelay = Duration.zero

    public init() {}

    /// `none` is no mechanism: it lets messages in without a login.
    private static let authKeywords = saslMechanisms.map { $0.keyword } + [AuthMethod.none.rawValue]

    public static let directives: [Directive<Self>] = [
        .bitmask("smtp_auth", of: authKeywords, in: [.mail, .server], sets: \.$auth),
        .words("smtp_capabilities", in: [.mail, .server], sets: \.$capabilities),
        .size("smtp_client_buffer", in: [.mail, .server], sets: \.$clientBuffer, atLeast: 1, atMost: 1 << 30),
        .duration("smtp_greeting_delay", in: [.mail, .server], sets: \.$greetingDelay),
    ]
}
