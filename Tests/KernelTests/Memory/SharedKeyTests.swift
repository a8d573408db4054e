import Testing

@testable import Kernel

@Suite struct SharedKeyTests {
    @Test func `a key is the same each time, and other keys are others in both halves`() {
        let keys = (0..<1000).map { SharedKey("key \($0)") }
        #expect(keys == (0..<1000).map { SharedKey("key \($0)") })
        #expect(Set(keys.map(\.high)).count == 1000 && Set(keys.map(\.low)).count == 1000)
        #expect(keys.allSatisfy { $0.high != $0.low })
    }

    @Test func `keys begin all over a table`() {
        let places = Set((0..<10_000).map { SharedKey([UInt8($0 & 0xff), UInt8($0 >> 8)]).place(in: 100) })
        #expect(places == Set(0..<100))
    }
}
