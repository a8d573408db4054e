import CKernel
import Glibc

/// A number that master and all workers, old and new, count on: it lives in memory that they share.
package struct SharedCounter: Sendable {
    private nonisolated(unsafe) let place: UnsafeMutablePointer<UInt64>

    /// Makes the memory, which processes forked from here inherit. It is never given back.
    package init() throws(KernelError) {
        let size = MemoryLayout<UInt64>.size
        guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), memory != MAP_FAILED else {
            throw KernelError("mmap()")
        }
        place = memory.bindMemory(to: UInt64.self, capacity: 1)
    }

    /// Counts one on.
    /// - Returns: the new number, which nobody else gets.
    package func next() -> UInt64 { kernel_atomic_increment(place) }
}
