import Kernel

/// An endless stream in which every byte follows from its place, so that whatever is lost, doubled or moved
/// on the way shows.
enum Pattern {
    /// A prime, so that no buffer of the way is a multiple of it.
    static let period = 65_521

    /// The period twice: from every place on, one period lies in a row.
    static let bytes: [UInt8] = {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        let once = (0..<period).map { _ -> UInt8 in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state >> 32)
        }
        return once + once
    }()

    /// Where in `bytes` that begins which comes after `count` bytes of the stream.
    static func start(after count: Int) -> Int { count % period }

    /// Whether these bytes, a period at most, are those that come after `count` bytes of the stream.
    static func continues(with bytes: Span<UInt8>, after count: Int) -> Bool {
        let (all, start) = (Self.bytes, start(after: count))
        return bytes.hasSameBytes(as: all.span.extracting(start..<start + bytes.count))
    }
}
