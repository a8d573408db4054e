import TestSupport
import Testing

@testable import Kernel

@Suite struct WaiterTests {
    @Test func `a sleeper goes on when woken, not before`() throws {
        try onLoop {
            let waiter = Waiter()
            var steps: [String] = []
            Task.immediate { @LoopActor in
                steps.append("asleep")
                await waiter.sleep()
                steps.append("awake")
            }
            try takeTurn()
            try takeTurn()
            #expect(steps == ["asleep"])
            waiter.wake()
            try runLoop { steps.count == 2 }
            #expect(steps == ["asleep", "awake"])
        }
    }

    @Test func `who was woken before does not sleep, but once`() throws {
        try onLoop {
            let waiter = Waiter()
            var naps = 0
            waiter.wake()
            waiter.wake()
            Task.immediate { @LoopActor in
                for _ in 0..<2 {
                    await waiter.sleep()
                    naps += 1
                }
            }
            try runLoop { naps > 0 }
            try takeTurn()
            #expect(naps == 1)
            waiter.wake()
            try runLoop { naps == 2 }
        }
    }

    @Test func `a source that becomes ready wakes`() throws {
        try onLoop {
            let waiter = Waiter()
            let pair = try WatchedPair(waiter)
            var isReadable = false
            Task.immediate { @LoopActor in
                while !pair.near.isReadable { await waiter.sleep() }
                isReadable = true
            }
            try takeTurn()
            #expect(!isReadable)
            pair.far.say("x")
            try runLoop { isReadable }
            pair.close()
        }
    }
}
