import Dispatch
import Foundation
import Synchronization
import Testing

@testable import Kernel

@Suite struct SharedThrottleTests {
    private let throttle: SharedThrottle
    private let key = SharedKey("a")
    private let limit = SharedThrottle.Limit(count: 3, window: .seconds(60), pause: .seconds(600))
    private let start = Duration.seconds(1_000_000)

    init() throws { throttle = try SharedThrottle(byteCount: 32 * 1024) }

    private func note(_ second: Int, _ key: SharedKey? = nil) -> Int {
        throttle.note(key ?? self.key, limit, at: start + .seconds(second)).count
    }

    private func isBarred(_ second: Double, _ key: SharedKey? = nil) -> Bool {
        throttle.isBarred(key ?? self.key, at: start + .seconds(second))
    }

    @Test func `the last event that is too many bars a key, from then on and for the pause`() {
        #expect(!isBarred(0))
        #expect([0, 1].map { note($0) } == [1, 2])
        #expect(!isBarred(1))
        #expect(note(30) == 3)
        #expect([30, 629.9, 630].map { isBarred($0) } == [true, true, false])
        #expect(note(630) == 1)
    }

    @Test func `events are forgotten when the window of the first one is over`() {
        #expect([0, 59, 60, 119, 120].map { note($0) } == [1, 2, 1, 2, 1])
        #expect(!isBarred(120))
    }

    @Test func `events of others do not count`() {
        #expect(["a", "b", "b", "a"].map { note(0, SharedKey($0)) } == [1, 1, 2, 2])
        #expect(note(0) == 3)
        #expect(isBarred(1))
        #expect(!isBarred(1, SharedKey("b")))
    }

    @Test func `what had been under way when a key was barred does not bar it for longer`() {
        #expect((0..<5).map { _ in note(0) } == [1, 2, 3, 4, 5])
        #expect([599.9, 600.1].map { isBarred($0) } == [true, false])
    }

    @Test func `one event may be too many`() {
        let limit = SharedThrottle.Limit(count: 1, window: .seconds(60), pause: .seconds(5))
        #expect(throttle.note(key, limit, at: start) == (1, true))
        #expect([4.9, 5.1].map { isBarred($0) } == [true, false])
    }

    @Test func `one event bars a key and no other, though limits differ`() {
        let lenient = SharedThrottle.Limit(count: 10, window: .seconds(60), pause: .seconds(5))
        let notes = [lenient, lenient, lenient, lenient, limit, limit, lenient].map { throttle.note(key, $0, at: start) }
        #expect(notes.map(\.count) == Array(1...7))
        #expect(notes.map(\.bars) == [false, false, false, false, true, false, false])
        #expect(isBarred(599))
    }

    /// Two threads meet at each key.
    @Test func `no event is lost, whoever notes the first one at the same moment`() throws {
        let (throttle, keys) = (try SharedThrottle(byteCount: 1 << 22), 0..<10_000)
        let arrivals = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 2) { [limit, start] _ in
            for number in keys {
                arrivals.add(1, ordering: .sequentiallyConsistent)
                while arrivals.load(ordering: .sequentiallyConsistent) < 2 * number + 2 { sched_yield() }
                _ = throttle.note(SharedKey(number), limit, at: start)
            }
        }
        #expect(keys.filter { throttle.note(SharedKey($0), limit, at: start).count != 3 } == [])
    }

    @Test func `no event is lost, whoever notes one at the same moment`() {
        let many = SharedThrottle.Limit(count: 1_000_000, window: .seconds(60), pause: .seconds(60))
        _ = throttle.note(key, many, at: start)
        nonisolated(unsafe) var counts: Set<Int> = []
        let lock = NSLock()
        DispatchQueue.concurrentPerform(iterations: 4) { [throttle, key, start] _ in
            let mine = (0..<2000).map { _ in throttle.note(key, many, at: start).count }
            lock.withLock { counts.formUnion(mine) }
        }
        #expect(counts == Set(2...8001))
    }

    @Test func `a full table forgets what is over soonest, and barred keys last`() {
        for _ in 0..<3 { _ = note(0) }
        // 32 KiB are 1365 records.
        for number in 0..<20_000 { _ = note(number / 1000, SharedKey(number)) }
        #expect(isBarred(20))
        #expect((19_990..<20_000).filter { note(20, SharedKey($0)) == 2 }.count == 10)
        for number in 0..<20_000 { for _ in 0..<3 { _ = note(30, SharedKey(number)) } }
        #expect(isBarred(30, SharedKey(19_999)))
        #expect(!isBarred(30))
    }
}
