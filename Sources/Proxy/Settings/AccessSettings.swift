package import Configuration

/// Whose word is taken for a client's address, and who may be a client at all.
package struct AccessSettings: SettingsGroup {
    /// `set_real_ip_from`: those whose PROXY header is believed.
    @Setting package var trustedProxies: [Network] = []
    /// `allow` and `deny`: the first that matches decides.
    @Setting package var rules: [Rule] = []
    @Setting package var connectionLimits: [ConnectionLimit] = []
    @Setting package var failureLimit: Int?

    package struct Rule: Sendable, Equatable {
        package let isAllowed: Bool
        /// Empty stands for everybody.
        package let networks: [Network]
    }

    /// How many connections one address may have.
    package struct ConnectionLimit: Sendable, Equatable {
        package let zone: String
        package let count: Int
    }

    package init() {}

    package static let directives: [Directive<Self>] = [
        .custom(
            "set_real_ip_from", in: [.mail, .server], takes: .exactly(1), inherits: \.$trustedProxies,
            handler: { (group, call) throws(DirectiveFault) in
                group.$trustedProxies.append(contentsOf: try Network.networks(call.words[0], in: call))
            }),
        rule("allow", isAllowed: true),
        rule("deny", isAllowed: false),
        .custom(
            "limit_conn", in: [.mail, .server], takes: .exactly(2), inherits: \.$connectionLimits,
            handler: { (group, call) throws(DirectiveFault) in
                group.$connectionLimits.append(contentsOf: [try limit(zone: call.words[0], count: call.words[1])])
            }
        ).supporting(),
        .number("auth_failure_limit", in: [.mail, .server], sets: \.$failureLimit).supporting(),
    ]

    private static func rule(_ name: String, isAllowed: Bool) -> Directive<Self> {
        Directive.custom(
            name, in: [.mail, .server], takes: .exactly(1), inherits: \.$rules,
            handler: { (group, call) throws(DirectiveFault) in
                let networks = call.words[0] == "all" ? [] : try Network.networks(call.words[0], in: call)
                group.$rules.append(contentsOf: [Rule(isAllowed: isAllowed, networks: networks)])
            }
        ).supporting()
    }

    private static func limit(zone: Word, count: Word) throws(DirectiveFault) -> ConnectionLimit {
        guard let number = count.number, (1...65535).contains(number) else {
            throw .message("invalid number of connections \"\(count.printed)\"")
        }
        return ConnectionLimit(zone: zone.text, count: number)
    }
}
