import COpenSSL
import Configuration
public import Kernel

/// What clients need of us to come back to their sessions, in whichever worker, and after a reload too: keys
/// for tickets, and the zones of `ssl_session_cache`. The master makes it, before it builds the contexts of
/// a configuration, from that of the configuration before, and keeps it as long as the configuration.
@LoopActor public final class TLSResumption {
    private var zones: [String: SharedSessionTable] = [:]
    private let earlierZones: [String: SharedSessionTable]
    private var chains: [Duration: TicketKeyChain]

    /// Keys that are replaced faster would gain little, and catching up with the clock would take longer.
    private static let shortestPeriod = Duration.seconds(3600)
    private static let secretByteCount = 64

    /// - Parameter old: of the configuration that is to be replaced; nil at the start.
    public init(continuing old: TLSResumption? = nil) {
        earlierZones = old?.zones ?? [:]
        chains = old?.chains ?? [:]
    }

    /// The zone of that name: one for all blocks that name it, and the one of before where it has the size.
    /// - Parameter position: where it is named.
    func zone(_ zone: SessionZone, at position: Position? = nil) throws(ConfigurationError) -> SharedSessionTable {
        if let table = zones[zone.name] {
            if table.byteCount == zone.byteCount { return table }
            throw ConfigurationError(
                "the size \(zone.byteCount) of shared memory zone \"\(zone.name)\" conflicts with already declared size \(table.byteCount)",
                at: position)
        }
        let table: SharedSessionTable
        if let earlier = earlierZones[zone.name], earlier.byteCount == zone.byteCount {
            table = earlier
        } else {
            table = try Self.table(zone)
        }
        zones[zone.name] = table
        return table
    }

    private static func table(_ zone: SessionZone) throws(ConfigurationError) -> SharedSessionTable {
        do throws(KernelError) { return try SharedSessionTable(byteCount: zone.byteCount) } catch {
            throw ConfigurationError(error.description)
        }
    }

    /// The keys for tickets of sessions that live so long.
    func keys(forSessionsOf lifetime: Duration) throws(ConfigurationError) -> TicketKeyChain {
        let period = max(lifetime, Self.shortestPeriod)
        if let chain = chains[period] { return chain }
        var secret = [UInt8](repeating: 0, count: Self.secretByteCount)
        guard RAND_priv_bytes(&secret, CInt(secret.count)) == 1 else { throw ContextHandle.error("RAND_priv_bytes()") }
        let chain = TicketKeyChain(period: period, from: LoopActor.loop.now, secret: secret)
        chains[period] = chain
        return chain
    }
}
