public import Configuration

/// Whose word is taken for a client's address, and who may be a client at all.
public struct AccessSettings: SettingsGroup {
    /// `set_real_ip_from`: those whose PROXY header is believed.
    @Setting public var trustedProxies: [Network] = []
    /// `allow` and `deny`, in the order of the file.
    @Setting public var rules: [AccessRule] = []

    public init() {}

    public static let directives: [Directive<Self>] = [
        .custom(
            "set_real_ip_from", in: [.mail, .server], takes: .exactly(1), inherits: \.$trustedProxies,
            handler: { (group, call) throws(DirectiveFault) in
                group.$trustedProxies.append(contentsOf: try Network.networks(call.words[0], in: call))
            }),
        rule("allow", isAllowed: true),
        rule("deny", isAllowed: false),
    ]

    private static func rule(_ name: String, isAllowed: Bool) -> Directive<Self> {
        .custom(
            name, in: [.mail, .server], takes: .exactly(1), inherits: \.$rules,
            handler: { (group, call) throws(DirectiveFault) in
                let network = call.words[0] == "all" ? nil : try Network.network(call.words[0], in: call)
                group.$rules.append(contentsOf: [AccessRule(isAllowed: isAllowed, network: network)])
            })
    }
}
