import Kernel
import Protocols

/// Who the client is, as far as we know by now: what the auth server, the upstream and the log are told.
struct ClientIdentity {
    /// The machine at the other end of the socket: the client, or a balancer before it.
    let peer: SocketAddress
    /// Where the client is: the peer, unless one that is trusted says otherwise.
    private(set) var address: SocketAddress {
        didSet { host = address.host }
    }
    /// The same as text, without the port.
    private(set) var host: String
    /// Where the client has connected to, where a proxy says it.
    private(set) var destination: Endpoint?
    /// The client's name in the DNS, or why there is none; only SMTP speaks of it
    /// (`mail-extras.md`, section 3).
    var hostName = HostName.unavailable
    /// What a PROXY header has told, believed or not: the auth server may judge by itself.
    private(set) var proxyHeader: ProxyHeader.Addresses?
    /// The TLS that the client speaks with a balancer that is trusted.
    private(set) var tls: ClientTLS?
    /// How many proxies the session may still go through, this one counted.
    private(set) var hopsLeft = ClientClaim.hopsAtFirst
    /// By what name the first proxy knows the session.
    private(set) var session: [UInt8]?
    /// What proxies have said besides, for whoever understands it.
    private(set) var forwarded: [ClientField] = []

    init(peer: SocketAddress) {
        self.peer = peer.unmapped
        address = self.peer
        host = address.host
    }

    /// Takes a balancer's word for who the client is, if it is trusted and says an address.
    mutating func adopt(_ header: ProxyHeader, isTrusted: Bool) {
        proxyHeader = header.addresses
        guard isTrusted else { return }
        tls = header.tls
        if let source = header.addresses?.source.endpoint { address = SocketAddress(source).unmapped }
    }

    /// Takes the word of a proxy that speaks our protocol. It is one that is trusted, or there is no claim.
    mutating func adopt(_ claim: ClientClaim) {
        if let claimed = claim.address {
            address = SocketAddress(Endpoint(claimed, port: claim.port ?? 0)).unmapped
            // The name was that of the proxy.
            hostName = .unavailable
        }
        if let told = claim.hostName { hostName = HostName(told) }
        if let claimed = claim.destination { destination = Endpoint(claimed, port: claim.destinationPort ?? 0) }
        hopsLeft = claim.hopsLeft ?? hopsLeft
        session = claim.session ?? session
        if !claim.forwarded.isEmpty { forwarded = claim.forwarded }
    }

    enum HostName {
        /// The address leads to the name, and the name to the address.
        case confirmed([UInt8])
        /// Nobody knows a name, or it is not asked for.
        case unavailable
        /// Whoever could know a name did not answer.
        case temporarilyUnavailable

        /// A name, or a word for its lack, as `XCLIENT NAME` tells it.
        fileprivate init(_ told: [UInt8]) {
            switch told {
            case Self.unavailable.bytes: self = .unavailable
            case Self.temporarilyUnavailable.bytes: self = .temporarilyUnavailable
            default: self = .confirmed(told)
            }
        }

        /// As `XCLIENT NAME` and `Client-Host` tell it.
        var bytes: [UInt8] {
            switch self {
            case .confirmed(let name): name
            case .unavailable: Self.unavailableText
            case .temporarilyUnavailable: Self.temporarilyUnavailableText
            }
        }

        private static let unavailableText = Array("[UNAVAILABLE]".utf8)
        private static let temporarilyUnavailableText = Array("[TEMPUNAVAIL]".utf8)
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
