package import Configuration

package struct POP3Settings: SettingsGroup {
    package init() {}
    package static let directives: [Directive<Self>] = []
}
