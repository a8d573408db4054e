import Kernel

/// Who the client is, as far as we know by now: what the auth server, the upstream and the log are told.
struct ClientIdentity {
    /// The machine at the other end of the socket: the client, or a balancer before it.
    let peer: SocketAddress
    /// Where the client is: the peer, unless one that is trusted says otherwise.
    var address: SocketAddress
    /// The client's name in the DNS, or why there is none; only SMTP speaks of it
    /// (`mail-extras.md`, section 3).
    var hostName = HostName.unavailable

    init(peer: SocketAddress) {
        self.peer = peer.unmapped
        address = self.peer
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
            case .unavailable: Self.unavailableText
            case .temporarilyUnavailable: Self.temporarilyUnavailableText
            }
        }

        private static let unavailableText = Array("[UNAVAILABLE]".utf8)
        private static let temporarilyUnavailableText = Array("[TEMPUNAVAIL]".utf8)
    }
}
