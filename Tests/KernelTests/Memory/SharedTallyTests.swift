import Dispatch
import Foundation
import Testing

@testable import Kernel

@Suite struct SharedTallyTests {
    private let tally: SharedTally
    private let key = SharedKey("a")

    init() throws { tally = try SharedTally(byteCount: 32 * 1024) }

    /// How many more of a key there may be until there are `limit`.
    private func room(for key: SharedKey, of limit: Int) -> Int {
        var places: [SharedTally.Place] = []
        while case .counted(let place) = tally.count(key, atMost: limit) { places.append(place) }
        for place in places { tally.giveBack(place) }
        return places.count
    }

    @Test func `there are as many of a key as the limit says, however many there are of others`() {
        #expect(room(for: SharedKey("b"), of: 7) == 7)
        #expect((0..<3).map { _ in tally.count(key, atMost: 2) } .last == .full)
        #expect(room(for: SharedKey("b"), of: 7) == 7)
    }

    @Test func `what is given back can be had again`() throws {
        guard case .counted(let place) = tally.count(key, atMost: 1) else { throw CancellationError() }
        #expect(tally.count(key, atMost: 1) == .full)
        tally.giveBack(place)
        #expect(room(for: key, of: 1) == 1)
    }

    @Test func `what processes count is added up, and the dead one's is given back`() {
        for process in [Int32(101), 101, 102] { _ = tally.count(key, atMost: 9, by: process) }
        #expect(room(for: key, of: 5) == 2)
        tally.giveBackAll(of: 101)
        #expect(room(for: key, of: 5) == 4)
        tally.giveBackAll(of: 102)
        #expect(room(for: key, of: 5) == 5)
    }

    @Test func `a full table takes no new keys, knows the old ones, and has room again for what is given back`() throws {
        var places: [(SharedKey, SharedTally.Place)] = []
        var refused = 0
        for number in 0..<4000 {
            let key = SharedKey(number)
            switch tally.count(key, atMost: 1) {
            case .counted(let place): places.append((key, place))
            case .noRoom: refused += 1
            case .full: Issue.record("\(number) is in the table twice")
            }
        }
        // 32 KiB are 1365 records.
        #expect(places.count == 1365 && refused == 4000 - 1365)
        #expect(places.allSatisfy { tally.count($0.0, atMost: 1) == .full })
        for (_, place) in places { tally.giveBack(place) }
        #expect(room(for: SharedKey("new"), of: 3) == 3)
    }

    /// As many processes as the machine can have at once.
    @Test func `the limit is never passed, whoever counts at the same moment`() throws {
        nonisolated(unsafe) var most = 0
        nonisolated(unsafe) var now = 0
        nonisolated(unsafe) var successes = 0
        let lock = NSLock()
        DispatchQueue.concurrentPerform(iterations: 4) { process in
            for _ in 0..<3000 {
                guard case .counted(let place) = tally.count(key, atMost: 3, by: 200 + Int32(process)) else { continue }
                lock.withLock {
                    now += 1
                    successes += 1
                    most = max(most, now)
                }
                lock.withLock { now -= 1 }
                tally.giveBack(place)
            }
        }
        #expect(most <= 3 && successes > 0)
        #expect(room(for: key, of: 3) == 3)
    }
}
