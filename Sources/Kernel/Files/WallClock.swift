import CKernel
import Glibc

/// The time of day, as log lines show it.
public struct WallClock: Sendable, Equatable {
    public let year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int

    /// Seconds since 1970.
    public static var secondsSinceEpoch: Int { millisecondsSinceEpoch / 1000 }

    /// Thousandths of seconds since 1970.
    public static var millisecondsSinceEpoch: Int {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return now.tv_sec * 1000 + now.tv_nsec / 1_000_000
    }

    /// The local time of a moment, by `TZ` or the system's zone.
    public init(secondsSinceEpoch: Int) {
        var moment = time_t(secondsSinceEpoch)
        var fields = tm()
        localtime_r(&moment, &fields)
        self.init(fields)
    }

    /// The same moment by universal time.
    public init(universalSecondsSinceEpoch seconds: Int) {
        var moment = time_t(seconds)
        var fields = tm()
        gmtime_r(&moment, &fields)
        self.init(fields)
    }

    private init(_ fields: tm) {
        year = Int(fields.tm_year) + 1900
        month = Int(fields.tm_mon) + 1
        day = Int(fields.tm_mday)
        hour = Int(fields.tm_hour)
        minute = Int(fields.tm_min)
        second = Int(fields.tm_sec)
    }
}
