package import Configuration

package struct IMAPSettings: SettingsGroup {
    package init() {}
    package static let directives: [Directive<Self>] = []
}
