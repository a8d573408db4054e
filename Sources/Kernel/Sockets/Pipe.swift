import CKernel
import Glibc

/// A pipe by which the kernel hands bytes on from one stream to another without copying them. Who uses one has the
/// process ignore SIGPIPE, which no flag of the call could keep away.
@LoopActor public final class Pipe {
    /// How much of it is filled at once.
    public nonisolated static let byteCount = 256 * 1024
    /// How many descriptors it takes.
    public nonisolated static let descriptorCount = 2
    /// What it is asked to hold. It counts in packets, and those from a network are small.
    private static let capacity: CInt = 1 << 20

    private let exit, entrance: FileDescriptor
    /// How many bytes are in it.
    public private(set) var count = 0

    public init() throws(KernelError) {
        var numbers: (CInt, CInt) = (-1, -1)
        _ = try retrying("pipe2()") {
            withUnsafeMutableBytes(of: &numbers) { kernel_pipe($0.baseAddress!.assumingMemoryBound(to: CInt.self)) }
        }
        exit = FileDescriptor(owning: numbers.0)
        entrance = FileDescriptor(owning: numbers.1)
        _ = try retrying("fcntl(F_SETPIPE_SZ)") { kernel_set_pipe_capacity(entrance.number, Self.capacity) }
    }

    /// Takes in what has come on a stream. It must be empty: otherwise nobody would know which of both held it up.
    /// A fault has the name by which it is known where bytes are copied, since it is the stream's.
    /// - Returns: nil where the kernel does not do this: a sandbox may forbid the call, or the stream be of no kind for it.
    public func fill(from source: EventSource) -> Transfer? {
        while true {
            let moved = kernel_splice(source.number, entrance.number, Self.byteCount)
            if moved > 0 {
                count += moved
                return .moved(moved)
            }
            if moved == 0 { return .closed }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                source.isReadable = false
                return .wouldBlock
            case EINVAL, ENOSYS, EPERM, EACCES: return nil
            default: return .failed(KernelError("recv()"))
            }
        }
    }

    /// Sends on as much as a stream takes. That it takes less does not mean that it is full.
    public func drain(into source: EventSource) -> Transfer {
        while true {
            let moved = kernel_splice(exit.number, source.number, count)
            if moved >= 0 {
                count -= moved
                return .moved(moved)
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                source.isWritable = false
                return .wouldBlock
            case EPIPE, ECONNRESET: return .closed
            default: return .failed(KernelError("send()"))
            }
        }
    }
}
