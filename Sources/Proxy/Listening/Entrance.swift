public import Kernel

/// A socket that is to be bound, and the server blocks whose clients come in by it.
///
/// Where a port's wildcard address is configured, only that is bound, and those of the port's other
/// addresses whose `listen` says something about the socket. Clients of all others come in by the wildcard,
/// and are told apart by the address they connected to (`mail-directives.md`, section 3).
@LoopActor public struct Entrance {
    public let address: SocketAddress
    public private(set) var listens: [(listen: Listen, server: MailServer)]

    /// What the `listen` of the address itself says; those that are only covered by it say nothing.
    public var options: ListenOptions { listens.first { $0.listen.address == address }?.listen.options ?? ListenOptions() }

    /// Whether each worker has a socket of its own. In the file system there can be only one of a name.
    public var hasSocketPerWorker: Bool { options.reuseport && !address.isUnix }

    /// The entrances of all servers, in the order of their first `listen`.
    public static func entrances(of servers: [MailServer]) -> [Entrance] {
        let all = servers.flatMap { server in server.listens.map { (listen: $0, server: server) } }
        let wildcards = Set(all.map(\.listen.address).filter(\.isWildcard))
        var entrances: [Entrance] = []
        for entry in all {
            let own = entry.listen.address
            let isCovered = wildcards.contains(own.wildcard) && !entry.listen.options.bind
            let address = isCovered ? own.wildcard : own
            if let place = entrances.firstIndex(where: { $0.address == address }) {
                entrances[place].listens.append(entry)
            } else {
                entrances.append(Entrance(address: address, listens: [entry]))
            }
        }
        return entrances
    }

    /// Whose client it is that has connected to `local`.
    /// - Parameter local: asked for only where it decides.
    func host(of local: @autoclosure () -> SocketAddress?) -> (listen: Listen, server: MailServer) {
        if listens.count == 1 { return listens[0] }
        let local = local()?.unmapped
        return listens.first { $0.listen.address == local }
            ?? listens.first { $0.listen.address.isWildcard } ?? listens[0]
    }
}
