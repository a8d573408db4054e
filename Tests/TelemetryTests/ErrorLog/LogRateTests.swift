import Testing

@testable import Telemetry

@Suite struct LogRateTests {
    /// What becomes of so many records, all at one moment.
    private func verdicts(_ rate: inout LogRate, _ count: Int, _ level: LogLevel, at moment: Int) -> [LogRate.Verdict] {
        (0..<count).map { _ in rate.admit(level, at: moment) }
    }

    @Test(arguments: [(LogLevel.info, 10), (.notice, 20), (.error, 40), (.emerg, 70)])
    func `at one moment there is room for as many seconds' worth as a record is more severe`(_ level: LogLevel, _ room: Int) {
        var rate = LogRate(10, upTo: .info)
        let verdicts = verdicts(&rate, room + 3, level, at: 5000)
        #expect(verdicts == Array(repeating: .pass, count: room) + [.announce(afterLosing: 0), .suppress, .suppress])
    }

    @Test func `a flood of what matters little keeps out nothing that matters more`() {
        var rate = LogRate(10, upTo: .info)
        _ = verdicts(&rate, 1000, .info, at: 0)
        #expect(verdicts(&rate, 10, .notice, at: 0) == Array(repeating: .pass, count: 10))
    }

    @Test func `room comes back at the rate`() {
        var rate = LogRate(10, upTo: .info)
        _ = verdicts(&rate, 11, .info, at: 0)
        #expect(verdicts(&rate, 1, .info, at: 99) == [.suppress])
        #expect(verdicts(&rate, 2, .info, at: 100) == [.pass, .suppress])
        #expect(verdicts(&rate, 10, .info, at: 10_000) == [.pass(afterLosing: 3)] + Array(repeating: .pass, count: 9))
        #expect(verdicts(&rate, 1, .info, at: 10_000) == [.suppress])
    }

    @Test func `that records are missing is said once a second`() {
        var rate = LogRate(1, upTo: .info)
        let announced = (0..<5000).filter { ![.pass, .suppress].contains(rate.admit(.info, at: $0)) }
        #expect(announced.count == 5 && zip(announced, announced.dropFirst()).allSatisfy { $1 - $0 >= 1000 })
    }

    @Test func `what is told to be missing is all that is missing`() {
        var rate = LogRate(7, upTo: .info)
        var (passed, told) = (0, 0)
        for moment in 0..<10_000 {
            switch rate.admit(.info, at: moment) {
            case .pass(let losses): (passed, told) = (passed + 1, told + losses)
            case .announce(let losses): told += losses
            case .suppress: break
            }
        }
        guard case .pass(let rest) = rate.admit(.info, at: 20_000) else { return #expect(Bool(false)) }
        #expect(passed + told + rest == 10_000 && passed < 100)
    }

    @Test func `a clock that is set back stops nothing`() {
        var rate = LogRate(2, upTo: .info)
        _ = verdicts(&rate, 3, .info, at: 1_000_000)
        #expect(rate.admit(.info, at: 10) == .announce(afterLosing: 1))
        #expect(rate.admit(.info, at: 1010) == .pass(afterLosing: 1))
    }

    @Test func `no rate is too high to be counted`() {
        var rate = LogRate(1_000_000, upTo: .debug)
        #expect(rate.admit(.emerg, at: 0) == .pass && rate.admit(.emerg, at: Int.max) == .pass && rate.admit(.emerg, at: 0) == .pass)
    }
}

extension LogRate.Verdict {
    /// It passes, and there is nothing to tell.
    fileprivate static var pass: Self { .pass(afterLosing: 0) }
}
