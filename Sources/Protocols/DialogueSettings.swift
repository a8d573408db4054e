public import Configuration

/// What every dialogue of a server goes by, whatever its protocol.
public struct DialogueSettings: SettingsGroup {
    /// The name that greetings and challenges hold. Nil stands for the machine's own, also where a server
    /// gives an empty name to have it instead of an inherited one.
    @Setting public var serverName: [UInt8]?
    @Setting public var startTLS = StartTLS.off
    @Setting public var maxErrors = 5
    @Setting public var maxCommands = 1000

    public init() {}

    public static let directives: [Directive<Self>] = [
        .custom(
            "server_name", in: [.mail, .server], takes: .exactly(1), sets: \.$serverName,
            handler: { (call) throws(DirectiveFault) in try name(call.words[0]) }),
        .choice(
            "starttls", of: ["off": .off, "on": .on, "only": .only], in: [.mail, .server], sets: \.$startTLS
        ),
        .number("max_errors", in: [.mail, .server], sets: \.$maxErrors),
        .number("max_commands", in: [.mail, .server], sets: \.$maxCommands),
    ]

    /// A name goes into lines of every protocol, so it may hold nothing that could end one.
    private static func name(_ word: Word) throws(DirectiveFault) -> [UInt8]? {
        guard word.bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { throw .invalidValue(word) }
        return word.bytes.isEmpty ? nil : word.bytes
    }
}
