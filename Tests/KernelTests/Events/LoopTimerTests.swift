import TestSupport
import Testing

@testable import Kernel

@Suite struct LoopTimerTests {
    @Test func `timers fire in the order of their deadlines, whatever the order of their starts`() throws {
        try onLoop {
            var fired: [Int] = []
            var timers: [LoopTimer] = []
            for delay in [5, 1, 4, 2, 3, 0, 9, 7, 8, 6] {
                let timer = LoopTimer { fired.append(delay) }
                timer.start(after: .microseconds(delay * 100))
                timers.append(timer)
            }
            try runLoop { fired.count == timers.count }
            #expect(fired == fired.sorted())
        }
    }

    @Test func `a stopped timer does not fire, and one started anew fires once`() throws {
        try onLoop {
            var fired: [String] = []
            let stopped = LoopTimer { fired.append("stopped") }
            let moved = LoopTimer { fired.append("moved") }
            let last = LoopTimer { fired.append("last") }
            stopped.start(after: .microseconds(1))
            moved.start(after: .microseconds(2))
            moved.start(after: .milliseconds(1))
            last.start(after: .milliseconds(2))
            stopped.stop()
            stopped.stop()
            #expect(!stopped.isRunning && moved.isRunning)
            try runLoop { fired.contains("last") }
            #expect(fired == ["moved", "last"])
        }
    }

    @Test func `a timer that is ended lets go of what its action holds, and does not fire`() throws {
        final class Owner {
            var hasHeard = false
        }
        try onLoop {
            weak var gone: Owner?
            let timer = LoopTimer()
            do {
                let owner = Owner()
                gone = owner
                timer.action = { owner.hasHeard = true }
            }
            timer.start(after: .zero)
            #expect(gone != nil)
            timer.end()
            #expect(gone == nil && !timer.isRunning)
        }
    }

    /// Microseconds at which each of three timers is started, and started anew without a pause between.
    @Test(arguments: [
        ([[100], [500, 1500], [1000]], [0, 2, 1]),
        ([[100, 1500], [100, 1000], [100, 500]], [2, 1, 0]),
        ([[1500, 100], [500, 2000, 1000], [100, 500]], [0, 2, 1]),
        ([[100, 200, 300, 400, 1500], [600], [1000, 800]], [1, 2, 0]),
    ])
    func `a timer started anew fires once and at its last moment, put off or brought forward`(
        _ starts: [[Int]], _ order: [Int]
    ) throws {
        // The loop that has slept past all of them fires them in the same order.
        for sleepsLong in [false, true] {
            try onLoop {
                var fired: [Int] = []
                var isEarly = false
                let end = LoopTimer()
                let timers = starts.enumerated().map { (index, moments) in
                    let timer = LoopTimer()
                    timer.action = {
                        fired.append(index)
                        if LoopActor.loop.nanoseconds < timer.deadline { isEarly = true }
                    }
                    for moment in moments { timer.start(after: .microseconds(moment)) }
                    return timer
                }
                var isOver = false
                end.action = { isOver = true }
                end.start(after: .microseconds(2500))
                if sleepsLong { LoopActor.loop.letPass(.seconds(1)) }
                try runLoop { isOver }
                #expect(fired == order && !isEarly && timers.allSatisfy { !$0.isRunning })
            }
        }
    }

    private static let durations: [(Duration, Int)] = [
        (.zero, 0), (.nanoseconds(1), 1), (.milliseconds(1500), 1_500_000_000),
        (.seconds(365 * 86_400), 31_536_000_000_000_000), (.nanoseconds(-1), -1), (.seconds(-2), -2_000_000_000),
        (Duration(secondsComponent: 0, attosecondsComponent: 1_999_999_999), 1),
        (.seconds(Int64.max), 4_294_967_296_000_000_000), (.seconds(Int64.min), -4_294_967_296_000_000_000),
    ]

    @Test(arguments: durations)
    func `a duration is so many whole nanoseconds, and not more than anybody lives to see`(_ duration: Duration, _ count: Int) {
        #expect(duration.inNanoseconds == count)
    }

    @Test func `any timer can be taken out of many`() throws {
        try onLoop {
            var fired: Set<Int> = []
            let timers = (0..<200).map { number in LoopTimer { fired.insert(number) } }
            for (number, timer) in timers.enumerated() { timer.start(after: .microseconds((number * 7919) % 200)) }
            for number in stride(from: 0, to: 200, by: 3) { timers[number].stop() }
            let end = LoopTimer()
            var isOver = false
            end.action = { isOver = true }
            end.start(after: .milliseconds(1))
            try runLoop { isOver }
            #expect(fired == Set((0..<200).filter { $0 % 3 != 0 }))
        }
    }
}
