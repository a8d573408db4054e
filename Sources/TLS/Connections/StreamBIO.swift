import COpenSSL
import Kernel

/// What OpenSSL reads from and writes to in place of a socket: a stream of the loop. So the flags of the
/// stream stay true to what the kernel said, a short read spares the one that would find nothing, and what
/// OpenSSL would send at once can be held back until there is more to go with it.
@LoopActor final class StreamBIO {
    let source: EventSource
    /// What the kernel refused to do, when it was not that it would have to wait.
    private(set) var fault: KernelError?
    /// The other side has gone: nothing comes any more, or nothing is taken.
    private(set) var hasEnded = false
    private var held: [UInt8] = []
    private var isHolding = false

    init(_ source: EventSource) { self.source = source }

    /// The BIO, which belongs to whoever takes it and must not outlive this object.
    func makeBIO() -> OpaquePointer? {
        guard let method = Self.method, let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        BIO_set_init(bio, 1)
        return bio
    }

    /// What OpenSSL writes during `body` goes with what it writes next.
    func holdingBack(_ body: () -> Void) {
        isHolding = true
        defer { isHolding = false }
        body()
    }

    // MARK: What OpenSSL calls

    fileprivate func read(_ bio: OpaquePointer, into bytes: UnsafeMutableRawBufferPointer) -> CInt {
        openssl_clear_retry(bio)
        guard source.isReadable else { return retryReading(bio) }
        var span = MutableRawSpan(_unsafeBytes: bytes)
        switch source.receive(into: &span) {
        case .moved(let count): return CInt(count)
        case .wouldBlock: return retryReading(bio)
        case .closed:
            hasEnded = true
            return 0
        case .failed(let error):
            fault = error
            return -1
        }
    }

    fileprivate func write(_ bio: OpaquePointer, _ bytes: UnsafeRawBufferPointer) -> CInt {
        openssl_clear_retry(bio)
        if isHolding {
            held.append(contentsOf: bytes)
            return CInt(bytes.count)
        }
        guard source.isWritable else { return retryWriting(bio) }
        if held.isEmpty { return send(bio, bytes.bindMemory(to: UInt8.self).span) }
        let (all, earlier) = (held + bytes, held.count)
        let sent = Int(send(bio, all.span))
        if sent < 0 { return -1 }
        held = Array(held.dropFirst(sent))
        return sent > earlier ? CInt(sent - earlier) : retryWriting(bio)
    }

    private func send(_ bio: OpaquePointer, _ bytes: Span<UInt8>) -> CInt {
        switch source.send(bytes) {
        case .moved(let count): return CInt(count)
        case .wouldBlock: return retryWriting(bio)
        case .closed:
            hasEnded = true
            return -1
        case .failed(let error):
            fault = error
            return -1
        }
    }

    private func retryReading(_ bio: OpaquePointer) -> CInt {
        BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
        return -1
    }

    private func retryWriting(_ bio: OpaquePointer) -> CInt {
        BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
        return -1
    }

    /// The functions of this kind of BIO, made once for the process.
    private static let method: OpaquePointer? = {
        guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream") else { return nil }
        BIO_meth_set_read(method) { bio, start, count in
            withStream(of: bio, from: start, count) { $0.read($1, into: UnsafeMutableRawBufferPointer(start: $2, count: $3)) }
        }
        BIO_meth_set_write(method) { bio, start, count in
            withStream(of: bio, from: UnsafeMutablePointer(mutating: start), count) {
                $0.write($1, UnsafeRawBufferPointer(start: $2, count: $3))
            }
        }
        BIO_meth_set_ctrl(method) { bio, command, _, _ in
            switch command {
            case BIO_CTRL_FLUSH: return 1
            case BIO_CTRL_EOF: return withStream(of: bio, from: nil, 0) { stream, _, _, _ in stream.hasEnded ? 1 : 0 }
            default: return 0
            }
        }
        return method
    }()
}

/// Finds the stream of a BIO. OpenSSL calls back within a call that was made on the loop.
private func withStream<Result: BinaryInteger>(
    of bio: OpaquePointer?, from start: UnsafeMutablePointer<CChar>?, _ count: CInt,
    _ body: @LoopActor (StreamBIO, OpaquePointer, UnsafeMutablePointer<CChar>?, Int) -> Result
) -> Result {
    guard let bio, let pointer = BIO_get_data(bio) else { return -1 }
    nonisolated(unsafe) let place = (bio: bio, stream: pointer, start: start)
    return LoopActor.assumeIsolated {
        body(
            Unmanaged<StreamBIO>.fromOpaque(place.stream).takeUnretainedValue(), place.bio, place.start, max(0, Int(count)))
    }
}
