import CKernel
import Glibc

/// Memory of a fixed size that this process and those forked from it write into one after the other, round
/// and round. It is a file without a path: whoever may look into the process reads it as
/// `/proc/PID/fd/NUMBER`, under a name that `ls -l` shows there.
public final class SharedRing: @unchecked Sendable {
    public let byteCount: Int
    private let file: FileDescriptor
    private let start: UnsafeMutableRawPointer
    /// How many bytes have been written so far, on a page that is no part of the file.
    private let cursor: SharedMemory
    /// What the ring begins with, for ever.
    private let headerByteCount: Int

    /// - Parameters:
    ///   - name: what `ls -l /proc/PID/fd` shows, as `/memfd:NAME`.
    ///   - header: what stands first and is never overwritten; it must leave room for something.
    public init(byteCount: Int, named name: String, header: [UInt8]) throws(KernelError) {
        precondition(header.count < byteCount)
        file = FileDescriptor(owning: try retrying("memfd_create()") { kernel_memfd(name) })
        if ftruncate(file.number, off_t(byteCount)) != 0 { throw KernelError("ftruncate(\(byteCount))") }
        guard let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0), memory != MAP_FAILED else {
            throw KernelError("mmap(MAP_SHARED, \(byteCount))")
        }
        self.byteCount = byteCount
        start = memory
        headerByteCount = header.count
        cursor = try SharedMemory(byteCount: MemoryLayout<UInt64>.size)
        header.withUnsafeBytes { start.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    }

    deinit { munmap(start, byteCount) }

    /// Writes behind what was written last, over what is oldest. Each writer has its place for itself.
    public func write(_ bytes: [UInt8]) {
        let room = byteCount - headerByteCount
        let count = min(bytes.count, room)
        let place = cursor.withBytes { memory in
            memory.withUnsafeMutableBytes { kernel_atomic_add($0.baseAddress!.assumingMemoryBound(to: UInt64.self), UInt64(count)) }
        }
        let offset = Int(place % UInt64(room))
        let head = min(count, room - offset)
        bytes.withUnsafeBytes { source in
            guard let first = source.baseAddress else { return }
            (start + headerByteCount + offset).copyMemory(from: first, byteCount: head)
            (start + headerByteCount).copyMemory(from: first + head, byteCount: count - head)
        }
    }

    /// All that the ring holds now, from its first byte on.
    public var contents: [UInt8] { Array(UnsafeRawBufferPointer(start: start, count: byteCount)) }
}
