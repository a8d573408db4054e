/// What an upstream may be told of a client, by PROXY header, `XCLIENT` or `ID`.
public struct ClientFacts: Sendable, Equatable {
    /// Where the client is; nil where it comes through the file system.
    public var source: Endpoint?
    /// Where it has connected to; nil also where nobody is to be told.
    public var destination: Endpoint?
    /// Its host name, or `[UNAVAILABLE]`, `[TEMPUNAVAIL]`.
    public var hostName: [UInt8]
    /// Nil where the client speaks none, or nobody is to be told.
    public var tls: ClientTLS?
    /// How many proxies the session may still go through, this one not counted.
    public var hopsLeft = ClientClaim.hopsAtFirst - 1
    /// By what name the first proxy knows the session.
    public var session: [UInt8]?
    /// What proxies before us have said of the client, for whoever understands it.
    public var forwarded: [ClientField] = []

    public init(
        source: Endpoint?, destination: Endpoint? = nil, hostName: [UInt8] = Array("[UNAVAILABLE]".utf8), tls: ClientTLS? = nil
    ) {
        self.source = source
        self.destination = destination
        self.hostName = hostName
        self.tls = tls
    }

    /// For an upstream that is told nothing.
    public static let untold = ClientFacts(source: nil)

    /// All that is forwarded without a meaning of its own, the client's TLS included.
    var forwardedFields: [ClientField] {
        let own: [(String, [UInt8]?)] = [
            ("ssl_protocol", tls?.protocolVersion), ("ssl_cipher", tls?.cipher), ("ssl_server_name", tls?.serverName),
        ]
        let known = own.compactMap { (name, value) in value.map { ClientField(name: Array(name.utf8), value: $0) } }
        // Who spoke TLS with the client itself knows better.
        return forwarded + known.filter { field in !forwarded.contains { $0.name == field.name } }
    }
}

/// Something that is said of a client, or that it says of itself.
public struct ClientField: Sendable, Equatable {
    public let name: [UInt8]
    public let value: [UInt8]

    public init(name: [UInt8], value: [UInt8]) {
        self.name = name
        self.value = value
    }
}

/// What a proxy before us says of its client, by `XCLIENT` or `ID`. It is obeyed where the proxy is trusted.
public struct ClientClaim: Sendable, Equatable {
    /// Through how many proxies a session may go: as many as Dovecot allows.
    public static let hopsAtFirst = 5

    public var address: InternetAddress?
    public var port: UInt16?
    public var destination: InternetAddress?
    public var destinationPort: UInt16?
    /// Letters, digits, dots and hyphens; or `[UNAVAILABLE]`, `[TEMPUNAVAIL]`.
    public var hostName: [UInt8]?
    /// How many proxies the session may still go through, this one counted. At one it goes to no other.
    public var hopsLeft: Int?
    public var session: [UInt8]?
    public var forwarded: [ClientField] = []

    public init() {}
}
