public import Kernel

/// What a session's log lines end in, in nginx's words and order (`logging.md`, section 2).
public struct LogContext: Sendable {
    /// The session's number, unique over all workers.
    public let connection: UInt64
    /// The client's address without port.
    public var client: String
    /// The listener's address, as configured.
    public let server: String
    public var login: [UInt8] = []
    /// Where it leads, as text only where it is told.
    public var upstream: SocketAddress?
    public var usesStartTLS = false
    /// What the session is doing: ` while …`; nil where nginx says nothing.
    public var activity: StaticString?

    public init(connection: UInt64, client: String, server: String, activity: StaticString? = nil) {
        self.connection = connection
        self.client = client
        self.server = server
        self.activity = activity
    }

    /// The session's number alone, for the line that precedes all context.
    public static func numbered(_ connection: UInt64) -> LogContext {
        LogContext(connection: connection, client: "", server: "")
    }

    var text: String {
        if client.isEmpty { return "" }
        var text = activity.map { " while \($0)" } ?? ""
        text += ", client: \(client)\(usesStartTLS ? " using starttls" : ""), server: \(server)"
        if let login = self[.login] { text += ", login: \"\(login)\"" }
        if let upstream = self[.upstream] { text += ", upstream: \(upstream)" }
        return text
    }

    /// What of it has a name, in JSON and in `filter=`.
    public enum Property: String, Sendable, CaseIterable {
        case action, client, server, starttls, login, upstream
    }

    /// A property's value; nil where there is none.
    subscript(_ property: Property) -> String? {
        if client.isEmpty { return nil }
        return switch property {
        case .action: activity?.description
        case .client: client
        case .server: server
        case .starttls: usesStartTLS ? "true" : nil
        case .login: login.isEmpty ? nil : String(decoding: login, as: UTF8.self)
        // nginx puts no brackets around an IPv6 address here.
        case .upstream: upstream.map { if case .ipv6 = $0 { "\($0.host):\($0.port)" } else { "\($0)" } }
        }
    }
}
