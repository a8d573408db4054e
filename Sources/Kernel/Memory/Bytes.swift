import CKernel

extension [UInt8] {
    /// A copy of the bytes.
    public init(_ bytes: Span<UInt8>) { self = bytes.withUnsafeBufferPointer { Array($0) } }

    /// Appends a copy of the bytes.
    public mutating func append(_ bytes: Span<UInt8>) {
        bytes.withUnsafeBufferPointer { append(contentsOf: $0) }
    }

    /// Overwrites some of the bytes where they are, after they may have been a password.
    public mutating func wipe(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        if range.isEmpty { return }
        withUnsafeMutableBytes { kernel_wipe($0.baseAddress! + range.lowerBound, range.count) }
    }
}
