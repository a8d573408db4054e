public import Configuration
import Kernel
import Protocols

/// How a server finds the mailbox of whom it serves: `auth_http` and `proxy_pass` are two ways to set
/// one thing, so either on a server takes the place of what it would inherit.
public struct RouteSettings: SettingsGroup {
    /// Nil only until a server has been finished.
    @Setting public var route: Route?
    /// What is wrong with the route where no name server can be asked.
    @Setting private var unknownHost: ConfigurationError?

    public init() {}

    public static let directives: [Directive<Self>] = [
        Directive(
            "auth_http", in: [.mail, .server], takes: .atLeast(1),
            apply: { (group, call) throws(DirectiveFault) in
                if case .upstream = group.ownRoute { throw .directive("conflicts with \"proxy_pass\"") }
                for word in call.words { try group.add(word, at: call.position) }
            }, inherit: inherit),
        Directive(
            "proxy_pass", in: [.mail, .server], takes: .exactly(1),
            apply: { (group, call) throws(DirectiveFault) in
                switch group.ownRoute {
                case .authServers: throw .directive("conflicts with \"auth_http\"")
                case .upstream: throw .duplicate
                case nil: try group.set(call.words[0], at: call.position)
                }
            }, inherit: inherit),
    ]

    private static let inherit: @Sendable (inout Self, Self) -> Void = { group, outer in
        if !group.$route.isSet { group.$unknownHost = outer.$unknownHost }
        group.$route.inherit(from: outer.$route)
    }

    /// What this block has said itself.
    private var ownRoute: Route? { $route.isSet ? route : nil }

    /// Adds an auth server to those that the block has named before.
    private mutating func add(_ word: Word, at position: Position) throws(DirectiveFault) {
        let (server, text) = try AuthServer.read(word)
        note(server.host, "host not found in auth_http \"\(text.printed)\"", at: position)
        if case .authServers(let earlier) = ownRoute {
            $route.set(.authServers(earlier + [server]))
        } else {
            $route.set(.authServers([server]))
        }
    }

    private mutating func set(_ word: Word, at position: Position) throws(DirectiveFault) {
        do throws(AddressFault) {
            let host = try Host(AddressText(word.bytes, as: .server))
            note(host, "host not found in upstream \"\(word.printed)\"", at: position)
            $route.set(.upstream(host))
        } catch {
            throw .message("\(error.rawValue) in upstream \"\(word.printed)\"")
        }
    }

    private mutating func note(_ host: Host, _ text: String, at position: Position) {
        if host.addresses.isEmpty { $unknownHost.set(ConfigurationError(text, at: position)) }
    }

    /// An upstream without a port gets that of the server's protocol: the one for TLS from the first byte
    /// where `proxy_ssl on` has it spoken so.
    public mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
        guard block == .server else { return }
        if let unknownHost, settings[MailSettings.self].resolver == nil { throw unknownHost }
        switch route {
        case nil:
            throw ConfigurationError("no \"auth_http\" is defined for server", at: position)
        case .upstream(let upstream) where upstream.port == 0:
            let name = settings[ListenSettings.self].protocolName
            let mailProtocol = mailProtocols.first { $0.name == name }
            let usesTLS = settings[ProxySettings.self].security == .on
            let port = usesTLS ? mailProtocol?.implicitTLSPort : mailProtocol?.wellKnownPorts.first
            route = .upstream(upstream.with(port: port ?? 0))
        case .authServers, .upstream: break
        }
    }
}

/// Who says where a mailbox lives.
public enum Route: Sendable, Equatable {
    /// One of these is asked, at each login: the first that can be.
    case authServers([AuthServer])
    /// All mailboxes live there, and it judges logins itself.
    indirect case upstream(Host)

    /// Whether an auth server's URL says `https`.
    var asksByTLS: Bool {
        if case .authServers(let servers) = self { return servers.contains(where: \.usesTLS) }
        return false
    }
}

/// An auth server, as `auth_http` names it.
public final class AuthServer: Sendable, Equatable {
    public let host: Host
    /// `https`.
    public let usesTLS: Bool
    /// What each question to it begins with.
    let opening: AuthRequest.Opening

    /// - Parameters:
    ///   - hostHeader: without port, an IPv6 address in brackets, `localhost` for a UNIX socket.
    ///   - uri: path and query.
    public init(host: Host, hostHeader: [UInt8], uri: [UInt8], usesTLS: Bool = false) {
        self.host = host
        self.usesTLS = usesTLS
        opening = AuthRequest.Opening(uri: uri, host: hostHeader)
    }

    public static func == (left: AuthServer, right: AuthServer) -> Bool {
        left.host == right.host && left.usesTLS == right.usesTLS && left.opening == right.opening
    }

    /// - Returns: the server, and its URL as messages quote it, without its scheme.
    fileprivate static func read(_ word: Word) throws(DirectiveFault) -> (AuthServer, text: Word) {
        let secureURL = word.value(after: "https://")
        let url = secureURL ?? word.value(after: "http://") ?? word
        let usesTLS = secureURL != nil
        do throws(AddressFault) {
            let text = try AddressText(url.bytes, as: .url)
            let host = try Host(text, defaultPort: usesTLS ? 443 : 80)
            let isPath = if case .path = text.host { true } else { false }
            let server = AuthServer(
                host: host, hostHeader: isPath ? Array("localhost".utf8) : text.hostText,
                uri: text.uri.first == UInt8(ascii: "/") ? text.uri : Array("/".utf8) + text.uri, usesTLS: usesTLS)
            return (server, url)
        } catch {
            throw .message("\(error.rawValue) in auth_http \"\(url.printed)\"")
        }
    }
}
