public import Configuration
import Kernel
public import Protocols

/// How a session logs in at its upstream and relays to it.
public struct ProxySettings: SettingsGroup {
    @Setting public var bufferSize = OwnProcess.pageSize
    /// How long a relay may be silent in both directions.
    @Setting public var timeout = Duration.seconds(24 * 60 * 60)
    /// Whether the client hears in the upstream's own words why its login failed.
    @Setting public var passesErrorMessage = false
    @Setting public var authenticatesSMTP = false
    /// Nil where no file says: an upstream that an auth server names is then told by `XCLIENT` who the
    /// client is, one of `proxy_pass` is not.
    @Setting public var sendsXCLIENT: Bool?
    /// `proxy`: nginx has never looked at it.
    @Setting public var isProxied = true
    @Setting public var header = Header.none
    /// Whether upstreams of IMAP and POP3 are told by `ID` and `XCLIENT` who the client is.
    @Setting public var passesClientID = false
    /// Where the auth server does not say otherwise.
    @Setting public var security = UpstreamSecurity.off

    /// What is said of the client at the start of an upstream's connection.
    public enum Header: Sendable { case none, v1, v2 }

    public init() {}

    public static let directives: [Directive<Self>] = [
        .size("proxy_buffer", in: [.mail, .server], sets: \.$bufferSize, atLeast: 1, atMost: 1 << 30),
        .duration("proxy_timeout", in: [.mail, .server], sets: \.$timeout),
        .flag("proxy_pass_error_message", in: [.mail, .server], sets: \.$passesErrorMessage),
        .flag("proxy_smtp_auth", in: [.mail, .server], sets: \.$authenticatesSMTP),
        .flag("xclient", in: [.mail, .server], sets: \.$sendsXCLIENT),
        .flag("proxy", in: [.mail, .server], sets: \.$isProxied),
        .choice("proxy_protocol", of: ["off": .none, "on": .v1, "v2": .v2], in: [.mail, .server], sets: \.$header),
        .flag("proxy_client_id", in: [.mail, .server], sets: \.$passesClientID),
        .choice("proxy_ssl", of: UpstreamSecurity.words, in: [.mail, .server], sets: \.$security),
    ]
}
