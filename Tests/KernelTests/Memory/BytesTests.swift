import Testing

@testable import Kernel

@Suite struct BytesTests {
    @Test func `bytes are appended as they are`() {
        var bytes: [UInt8] = [1]
        bytes.append([2, 3, 4].span.extracting(1..<3))
        bytes.append([UInt8]().span)
        #expect(bytes == [1, 3, 4])
    }

    @Test(arguments: [(0..<0, [1, 2, 3, 4]), (1..<3, [1, 0, 0, 4]), (0..<4, [0, 0, 0, 0])] as [(Range<Int>, [UInt8])])
    func `what is wiped is overwritten, and nothing else`(_ range: Range<Int>, _ rest: [UInt8]) {
        var bytes: [UInt8] = [1, 2, 3, 4]
        bytes.wipe(range)
        #expect(bytes == rest)
    }
}
