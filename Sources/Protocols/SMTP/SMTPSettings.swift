package import Configuration

/// What one server block says of SMTP (`mail-directives.md`, section 5).
package struct SMTPSettings: SettingsGroup {
    /// Keywords of SASL mechanisms, and `none`.
    @Setting package var auth = [Plain.keyword, Login.keyword]
    @Setting package var capabilities: [Word] = []
    /// One memory page.
    @Setting package var clientBuffer = 4096
    @Setting package var greetingDelay = Duration.zero

    package init() {}

    package static let directives: [Directive<Self>] = []
}
