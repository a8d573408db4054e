import CKernel

/// A lock that processes compete for which were forked from the one that made it. It holds its owner's number, so
/// that a process that dies with it can be made to let go.
public struct SharedLock: Sendable {
    private let memory: SharedMemory

    public init() throws(KernelError) {
        memory = try SharedMemory(byteCount: MemoryLayout<Int32>.size)
    }

    /// Takes the lock, if nobody else has it.
    /// - Returns: whether this process has it now.
    public func take() -> Bool { take(for: OwnProcess.id) }

    func take(for id: Int32) -> Bool {
        withOwner { kernel_atomic_exchange($0, 0, id) != 0 || kernel_atomic_load($0) == id }
    }

    /// Lets go of the lock, if this process has it.
    public func release() { release(heldBy: OwnProcess.id) }

    /// Lets go of the lock for a process that cannot do so any more.
    public func release(heldBy id: Int32) {
        _ = withOwner { kernel_atomic_exchange($0, id, 0) }
    }

    private func withOwner<Result>(_ body: (UnsafeMutablePointer<Int32>) -> Result) -> Result {
        memory.withBytes { bytes in
            bytes.withUnsafeMutableBytes { body($0.baseAddress!.assumingMemoryBound(to: Int32.self)) }
        }
    }
}
