import Kernel

/// Moments at equal distances, and what happens at each.
@LoopActor final class Timetable {
    private let count: Int
    private let begin = ContinuousClock.now
    private let interval: Double
    private let happens: @LoopActor (_ due: ContinuousClock.Instant) -> Void
    private let timer = LoopTimer()
    private var next = 0

    /// A timer may be late by a millisecond, which is longer than what is measured: so it is set to a moment
    /// before, and the loop turns without sleep from there on.
    private static let watch = Duration.milliseconds(2)

    init(count: Int, perSecond rate: Int, _ happens: @escaping @LoopActor (_ due: ContinuousClock.Instant) -> Void) {
        self.count = count
        self.happens = happens
        interval = 1_000_000_000 / Double(rate)
    }

    /// Lets time run. The timer keeps this until the last moment has come.
    func start() {
        timer.action = { self.look() }
        look()
    }

    private func look() {
        while next < count {
            let due = begin + .nanoseconds(Int(interval * Double(next)))
            let rest = due - .now
            guard rest <= .zero else { return timer.start(after: rest > Self.watch ? rest - Self.watch : .nanoseconds(1)) }
            next += 1
            happens(due)
        }
        timer.action = nil
    }
}
