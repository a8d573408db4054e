import TestSupport
import Testing

@testable import TLS

@Suite struct SharedSessionTableTests {
    private static let (now, later): (UInt32, UInt32) = (1_000_000, 1_000_300)

    /// An id of a session: the first eight bytes choose the bucket.
    private func id(_ number: Int, bucket: UInt8 = 0) -> [UInt8] {
        [0, 0, 0, 0, 0, 0, 0, bucket] + (0..<24).map { UInt8(truncatingIfNeeded: number >> (8 * ($0 % 4)) &+ $0) }
    }

    private func table(buckets: Int = 1) throws -> SharedSessionTable {
        try SharedSessionTable(byteCount: buckets * SharedSessionTable.cellsInBucket * SharedSessionTable.cellByteCount)
    }

    private func session(_ count: Int, _ seed: UInt64 = 1) -> [UInt8] {
        var source = SeededBytes(seed: seed)
        return source.bytes(count: count)
    }

    /// The longest that fits in so many cells.
    private func longest(_ cells: Int) -> Int { cells * (SharedSessionTable.cellByteCount - 4) - 50 }

    @Test func `sessions of any length up to a bucket's are found as they were`() throws {
        let table = try table(buckets: 8)
        for cells in 1...SharedSessionTable.cellsInBucket {
            for count in [longest(cells) - 1, longest(cells)] {
                table.store(session(count), id: id(count), expiry: Self.later, now: Self.now)
                #expect(table.session(id(count)) == session(count))
            }
        }
        let tooLong = longest(SharedSessionTable.cellsInBucket) + 1
        table.store(session(tooLong), id: id(tooLong), expiry: Self.later, now: Self.now)
        #expect(table.session(id(tooLong)) == nil && table.session(id(longest(SharedSessionTable.cellsInBucket))) != nil)
    }

    @Test func `ids of a wrong length are nobody's`() throws {
        let table = try table()
        for count in [0, 1, 31, 33] {
            let id = [UInt8](repeating: 0, count: count)
            table.store([1], id: id, expiry: Self.later, now: Self.now)
            #expect(table.session(id) == nil)
            table.remove(id)
        }
    }

    @Test func `a full bucket gives up what expires first`() throws {
        let table = try table()
        for number in 0..<20 {
            table.store([UInt8(number)], id: id(number), expiry: Self.later + UInt32(number), now: Self.now)
        }
        for number in 0..<20 { #expect(table.session(id(number)) == (number < 4 ? nil : [UInt8(number)])) }
    }

    @Test func `what has expired gives way, whatever is left of it`() throws {
        let table = try table()
        for number in 0..<16 {
            table.store([UInt8(number)], id: id(number), expiry: Self.now + (number == 9 ? 0 : 300), now: Self.now - 1)
        }
        table.store([99], id: id(99), expiry: Self.later, now: Self.now)
        for number in 0..<16 { #expect(table.session(id(number)) == (number == 9 ? nil : [UInt8(number)])) }
        #expect(table.session(id(99)) == [99])
    }

    @Test func `a long session takes the place of neighbours, of which nothing remains`() throws {
        let table = try table()
        for number in 0..<16 { table.store(session(100, UInt64(number)), id: id(number), expiry: Self.later, now: Self.now) }
        table.store(session(1000), id: id(77), expiry: Self.later, now: Self.now)
        #expect(table.session(id(77)) == session(1000))
        let kept = (0..<16).filter { table.session(id($0)) != nil }
        #expect(kept.count == 11)
        for number in kept { #expect(table.session(id(number)) == session(100, UInt64(number))) }
    }

    @Test func `buckets do not disturb each other`() throws {
        let table = try table(buckets: 3)
        for bucket in 0..<3 {
            for number in 0..<16 { table.store([UInt8(bucket)], id: id(number, bucket: UInt8(bucket)), expiry: Self.later, now: Self.now) }
        }
        for bucket in 0..<3 {
            for number in 0..<16 { #expect(table.session(id(number, bucket: UInt8(bucket))) == [UInt8(bucket)]) }
        }
    }

    @Test func `a removed session is gone, and its neighbour is not`() throws {
        let table = try table()
        table.store(session(500), id: id(1), expiry: Self.later, now: Self.now)
        table.store([2], id: id(2), expiry: Self.later, now: Self.now)
        table.remove(id(1))
        table.remove(id(3))
        #expect(table.session(id(1)) == nil && table.session(id(2)) == [2])
    }

    @Test func `a session written in part, or changed anywhere, is none`() throws {
        let table = try table()
        let whole = session(300)
        table.store(whole, id: id(1), expiry: Self.later, now: Self.now)
        for place in 0..<600 {
            let isInTwoCells = place % SharedSessionTable.cellByteCount >= 4
            let isWithin = place < 50 + 300 + 2 * 4
            flip(place, of: table)
            let found = table.session(id(1))
            #expect(found == (isInTwoCells && isWithin ? nil : whole), "byte \(place)")
            flip(place, of: table)
        }
        #expect(table.session(id(1)) == whole)
    }

    private func flip(_ place: Int, of table: SharedSessionTable) {
        table.memory.withBytes { span in span.withUnsafeMutableBytes { $0[place] ^= 0x40 } }
    }

    @Test func `whatever lies in the memory, nothing goes wrong`() throws {
        let table = try table(buckets: 2)
        var source = SeededBytes(seed: 3)
        for round in 0..<300 {
            let bytes = source.bytes(count: table.byteCount)
            table.memory.withBytes { span in span.withUnsafeMutableBytes { $0.copyBytes(from: bytes) } }
            let id = Array(bytes[20..<52])
            #expect(table.session(id) == nil)
            table.remove(id)
            table.store(session(round * 10), id: id, expiry: Self.later, now: Self.now)
            #expect(table.session(id) == session(round * 10))
        }
    }
}
