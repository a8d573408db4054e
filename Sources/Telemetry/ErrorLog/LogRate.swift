/// How many records a destination takes: a bucket that leaks at a rate. The more severe a record is beside
/// the destination's level, the fuller the bucket may be, so a flood of what matters little keeps out nothing
/// that matters more (`logging.md`, section 8).
struct LogRate {
    /// What becomes of a record, and of how many others it is to be said that they are missing.
    enum Verdict: Equatable {
        case pass(afterLosing: Int)
        /// It is missing itself, and that there is too much is said in its place.
        case announce(afterLosing: Int)
        case suppress
    }

    /// Records a second.
    private let rate: Int
    private let level: LogLevel
    /// How full the bucket is, in thousandths of a record.
    private var excess = 0
    private var lastMoment = 0
    /// How many records are missing of which nothing has been said.
    private var lossCount = 0
    /// When something was last said of those that are missing.
    private var lastAnnouncement: Int?
    private static let announcementInterval = 1000

    init(_ rate: Int, upTo level: LogLevel) {
        self.rate = rate
        self.level = level
    }

    /// - Parameter milliseconds: of the clock. One that was set back lets nothing leak.
    mutating func admit(_ record: LogLevel, at milliseconds: Int) -> Verdict {
        let passed = min(max(0, milliseconds - lastMoment), 60_000)
        lastMoment = milliseconds
        excess = max(0, excess - passed * rate)
        let limit = max(1, level.rawValue - record.rawValue + 1) * rate * 1000
        let hasRoom = excess + 1000 <= limit
        if hasRoom { excess += 1000 } else { lossCount += 1 }
        guard lossCount > 0, mayAnnounce(at: milliseconds) else { return hasRoom ? .pass(afterLosing: 0) : .suppress }
        lastAnnouncement = milliseconds
        // A record that an announcement stands for is counted by the next one.
        let losses = hasRoom ? lossCount : lossCount - 1
        lossCount -= losses
        return hasRoom ? .pass(afterLosing: losses) : .announce(afterLosing: losses)
    }

    private func mayAnnounce(at milliseconds: Int) -> Bool {
        guard let lastAnnouncement, milliseconds >= lastAnnouncement else { return true }
        return milliseconds - lastAnnouncement >= Self.announcementInterval
    }
}
