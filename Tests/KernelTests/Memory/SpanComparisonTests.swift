import Testing

@testable import Kernel

@Suite struct SpanComparisonTests {
    @Test(arguments: [
        ([], [], true), ([1], [], false), ([1, 2], [1, 2], true), ([1, 2], [1, 3], false), ([1, 2], [1, 2, 3], false),
    ] as [([UInt8], [UInt8], Bool)])
    func `the same bytes are as many, and each the same`(_ left: [UInt8], _ right: [UInt8], _ areSame: Bool) {
        #expect(left.span.hasSameBytes(as: right.span) == areSame)
    }
}
