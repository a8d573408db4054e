import CKernel

/// The one buffer that all sockets of a worker are read through, used from a read to the end
/// of the same step and never across an await, so sessions that wait hold no memory for reading.
@LoopActor public final class SharedBuffer {
    /// Twice what TCP hands on in one piece: what flows goes in few calls and in pieces that are mostly full. With the
    /// records that it comes in it still fits into a processor's own cache.
    public nonisolated static let byteCount = 128 * 1024

    private nonisolated(unsafe) let storage: UnsafeMutableRawBufferPointer

    public init() {
        storage = .allocate(byteCount: Self.byteCount, alignment: 4096)
    }

    deinit { storage.deallocate() }

    /// The first bytes of the buffer, as the last read left them.
    public func withBytes<Result>(_ count: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        body(Span(_unsafeElements: UnsafeRawBufferPointer(front(count)).bindMemory(to: UInt8.self)))
    }

    /// Reads from a socket into the front of the buffer.
    public func fill(from source: EventSource, atMost limit: Int = byteCount) -> Transfer {
        source.receive(into: front(limit))
    }

    /// Copies what waits at a socket into the front of the buffer, and leaves it there for the next read.
    public func peek(at source: EventSource, atMost limit: Int) -> Transfer {
        source.peek(into: front(limit))
    }

    /// Lets somebody else write into the front of the buffer: TLS, which decrypts into it.
    public func fill(atMost limit: Int, by body: (inout MutableRawSpan) -> Transfer) -> Transfer {
        var span = MutableRawSpan(_unsafeBytes: front(limit))
        return body(&span)
    }

    /// Overwrites the front of the buffer, after a password may have passed through it.
    public func wipe(_ count: Int) {
        kernel_wipe(storage.baseAddress, min(count, storage.count))
    }

    private func front(_ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: storage.baseAddress, count: max(0, min(count, storage.count)))
    }
}
