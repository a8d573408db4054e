/// How many records a destination takes: a bucket that leaks at a rate. The more severe a record is beside
/// the destination's level, the fuller the bucket may be, so a flood of what matters little keeps out nothing
/// that matters more (`logging.md`, section 8).
struct LogRate {
    /// What becomes of a record.
    enum Verdict { case pass, announce, suppress }

    /// Records a second.
    private let rate: Int
    private let level: LogLevel
    /// How full the bucket is, in thousandths of a record.
    private var excess = 0
    private var lastMoment = 0
    /// When it was last said that records are missing.
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
        if excess + 1000 <= limit {
            excess += 1000
            return .pass
        }
        if let lastAnnouncement, milliseconds >= lastAnnouncement, milliseconds - lastAnnouncement < Self.announcementInterval {
            return .suppress
        }
        lastAnnouncement = milliseconds
        return .announce
    }
}
