import Kernel
import Protocols

/// Who the client is, as far as we know by now: what the auth server, the upstream and the log are told.
struct ClientIdentity {
    /// The machine at the other end of the socket: the client, or a balancer before it.
    let peer: SocketAddress
    /// Where the client is: the peer, unless one that is trusted says otherwise.
    var address: SocketAddress
    /// The client's name in the DNS, or why there is none; only SMTP speaks of it
    /// (`mail-extras.md`, section 3).
    var hostName = HostName.unavailable
    /// What a PROXY header has told, believed or not: the auth server may judge by itself.
    private(set) var proxyHeader: ProxyHeader.Addresses?
    /// The TLS that the client speaks with a balancer that is trusted.
    private(set) var tls: ClientTLS?

    init(peer: SocketAddress) {
        self.peer = peer.unmapped
        address = self.peer
    }

    /// Takes a balancer's word for who the client is, if it is trusted and says an address.
    mutating func adopt(_ header: ProxyHeader, isTrusted: Bool) {
        proxyHeader = header.addresses
        guard isTrusted else { return }
        tls = header.tls
        if let source = header.addresses?.source.endpoint { address = SocketAddress(source).unmapped }
    }

    enum HostName {
        /// The address leads to the name, and the name to the address.
        case confirmed([UInt8])
        /// Nobody knows a name, or it is not asked for.
        case unavailable
        /// Whoever could know a name did not answer.
        case temporarilyUnavailable

        /// As `XCLIENT NAME` and `Client-Host` tell it.
        var bytes: [UInt8] {
            switch self {
            case .confirmed(let name): name
            case .unavailable: Array("[UNAVAILABLE]".utf8)
            case .temporarilyUnavailable: Array("[TEMPUNAVAIL]".utf8)
            }
        }
    }
}

extension SocketAddress {
    init(_ endpoint: Endpoint) {
        switch endpoint.address {
        case .ipv4(let bits): self = .ipv4(bits, port: endpoint.port)
        case .ipv6(let high, let low): self = .ipv6(high, low, port: endpoint.port)
        }
    }

    /// Nil for a socket in the file system.
    var endpoint: Endpoint? {
        switch self {
        case .ipv4(let bits, let port): Endpoint(.ipv4(bits), port: port)
        case .ipv6(let high, let low, let port): Endpoint(.ipv6(high, low), port: port)
        case .unix: nil
        }
    }
}
