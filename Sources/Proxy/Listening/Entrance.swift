package import Kernel

/// A socket that is to be bound, and the server blocks whose clients come in by it.
///
/// Where a port's wildcard address is configured, only that is bound; clients of the port's other
/// addresses come in by it too, and are told apart by the address they connected to (`mail-directives.md`,
/// section 3).
@LoopActor package struct Entrance {
    package let address: SocketAddress
    package private(set) var listens: [(listen: Listen, server: MailServer)]

    package var backlog: Int { listens.map(\.listen.options.backlog).max() ?? ListenOptions().backlog }

    /// The entrances of all servers, in the order of their first `listen`.
    package static func entrances(of servers: [MailServer]) -> [Entrance] {
        let all = servers.flatMap { server in server.listens.map { (listen: $0, server: server) } }
        let wildcards = Set(all.map(\.listen.address).filter(\.isWildcard))
        var entrances: [Entrance] = []
        for entry in all {
            let address = wildcards.contains(entry.listen.address.wildcard) ? entry.listen.address.wildcard : entry.listen.address
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
