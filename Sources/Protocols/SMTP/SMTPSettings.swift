package import Configuration

package struct SMTPSettings: SettingsGroup {
    package init() {}
    package static let directives: [Directive<Self>] = []
}
