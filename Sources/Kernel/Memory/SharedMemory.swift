import CKernel
import Glibc

/// Memory that this process shares with those forked from it, all zero at first. Each gives it back when it
/// lets go of it.
public final class SharedMemory: @unchecked Sendable {
    public let byteCount: Int
    let start: UnsafeMutableRawPointer

    public init(byteCount: Int) throws(KernelError) {
        guard let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), memory != MAP_FAILED else {
            throw KernelError("mmap(MAP_ANON|MAP_SHARED, \(byteCount))")
        }
        self.byteCount = byteCount
        start = memory
    }

    deinit { munmap(start, byteCount) }

    /// The bytes, which others may be changing at the same time.
    public func withBytes<Result>(_ body: (inout MutableRawSpan) -> Result) -> Result {
        var span = MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(start: start, count: byteCount))
        return body(&span)
    }
}
