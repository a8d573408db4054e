public import Configuration

/// What concerns sessions as a whole.
public struct MailSettings: SettingsGroup {
    /// For everything before login, and for the login at the upstream.
    @Setting public var timeout = Duration.seconds(60)
    /// Who is asked for names and addresses while serving; nil: nobody.
    @Setting public var resolver: Resolver?
    /// For one name.
    @Setting public var resolverTimeout = Duration.seconds(30)
    @Setting public var keepsConnectionsAlive = false

    public init() {}

    public static let directives: [Directive<Self>] = [
        .duration("timeout", in: [.mail, .server], sets: \.$timeout),
        .custom(
            "resolver", in: [.mail, .server], takes: .atLeast(1), sets: \.$resolver,
            handler: { (call) throws(DirectiveFault) in
                call.words[0] == "off" ? nil : try Resolver(call.words, at: call.position)
            }),
        .duration("resolver_timeout", in: [.mail, .server], sets: \.$resolverTimeout),
        .flag("so_keepalive", in: [.mail, .server], sets: \.$keepsConnectionsAlive)
            .warning(
                "the \"so_keepalive\" directive is deprecated, "
                    + "use the \"so_keepalive\" parameter of the \"listen\" directive instead"),
    ]
}
