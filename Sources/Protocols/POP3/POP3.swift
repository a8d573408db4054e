package import Configuration

/// To be written.
package struct POP3: MailProtocol {
    package static let name = "pop3"
    package static let wellKnownPorts: [UInt16] = [110, 995]
    package static var settings: any SettingsGroup.Type { POP3Settings.self }
    package init(_ settings: Settings, policy: DialoguePolicy) {}
    package var clientBufferSize: Int { 4096 }
    package var greetingDelay: Duration? { nil }
    package var usesChallenge: Bool { false }
    package var tellsClientHost: Bool { false }
    package var needsAuthServer: [String] { [] }
    package func makeClientDialogue(_ start: DialogueStart) -> any ClientDialogue { preconditionFailure("to be written") }
}
