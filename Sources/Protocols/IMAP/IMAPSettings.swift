public import Configuration

/// What one server block says of IMAP (`mail-directives.md`, section 5).
public struct IMAPSettings: SettingsGroup {
    /// Keywords of SASL mechanisms.
    @Setting public var auth = [Plain.keyword]
    /// Printed as they are, in this order.
    @Setting public var capabilities: [[UInt8]] = ["IMAP4", "IMAP4rev1", "UIDPLUS"].map { Array($0.utf8) }
    /// One memory page.
    @Setting public var clientBuffer = 4096

    public init() {}

    public static let directives: [Directive<Self>] = [
        .bitmask("imap_auth", of: saslMechanisms.map { $0.keyword }, in: [.mail, .server], sets: \.$auth),
        .words("imap_capabilities", in: [.mail, .server], sets: \.$capabilities),
        .size("imap_client_buffer", in: [.mail, .server], sets: \.$clientBuffer, atLeast: 1, atMost: 1 << 30),
    ]
}
