import Foundation
import Testing

@testable import Kernel

@Suite struct WallClockTests {
    @Test(arguments: [0, 951_782_399, 1_709_164_800, 1_795_000_000, 2_147_483_648, 4_102_444_799])
    func `a moment is shown in local time`(_ seconds: Int) {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .current
        let fields = calendar.dateComponents(
            [.year, .month, .day, .hour, .minute, .second], from: Date(timeIntervalSince1970: Double(seconds)))
        let clock = WallClock(secondsSinceEpoch: seconds)
        #expect(clock.year == fields.year && clock.month == fields.month && clock.day == fields.day)
        #expect(clock.hour == fields.hour && clock.minute == fields.minute && clock.second == fields.second)
    }

    @Test(arguments: [0, 951_782_399, 4_102_444_799])
    func `the same moment is shown in universal time`(_ seconds: Int) {
        let clock = WallClock(universalSecondsSinceEpoch: seconds)
        let text = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
        let shown = [clock.month, clock.day, clock.hour, clock.minute, clock.second].map { $0 < 10 ? "0\($0)" : "\($0)" }
        #expect("\(clock.year)-\(shown[0])-\(shown[1])T\(shown[2]):\(shown[3]):\(shown[4])Z" == text)
    }

    @Test func `now is now`() {
        let before = Int(Date().timeIntervalSince1970.rounded(.down))
        let now = WallClock.secondsSinceEpoch
        #expect((before...Int(Date().timeIntervalSince1970.rounded(.up))).contains(now))
    }
}
