import COpenSSL
public import Kernel

/// A connection of OpenSSL's, freed by leaving.
struct ConnectionHandle: ~Copyable {
    let pointer: OpaquePointer

    init(_ context: borrowing ContextHandle) throws(TLSError) {
        guard let pointer = SSL_new(context.pointer) else { throw TLSError(fromQueueAfter: "SSL_new()") }
        self.pointer = pointer
    }

    // A connection that ends without goodbye would take its session out of the cache. A fault that should
    // do so has done it by now.
    deinit {
        SSL_set_shutdown(pointer, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        SSL_free(pointer)
    }
}

/// TLS over a stream of the loop, whichever side is ours. It moves bytes between the stream and memory as
/// far as that goes without waiting, and leaves the waiting to its owner: what would block clears the flag
/// of the stream that has to become true again.
@LoopActor public class TLSConnection {
    let handle: ConnectionHandle
    let stream: StreamBIO
    /// What has gone wrong, once something has. Nothing moves any more then.
    public private(set) var fault: TLSError?
    /// The other side has said that it sends no more, or is gone. What it sends all the same is not read.
    private var hasEnded = false
    /// Whether bytes have been taken from the stream, or an end, that it will not tell of any more: then
    /// waiting for it would be wrong, and the next `receive` yields them.
    public private(set) var hasBufferedInput = false
    /// A message between the two TLS has come in part, such as new keys, and OpenSSL sends nothing before it has
    /// the rest: to wait for the stream to take something would be to wait for what is already so.
    private var sendsAfterReading = false
    /// OpenSSL has to answer such a message before it reads on, and the stream takes nothing.
    private var readsAfterSending = false

    /// How a handshake stands.
    public enum Progress: Equatable, Sendable { case done, wouldBlock, failed(TLSError) }

    init(_ context: borrowing ContextHandle, over source: EventSource) throws(TLSError) {
        handle = try ConnectionHandle(context)
        stream = StreamBIO(source)
        guard let bio = stream.makeBIO() else { throw TLSError(fromQueueAfter: "BIO_new()") }
        SSL_set_bio(handle.pointer, bio, bio)
        hearMessages()
    }

    public var source: EventSource { stream.source }

    /// Whether `receive` may get any further than it did.
    public var isReadable: Bool { readsAfterSending ? source.isWritable : source.isReadable || hasBufferedInput }
    /// Whether `send` may get any further than it did.
    public var isWritable: Bool { sendsAfterReading ? source.isReadable : source.isWritable }

    // MARK: Handshake

    /// Goes on with the handshake as far as the stream allows.
    public func handshake() -> Progress {
        if let fault { return .failed(fault) }
        ErrorQueue.clear()
        let status = SSL_do_handshake(handle.pointer)
        if status == 1 {
            hasBufferedInput = hasTakenInput
            // Buffers are freed as they are, and what is decrypted in them from now on may be a password.
            SSL_set_options(handle.pointer, openssl_cleanse_plaintext)
            stream.handshakeEnded()
            return .done
        }
        switch outcome(of: status, "SSL_do_handshake()") {
        case .wantsToRead, .wantsToWrite: return .wouldBlock
        case .ended: return .failed(fail(handshakeFailed(TLSError("peer closed connection in SSL handshake", isClientFault: true))))
        case .failed(let error, let reason):
            stream.handshakeFailed()
            let text = "peer closed connection in SSL handshake"
            let cause = reason.map { TLSError("\(text) (\($0.reason))", isClientFault: error.isClientFault) } ?? error
            return .failed(fail(handshakeFailed(cause)))
        }
    }

    /// Has OpenSSL report every message between the two TLS.
    private func hearMessages() {
        SSL_set_msg_callback(handle.pointer) { isSent, _, type, start, _, _, owner in
            guard isSent == 0, type == SSL3_RT_HANDSHAKE, let start, let owner else { return }
            let message = CInt(start.load(as: UInt8.self))
            nonisolated(unsafe) let place = owner
            LoopActor.assumeIsolated { Unmanaged<TLSConnection>.fromOpaque(place).takeUnretainedValue().heard(message) }
        }
        openssl_set_message_owner(handle.pointer, Unmanaged.passUnretained(self).toOpaque())
    }

    /// A message has come, of this type (RFC 8446, section 4), and OpenSSL is about to look at what it says.
    func heard(_ message: CInt) { stream.heardMessage() }

    /// What remains to be done when a handshake has failed, and what is to be said of it.
    func handshakeFailed(_ error: TLSError) -> TLSError { error }

    /// Whether a session of before goes on, which spares both sides the certificate.
    public var isResumed: Bool { SSL_session_reused(handle.pointer) == 1 }

    // MARK: Bytes

    /// Decrypts into the front of the buffer what has come, up to `limit` bytes.
    ///
    /// As with a plain stream, `.wouldBlock` leaves `isReadable` false. What broke the connection is
    /// in `fault`.
    public func receive(into buffer: SharedBuffer, atMost limit: Int = SharedBuffer.byteCount) -> Transfer {
        if hasEnded { return .closed }
        if fault != nil { return .failed(KernelError("SSL_read()", KernelError.protocolFault)) }
        return buffer.fill(atMost: limit) { span in
            span.withUnsafeMutableBytes { space in stream.readingTogether(space.count) { receive(into: space) } }
        }
    }

    /// How many records one `receive` takes at most: there may be but a byte in each.
    private static let recordsPerTurn = 64

    /// Records are read until the space is full, nothing is left, or it is the turn of others.
    private func receive(into space: UnsafeMutableRawBufferPointer) -> Transfer {
        var (count, recordCount) = (0, 0)
        readsAfterSending = false
        defer { if SSL_in_init(handle.pointer) == 0 { sendsAfterReading = false } }
        ErrorQueue.clear()
        repeat {
            var size = 0
            let status = SSL_read_ex(handle.pointer, space.baseAddress! + count, space.count - count, &size)
            if status != 1 {
                let end = ending(of: outcome(of: status, "SSL_read()"))
                return count > 0 ? .moved(count) : end
            }
            stream.heardData()
            count += size
            recordCount += 1
        } while recordCount < Self.recordsPerTurn && count < space.count && hasInput
        hasBufferedInput = hasTakenInput
        return .moved(count)
    }

    /// Whether something has been taken from the stream that it will not tell of any more.
    private var hasTakenInput: Bool { stream.hasUnread || SSL_has_pending(handle.pointer) == 1 }
    /// Whether there is anything to read on for.
    private var hasInput: Bool { stream.hasInput || SSL_has_pending(handle.pointer) == 1 }

    /// What is to be said of a read that yielded nothing. An end or a fault is kept for the next call.
    private func ending(of outcome: Outcome) -> Transfer {
        hasBufferedInput = false
        switch outcome {
        case .wantsToRead: return .wouldBlock
        case .ended:
            hasEnded = true
            hasBufferedInput = true
            return .closed
        case .wantsToWrite:
            readsAfterSending = true
            return .wouldBlock
        case .failed(let error, let reason):
            hasBufferedInput = true
            fail(error)
            return .failed(reason ?? KernelError("SSL_read()", KernelError.protocolFault))
        }
    }

    /// What comes from here on holds no password, so that to overwrite each buffer before it is freed would be for
    /// nothing. One that still holds something of before makes us go on with it.
    public func expectNoPasswords() {
        if SSL_has_pending(handle.pointer) == 0 { SSL_clear_options(handle.pointer, openssl_cleanse_plaintext) }
    }

    /// Encrypts and sends as much as the kernel takes. After `.wouldBlock`, which leaves `isWritable` false, the
    /// same bytes must come again, from wherever they are by then, since some of them may be on their way already.
    /// - Parameter hasMore: whether more is sent right behind, or the sending ended, with which the last of it may go.
    public func send(_ bytes: Span<UInt8>, hasMore: Bool = false) -> Transfer {
        if fault != nil { return .closed }
        if bytes.isEmpty { return .moved(0) }
        sendsAfterReading = false
        // What OpenSSL reads then may go on past the message that it is after.
        let readsFirst = SSL_in_init(handle.pointer) != 0
        defer { if readsFirst && fault == nil { hasBufferedInput = hasTakenInput } }
        ErrorQueue.clear()
        var count = 0
        // OpenSSL returns after each record (SSL_MODE_ENABLE_PARTIAL_WRITE).
        let status = stream.joining(bytes.count > RecordIntake.mostPlaintext ? stream.joinsRecords : hasMore) {
            bytes.withUnsafeBytes { SSL_write_ex(handle.pointer, $0.baseAddress, $0.count, &count) }
        }
        if status == 1 { return .moved(count) }
        switch outcome(of: status, "SSL_write()") {
        case .wantsToWrite: return .wouldBlock
        case .wantsToRead:
            sendsAfterReading = true
            return .wouldBlock
        case .ended: return .closed
        case .failed(let error, let reason):
            fail(error)
            return .failed(reason ?? KernelError("SSL_write()", KernelError.protocolFault))
        }
    }

    /// Tells the other side that nothing more comes, where that goes without waiting. The stream stays open, but its sending
    /// must be ended right behind, or it be closed: what is said here goes with that.
    public func endSending() {
        guard fault == nil, SSL_is_init_finished(handle.pointer) == 1 else { return }
        ErrorQueue.clear()
        _ = stream.joining(true) { SSL_shutdown(handle.pointer) }
    }

    // MARK: Outcomes

    private enum Outcome {
        case wantsToRead, wantsToWrite, ended
        /// The reason is the kernel's, where it was the kernel that refused.
        case failed(TLSError, KernelError?)
    }

    private func outcome(of status: CInt, _ call: String) -> Outcome {
        switch SSL_get_error(handle.pointer, status) {
        case SSL_ERROR_WANT_READ: return .wantsToRead
        case SSL_ERROR_WANT_WRITE: return .wantsToWrite
        case SSL_ERROR_ZERO_RETURN: return .ended
        default:
            if let error = stream.abuse { return .failed(error, nil) }
            if let error = stream.fault { return .failed(TLSError(error, in: call), error) }
            return ErrorQueue.isEmpty && stream.hasEnded ? .ended : .failed(TLSError(fromQueueAfter: call), nil)
        }
    }

    @discardableResult
    private func fail(_ error: TLSError) -> TLSError {
        fault = error
        return error
    }
}
