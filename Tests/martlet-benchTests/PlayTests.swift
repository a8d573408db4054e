import Kernel
import TestSupport
import Testing

@testable import martlet_bench

@Suite struct PlayTests {
    /// Runs what a play is to do, until that has come to something or the play to a fault.
    private func play(_ body: @escaping @LoopActor (Play) async throws(Fault) -> Outcome) throws -> Outcome {
        try onLoop {
            let play = Play()
            var outcome: Outcome?
            play.start { () throws(Fault) in outcome = try await body(play) }
            try LoopActor.loop.run { outcome != nil || play.fault != nil }
            if let fault = play.fault { throw fault }
            return outcome!
        }
    }

    @Test func `clients side by side do no more than is wanted`() throws {
        let outcome = try play { play in
            await play.perform(5, by: 2) { _ throws(Fault) in
                await play.pause(.milliseconds(1))
                // The loop's timers count from the beginning of its turn, which may have been a while before.
                OwnProcess.sleep(.milliseconds(1))
            }
        }
        #expect(outcome.durations.count == 5 && outcome.delays.isEmpty && outcome.failures.isEmpty)
        #expect(outcome.durations.allSatisfy { $0 >= 1_000_000 })
    }

    @Test func `what has a rate is timed from the moment at which it was to begin`() throws {
        var isFirst = true
        let outcome = try play { play in
            await play.perform(3, perSecond: 1000) { () throws(Fault) in
                // As a proxy that has the generator's processor, or a generator that has too much to do.
                if isFirst { OwnProcess.sleep(.milliseconds(30)) }
                isFirst = false
            }
        }
        #expect(outcome.durations.count == 3 && outcome.delays.count == 3)
        // The second was to begin after 1 ms and the third after 2; both began after 30.
        #expect(outcome.delays[1] >= 29_000_000 && outcome.delays[2] >= 28_000_000)
        #expect(outcome.durations[1] >= 29_000_000 && outcome.durations[2] >= 28_000_000)
    }

    @Test func `what has a rate does not wait for what went before`() throws {
        let outcome = try play { play in
            let end = Waiter()
            var begun = 0
            return await play.perform(3, perSecond: 1000) { () throws(Fault) in
                begun += 1
                if begun == 1 { await end.sleep() }
                if begun == 3 { end.wake() }
            }
        }
        #expect(outcome.durations.count == 3)
    }

    @Test func `a failure ends all, unless failures are counted`() throws {
        let failing: @LoopActor (Play) async throws(Fault) -> Outcome = { play in
            await play.perform(3, by: 1) { _ throws(Fault) in throw Fault(.client, "heard nothing") }
        }
        #expect(throws: Fault(.client, "heard nothing")) { try play(failing) }
        let outcome = try play { play throws(Fault) in
            play.countsFailures = true
            return try await failing(play)
        }
        #expect(outcome.durations.isEmpty && outcome.failures.count == 3)
    }
}
