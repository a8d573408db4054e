/// What an upstream may be told of a client, by PROXY header, `XCLIENT` or `ID`.
package struct ClientFacts: Sendable, Equatable {
    /// Where the client is; nil where it comes through the file system.
    package var source: Endpoint?
    /// Where it has connected to; nil also where nobody is to be told.
    package var destination: Endpoint?
    /// Its host name, or `[UNAVAILABLE]`, `[TEMPUNAVAIL]`.
    package var hostName: [UInt8]
    /// Nil where the client speaks none, or nobody is to be told.
    package var tls: ClientTLS?
    /// How many proxies the session may still go through, this one not counted.
    package var hopsLeft = ClientClaim.hopsAtFirst - 1
    /// By what name the first proxy knows the session.
    package var session: [UInt8]?
    /// What proxies before us have said of the client, for whoever understands it.
    package var forwarded: [ClientField] = []

    package init(
        source: Endpoint?, destination: Endpoint? = nil, hostName: [UInt8] = Array("[UNAVAILABLE]".utf8), tls: ClientTLS? = nil
    ) {
        self.source = source
        self.destination = destination
        self.hostName = hostName
        self.tls = tls
    }

    /// For an upstream that is told nothing.
    package static let untold = ClientFacts(source: nil)

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
package struct ClientField: Sendable, Equatable {
    package let name: [UInt8]
    package let value: [UInt8]

    package init(name: [UInt8], value: [UInt8]) {
        self.name = name
        self.value = value
    }
}

/// What a proxy before us says of its client, by `XCLIENT` or `ID`. It is obeyed where the proxy is trusted.
package struct ClientClaim: Sendable, Equatable {
    /// Through how many proxies a session may go: as many as Dovecot allows.
    package static let hopsAtFirst = 5

    package var address: InternetAddress?
    package var port: UInt16?
    package var destination: InternetAddress?
    package var destinationPort: UInt16?
    /// Letters, digits, dots and hyphens; or `[UNAVAILABLE]`, `[TEMPUNAVAIL]`.
    package var hostName: [UInt8]?
    /// How many proxies the session may still go through, this one counted. At one it goes to no other.
    package var hopsLeft: Int?
    package var session: [UInt8]?
    package var forwarded: [ClientField] = []

    package init() {}
}
