import Dispatch
import Foundation
import Testing

@testable import Kernel

@Suite struct SharedCounterTests {
    @Test func `it counts from one`() throws {
        let counter = try SharedCounter()
        #expect((0..<3).map { _ in counter.next() } == [1, 2, 3])
    }

    @Test func `two counters count apart`() throws {
        let (one, other) = (try SharedCounter(), try SharedCounter())
        #expect([one.next(), one.next(), other.next()] == [1, 2, 1])
    }

    @Test func `nobody gets a number twice`() throws {
        let counter = try SharedCounter()
        let lock = NSLock()
        nonisolated(unsafe) var numbers: Set<UInt64> = []
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            let mine = (0..<2000).map { _ in counter.next() }
            lock.withLock { numbers.formUnion(mine) }
        }
        #expect(numbers == Set(1...8000))
    }
}
