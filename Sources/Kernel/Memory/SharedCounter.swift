import CKernel

/// A number that master and all workers, old and new, count on: it lives in memory that they share.
public struct SharedCounter: Sendable {
    private let memory: SharedMemory

    /// Makes the memory, which processes forked from here inherit.
    public init() throws(KernelError) {
        memory = try SharedMemory(byteCount: MemoryLayout<UInt64>.size)
    }

    /// Counts one on.
    /// - Returns: the new number, which nobody else gets.
    public func next() -> UInt64 {
        memory.withBytes { bytes in
            bytes.withUnsafeMutableBytes { kernel_atomic_increment($0.baseAddress!.assumingMemoryBound(to: UInt64.self)) }
        }
    }
}
