import Configuration
public import Kernel

/// What limits know of clients, in memory that all workers share. The master makes it, before it builds the
/// servers of a configuration, from that of the configuration before.
@LoopActor public final class AccessMemory {
    private var tallies: [ConnectionZone: SharedTally] = [:]
    /// The logins that have failed; nil where nobody counts them.
    private(set) var failures: SharedThrottle?
    private let earlier: (tallies: [ConnectionZone: SharedTally], failures: SharedThrottle?)

    /// - Parameter old: of the configuration that is to be replaced; nil at the start.
    public init(continuing old: AccessMemory? = nil) { earlier = (old?.tallies ?? [:], old?.failures) }

    /// Makes what the servers of a configuration count in. What was there before, in the same size and for zones with
    /// the same key, goes on.
    func open(for configuration: LoadedConfiguration) throws(ConfigurationError) {
        guard let mail = configuration.mail else { return }
        do throws(KernelError) {
            for zone in mail[LimitSettings.self].zones {
                tallies[zone] = if let same = earlier.tallies[zone] { same } else { try SharedTally(byteCount: zone.byteCount) }
            }
            guard configuration.servers.contains(where: { $0.settings[FailureSettings.self].limit != nil }) else { return }
            let byteCount = mail[FailureSettings.self].memoryByteCount
            let same = earlier.failures.flatMap { $0.byteCount == byteCount ? $0 : nil }
            failures = if let same { same } else { try SharedThrottle(byteCount: byteCount) }
        } catch {
            throw ConfigurationError(error.description)
        }
    }

    /// The zone of that name.
    func zone(_ name: String) throws(ConfigurationError) -> (zone: ConnectionZone, tally: SharedTally) {
        guard let (zone, tally) = tallies.first(where: { $0.key.name == name }) else {
            throw ConfigurationError("zero size shared memory zone \"\(name)\"", isAfterParsing: true)
        }
        return (zone, tally)
    }

    /// Gives back what a worker held that is no more.
    public func forget(process: Int32) {
        for tally in tallies.values { tally.giveBackAll(of: process) }
    }
}
