public import Kernel

/// One `allow` or `deny`.
public struct AccessRule: Sendable, Equatable {
    public let isAllowed: Bool
    /// Nil: everybody.
    public let network: Network?

    func concerns(_ address: SocketAddress) -> Bool { network?.contains(address) ?? true }
}

extension [AccessRule] {
    /// Whether a client may come in: the first rule that is about its address says so, and where there is
    /// none, everybody may.
    public func admit(_ address: SocketAddress) -> Bool { first { $0.concerns(address) }?.isAllowed ?? true }
}
