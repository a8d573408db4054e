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
