package import Configuration
package import Kernel
import Protocols

/// How a server finds the mailbox of whom it serves: `auth_http` and `proxy_pass` are two ways to set
/// one thing, so either on a server takes the place of what it would inherit.
package struct RouteSettings: SettingsGroup {
    /// Nil only until a server has been finished.
    @Setting package var route: Route?

    package init() {}

    package static let directives: [Directive<Self>] = [
        .custom(
            "auth_http", in: [.mail, .server], takes: .exactly(1), inherits: \.$route,
            handler: { (group, call) throws(DirectiveFault) in
                // Given twice, the last one counts, as in nginx.
                if case .upstream = group.ownRoute { throw .directive("conflicts with \"proxy_pass\"") }
                group.$route.set(.authServer(try AuthServer(call)))
            }),
        .custom(
            "proxy_pass", in: [.mail, .server], takes: .exactly(1), inherits: \.$route,
            handler: { (group, call) throws(DirectiveFault) in
                switch group.ownRoute {
                case .authServer: throw .directive("conflicts with \"auth_http\"")
                case .upstream: throw .duplicate
                case nil: group.$route.set(.upstream(try upstream(call.words[0])))
                }
            }),
    ]

    /// What this block has said itself.
    private var ownRoute: Route? { $route.isSet ? route : nil }

    /// An upstream without a port gets that of the server's protocol: the one for TLS from the first byte
    /// where `proxy_ssl on` has it spoken so.
    package mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
        guard block == .server else { return }
        switch route {
        case nil:
            throw ConfigurationError("no \"auth_http\" is defined for server", at: position)
        case .upstream(let upstream) where upstream.address.port == 0:
            let name = settings[ListenSettings.self].protocolName
            let mailProtocol = mailProtocols.first { $0.name == name }
            let usesTLS = settings[ProxySettings.self].security == .on
            let port = usesTLS ? mailProtocol?.implicitTLSPort : mailProtocol?.wellKnownPorts.first
            route = .upstream(Upstream(address: upstream.address.with(port: port ?? 0), name: upstream.name))
        case .authServer, .upstream: break
        }
    }

    private static func upstream(_ word: Word) throws(DirectiveFault) -> Upstream {
        do throws(AddressFault) {
            let text = try AddressText(word.bytes, as: .server)
            return Upstream(address: try text.first(), name: text.hostName)
        } catch {
            throw .message("\(error.rawValue) in upstream \"\(word.printed)\"")
        }
    }
}

/// Who says where a mailbox lives.
package enum Route: Sendable, Equatable {
    /// An auth server is asked, at each login.
    case authServer(AuthServer)
    /// All mailboxes live there, and it judges logins itself.
    case upstream(Upstream)

    /// Whether the auth server's URL says `https`.
    var asksByTLS: Bool {
        if case .authServer(let authServer) = self { return authServer.usesTLS }
        return false
    }
}

/// A server where mailboxes live.
package struct Upstream: Sendable, Equatable {
    package let address: SocketAddress
    /// What it is called, which its certificate is held to.
    package let name: String

    package init(address: SocketAddress, name: String) {
        self.address = address
        self.name = name
    }
}

/// An auth server, as `auth_http` names it.
package struct AuthServer: Sendable, Equatable {
    /// The first of a name's addresses, found when the configuration is loaded.
    package let address: SocketAddress
    /// For the `Host` header: without port, an IPv6 address in brackets, `localhost` for a UNIX socket.
    package let host: [UInt8]
    /// The same without brackets, which its certificate is held to.
    package let name: String
    /// Path and query.
    package let uri: [UInt8]
    /// `https`.
    package let usesTLS: Bool

    package init(address: SocketAddress, host: [UInt8], name: String, uri: [UInt8], usesTLS: Bool = false) {
        self.address = address
        self.host = host
        self.name = name
        self.uri = uri
        self.usesTLS = usesTLS
    }

    fileprivate init(_ call: DirectiveCall) throws(DirectiveFault) {
        let word = call.words[0]
        let secureURL = word.value(after: "https://")
        let url = secureURL ?? word.value(after: "http://") ?? word
        usesTLS = secureURL != nil
        do throws(AddressFault) {
            let text = try AddressText(url.bytes, as: .url)
            address = try text.first(defaultPort: usesTLS ? 443 : 80)
            host = address.isUnix ? Array("localhost".utf8) : text.hostText
            name = text.hostName
            uri = text.uri.first == UInt8(ascii: "/") ? text.uri : Array("/".utf8) + text.uri
        } catch {
            throw .message("\(error.rawValue) in auth_http \"\(url.printed)\"")
        }
    }
}

extension AddressText {
    /// The address that is used where there may be but one.
    func first(defaultPort: UInt16 = 0) throws(AddressFault) -> SocketAddress {
        guard let first = try addresses(defaultPort: defaultPort).first else { throw .hostNotFound }
        return first
    }
}
