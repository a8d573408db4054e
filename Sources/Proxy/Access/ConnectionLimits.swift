import Configuration
import Kernel
import Telemetry

/// How many connections clients of a server block may have, and who counts them.
@LoopActor struct ConnectionLimits {
    struct Limit {
        let zoneName: String
        let count: Int
        let tally: SharedTally
    }

    let logLevel: LogLevel
    let isDryRun: Bool
    /// From when an address is known, and from when a login has been found good.
    private(set) var byAddress: [Limit] = []
    private(set) var byLogin: [Limit] = []

    init(_ settings: LimitSettings, memory: AccessMemory) throws(ConfigurationError) {
        logLevel = settings.logLevel
        isDryRun = settings.isDryRun
        for limit in settings.limits {
            let (zone, tally) = try memory.zone(limit.zone)
            let limit = Limit(zoneName: zone.name, count: limit.count, tally: tally)
            switch zone.key {
            case .binaryRemoteAddress, .remoteAddress: byAddress.append(limit)
            case .remoteUser: byLogin.append(limit)
            }
        }
    }
}

extension SharedKey {
    /// Who a client is to limits: an IPv4 address, or the network that an IPv6 address is in, since its first 64 bits
    /// are what a site is given. Nil where there is no address.
    init?(clientAt address: SocketAddress) {
        switch address.unmapped {
        case .ipv4(let address, _): self.init(address)
        case .ipv6(let network, _, _): self.init(network)
        case .unix: return nil
        }
    }
}

/// Where a session has been counted. Whoever holds it last gives it back, once.
struct CountedPlaces: Sendable {
    private var places: [(tally: SharedTally, place: SharedTally.Place)] = []

    mutating func add(_ place: SharedTally.Place, in tally: SharedTally) { places.append((tally, place)) }

    mutating func giveBack() {
        for (tally, place) in places { tally.giveBack(place) }
        places = []
    }
}
