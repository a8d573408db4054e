import Testing

@testable import Proxy

@Suite struct ByteQueueTests {
    private func bytes(_ queue: ByteQueue) -> [UInt8] {
        queue.withSpan { span in span.indices.map { span[$0] } }
    }

    @Test func `bytes come out in the order in which they went in`() {
        var queue = ByteQueue()
        queue.append([1, 2, 3])
        queue.append([4, 5].span)
        #expect(bytes(queue) == [1, 2, 3, 4, 5])
        queue.consume(2)
        queue.append([6])
        #expect(bytes(queue) == [3, 4, 5, 6])
        #expect(queue.count == 4 && !queue.isEmpty)
    }

    @Test func `whatever is appended and consumed, it is a queue`() {
        var queue = ByteQueue()
        var model: [UInt8] = []
        for step in 0..<300 {
            let new = (0..<(step * 7 % 61)).map { UInt8(truncatingIfNeeded: step + $0) }
            queue.append(new)
            model += new
            let used = step * 13 % 71
            queue.consume(used)
            model.removeFirst(min(used, model.count))
            if step % 97 == 0 {
                queue.removeAll()
                model = []
            }
            #expect(bytes(queue) == model)
        }
    }

    @Test func `more than there is cannot be consumed`() {
        var queue = ByteQueue()
        queue.append([1, 2])
        queue.consume(100)
        #expect(queue.isEmpty)
        queue.consume(1)
        #expect(bytes(queue) == [])
    }

    @Test func `what was consumed is overwritten where it stood`() {
        var queue = ByteQueue()
        queue.append([1, 2, 3, 4, 5])
        queue.consume(3)
        #expect(Array(queue.bytes) == [0, 0, 0, 4, 5])
    }

    @Test func `an empty queue holds no memory`() {
        var queue = ByteQueue()
        #expect(queue.bytes.capacity == 0)
        queue.append([UInt8](repeating: 7, count: 5000))
        queue.consume(4999)
        #expect(queue.bytes.capacity > 0)
        queue.consume(1)
        #expect(queue.bytes.capacity == 0)
        queue.append([1])
        queue.removeAll()
        #expect(queue.bytes.capacity == 0)
    }

    @Test func `growing moves what waits to the front of the new place`() {
        var queue = ByteQueue()
        queue.append([1, 2, 3, 4])
        queue.consume(2)
        queue.append([UInt8](repeating: 9, count: queue.bytes.capacity))
        #expect(queue.bytes.prefix(3) == [3, 4, 9])
        #expect(queue.bytes.count == queue.count)
    }
}
