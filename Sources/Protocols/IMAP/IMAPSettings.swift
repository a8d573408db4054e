package import Configuration

/// What one server block says of IMAP (`mail-directives.md`, section 5).
package struct IMAPSettings: SettingsGroup {
    /// Keywords of SASL mechanisms.
    @Setting package var auth = [Plain.keyword]
    /// Printed as they are, in this order.
    @Setting package var capabilities: [Word] = ["IMAP4", "IMAP4rev1", "UIDPLUS"]
    /// One memory page.
    @Setting package var clientBuffer = 4096

    package init() {}

    package static let directives: [Directive<Self>] = []
}
