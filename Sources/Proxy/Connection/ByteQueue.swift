import Kernel

/// Bytes that wait to be read or sent, oldest first. What is taken out is overwritten, since it may
/// have been a password; an empty queue holds no memory.
struct ByteQueue {
    private(set) var bytes: [UInt8] = []
    private var start = 0

    var count: Int { bytes.count - start }
    var isEmpty: Bool { count == 0 }

    /// The bytes that wait.
    func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        body(bytes.span.extracting(start..<bytes.count))
    }

    mutating func append(_ new: Span<UInt8>) {
        // Mostly nothing follows before it is taken out.
        if bytes.isEmpty { return bytes = [UInt8](new) }
        reserve(new.count)
        bytes.append(new)
    }

    mutating func append(_ new: [UInt8]) { append(new.span) }

    /// Takes out the oldest bytes.
    mutating func consume(_ byteCount: Int) {
        let end = min(start + byteCount, bytes.count)
        bytes.wipe(start..<end)
        start = end
        if start == bytes.count {
            bytes = []
            start = 0
        }
    }

    mutating func removeAll() { consume(count) }

    /// Makes room at the front first: growing leaves a copy of the old bytes in freed memory, so what
    /// grows is copied by hand and the old place overwritten.
    private mutating func reserve(_ additional: Int) {
        guard bytes.count + additional > bytes.capacity else { return }
        var larger: [UInt8] = []
        larger.reserveCapacity(max(256, (count + additional) * 2))
        larger.append(contentsOf: bytes[start...])
        bytes.wipe(0..<bytes.count)
        bytes = larger
        start = 0
    }
}
