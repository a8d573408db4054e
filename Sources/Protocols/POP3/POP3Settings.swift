package import Configuration

/// What one server block says of POP3 (`mail-directives.md`, section 5).
package struct POP3Settings: SettingsGroup {
    /// Keywords of SASL mechanisms, and `apop`. There is no `login` here: `plain` means both.
    @Setting package var auth = [Plain.keyword]
    @Setting package var capabilities: [Word] = ["TOP", "USER", "UIDL"]

    package init() {}

    package static let directives: [Directive<Self>] = []
}
