public import Configuration

/// What one server block says of POP3 (`mail-directives.md`, section 5). There is no buffer size to
/// set: nginx has none either.
public struct POP3Settings: SettingsGroup {
    /// Keywords of SASL mechanisms, and `apop`.
    @Setting public var auth = [Plain.keyword]
    @Setting public var capabilities: [[UInt8]] = ["TOP", "USER", "UIDL"].map { Array($0.utf8) }

    public init() {}

    /// APOP is no SASL mechanism, but has a word; LOGIN is one and has none, `plain` means it too.
    private static let authKeywords =
        saslMechanisms.map { $0.keyword }.filter { $0 != Login.keyword } + [AuthMethod.apop.rawValue]

    public static let directives: [Directive<Self>] = [
        .bitmask("pop3_auth", of: authKeywords, in: [.mail, .server], sets: \.$auth),
        .words("pop3_capabilities", in: [.mail, .server], sets: \.$capabilities),
    ]
}
