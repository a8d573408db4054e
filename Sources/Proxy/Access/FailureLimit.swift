import Kernel
import Protocols

/// What becomes of an address from which logins fail: it is slowed down, and barred in the end.
@LoopActor struct FailureLimit {
    private let rule: FailureRule
    private let exempt: [Network]
    private let failures: SharedThrottle

    /// The answer is held back twice as long with each failure, so often.
    private static let doublings = 3

    /// - Returns: nil where failures are not counted.
    init?(_ settings: FailureSettings, memory: AccessMemory) {
        guard let rule = settings.limit, let failures = memory.failures else { return nil }
        self.rule = rule
        exempt = settings.exempt
        self.failures = failures
    }

    /// What one more failure has led to.
    struct Outcome: Equatable {
        /// The how manieth it is, of how many.
        let number: Int
        let limit: Int
        /// How long the answer is held back.
        let delay: Duration
        /// How long nobody at the address is heard, where it is this failure that has led to that.
        let pause: Duration?
    }

    func isBarred(_ address: SocketAddress) -> Bool {
        key(of: address).map { failures.isBarred($0, at: LoopActor.loop.now) } ?? false
    }

    /// Counts a login that has failed.
    /// - Returns: nil where those of the address do not matter.
    func noteFailure(from address: SocketAddress) -> Outcome? {
        guard let key = key(of: address) else { return nil }
        let (count, bars) = failures.note(key, rule.limit, at: LoopActor.loop.now)
        // Some may have been under way, or at a server that bears more.
        return Outcome(
            number: min(count, rule.limit.count), limit: rule.limit.count,
            delay: rule.delay * (1 << min(count - 1, Self.doublings)), pause: bars ? rule.limit.pause : nil)
    }

    private func key(of address: SocketAddress) -> SharedKey? {
        exempt.contains { $0.contains(address) } ? nil : SharedKey(clientAt: address)
    }
}

extension Refusal {
    /// Whether it says that the login is a bad one, and not that it is not to be had right now.
    var isAboutLogin: Bool { smtpCode?.first != UInt8(ascii: "4") }
}
