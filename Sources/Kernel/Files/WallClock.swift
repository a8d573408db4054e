import CKernel
import Glibc

/// The time of day, as log lines show it.
package struct WallClock: Sendable, Equatable {
    package let year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int

    /// Seconds since 1970.
    package static var secondsSinceEpoch: Int {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return now.tv_sec
    }

    /// The local time of a moment, by `TZ` or the system's zone.
    package init(secondsSinceEpoch: Int) {
        var moment = time_t(secondsSinceEpoch)
        var fields = tm()
        localtime_r(&moment, &fields)
        year = Int(fields.tm_year) + 1900
        month = Int(fields.tm_mon) + 1
        day = Int(fields.tm_mday)
        hour = Int(fields.tm_hour)
        minute = Int(fields.tm_min)
        second = Int(fields.tm_sec)
    }
}
