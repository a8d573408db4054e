import COpenSSL
import Kernel

/// What OpenSSL reads from and writes to in place of a socket: a stream of the loop. So the flags of the
/// stream stay true to what the kernel said, a short read spares the one that would find nothing, one read brings
/// many records, and what OpenSSL would send at once can be held back until there is more to go with it.
@LoopActor final class StreamBIO {
    let source: EventSource
    /// What the kernel refused to do, when it was not that it would have to wait.
    private(set) var fault: KernelError?
    /// The other side has gone: nothing comes any more, or nothing is taken.
    private(set) var hasEnded = false
    /// Why no more is read, where the other side makes us read, and keep, for nothing.
    private(set) var abuse: TLSError?
    /// How many bytes of a handshake may yet come. Nil where nothing limits them, as once it is done.
    var handshakeAllowance: Int?
    private var idleMessageCount = 0
    /// How much may be said between the two TLS, of keys and tickets, for each time that something is said to us.
    nonisolated static let maximumIdleMessages = 64
    /// What has come and OpenSSL has not yet asked for.
    private var intake = RecordIntake()
    /// How much one read may bring. 0 where there is to be none, and nil where OpenSSL says it itself.
    private var intakeLimit: Int?
    private var hasMore = false
    /// Whether records may wait for those behind them. Where the kernel paces the connection, that would cost more than it
    /// spares: it takes long over long pieces. Asked once, and by those only who have much to say.
    private(set) lazy var joinsRecords = !source.isPaced
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

    /// What OpenSSL writes from here to the end of the handshake goes with what it writes next.
    func holdBack() { isHolding = true }

    /// The record that OpenSSL writes during `body` may go with what comes right behind it, if there is anything.
    func joining(_ hasMore: Bool, _ body: () -> CInt) -> CInt {
        self.hasMore = hasMore
        defer { self.hasMore = false }
        return body()
    }

    /// What OpenSSL reads during `body` comes from the kernel in one call. There is another only where the first
    /// has not led to any data: so what comes of it has room in `byteCount`, behind the record of which OpenSSL has
    /// a part already.
    func readingTogether(_ byteCount: Int, _ body: () -> Transfer) -> Transfer {
        // Where there is no room for many records, OpenSSL's own buffer does as well.
        guard byteCount > 2 * RecordIntake.longestRecord else { return body() }
        intakeLimit = byteCount - RecordIntake.longestRecord
        intake.open()
        defer {
            intake.close()
            intakeLimit = nil
        }
        return body()
    }

    /// Whether something has been taken from the stream that it will not tell of any more.
    var hasUnread: Bool { !intake.isEmpty }
    /// Whether OpenSSL would get anything if it read on.
    var hasInput: Bool { hasUnread || source.isReadable && intakeLimit != 0 }

    // MARK: Abuse

    /// The handshake is done: what is said between the two TLS from here on is beside the point.
    func handshakeEnded() {
        handshakeAllowance = nil
        idleMessageCount = 0
        isHolding = false
    }

    /// The handshake has come to nothing, and nothing is written any more with which that could go.
    func handshakeFailed() {
        isHolding = false
        let last = held
        if !last.isEmpty && source.isWritable { _ = source.send(last.span) }
    }

    /// Something was said to us.
    func heardData() {
        idleMessageCount = 0
        if intakeLimit != nil { intakeLimit = 0 }
    }

    /// OpenSSL takes in any number of messages before it yields a byte, and nobody else gets a turn meanwhile.
    func heardMessage() {
        idleMessageCount += 1
        if idleMessageCount > Self.maximumIdleMessages {
            abuse = TLSError("peer sent too many messages without data", isClientFault: true)
        }
    }

    /// OpenSSL makes room for whatever length a handshake's message announces, as far as it comes.
    private func spend(_ byteCount: Int) {
        guard let allowance = handshakeAllowance else { return }
        handshakeAllowance = allowance - byteCount
        if allowance < byteCount { abuse = TLSError("peer sent too long handshake", isClientFault: true) }
    }

    // MARK: What OpenSSL calls

    fileprivate func read(_ bio: OpaquePointer, into bytes: UnsafeMutableRawBufferPointer) -> CInt {
        openssl_clear_retry(bio)
        if abuse != nil { return -1 }
        if hasUnread { return CInt(intake.move(into: bytes)) }
        guard hasInput else { return retryReading(bio) }
        switch receive(into: bytes) {
        case .moved(let count):
            spend(count)
            if abuse != nil { return -1 }
            return CInt(hasUnread ? intake.move(into: bytes) : count)
        case .wouldBlock: return retryReading(bio)
        case .closed:
            hasEnded = true
            return 0
        case .failed(let error):
            fault = error
            return -1
        }
    }

    private func receive(into bytes: UnsafeMutableRawBufferPointer) -> Transfer {
        if let intakeLimit { return intake.fill(from: source, atMost: intakeLimit) }
        var span = MutableRawSpan(_unsafeBytes: bytes)
        return source.receive(into: &span)
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
        switch source.send(bytes, hasMore: hasMore) {
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
