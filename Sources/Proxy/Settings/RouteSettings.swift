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

    /// An upstream without a port gets that of the server's protocol.
    package mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
        guard block == .server else { return }
        switch route {
        case nil:
            throw ConfigurationError("no \"auth_http\" is defined for server", at: position)
        case .upstream(let address) where address.port == 0:
            let name = settings[ListenSettings.self].protocolName
            let port = mailProtocols.first { $0.name == name }?.wellKnownPorts.first
            route = .upstream(address.with(port: port ?? 0))
        case .authServer, .upstream: break
        }
    }

    private static func upstream(_ word: Word) throws(DirectiveFault) -> SocketAddress {
        do throws(AddressFault) {
            return try AddressText(word.bytes, as: .server).first()
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
    case upstream(SocketAddress)
}

/// An auth server, as `auth_http` names it.
package struct AuthServer: Sendable, Equatable {
    /// The first of a name's addresses, found when the configuration is loaded.
    package let address: SocketAddress
    /// For the `Host` header: without port, an IPv6 address in brackets, `localhost` for a UNIX socket.
    package let host: [UInt8]
    /// Path and query.
    package let uri: [UInt8]

    package init(address: SocketAddress, host: [UInt8], uri: [UInt8]) {
        self.address = address
        self.host = host
        self.uri = uri
    }

    fileprivate init(_ call: DirectiveCall) throws(DirectiveFault) {
        let word = call.words[0]
        if word.value(after: "https://") != nil { throw .notSupported(call.text) }
        let url = word.value(after: "http://") ?? word
        do throws(AddressFault) {
            let text = try AddressText(url.bytes, as: .url)
            address = try text.first(defaultPort: 80)
            host = address.isUnix ? Array("localhost".utf8) : text.hostText
            uri = text.uri.first == UInt8(ascii: "/") ? text.uri : Array("/".utf8) + text.uri
        } catch {
            throw .message("\(error.rawValue) in auth_http \"\(url.printed)\"")
        }
    }
}
