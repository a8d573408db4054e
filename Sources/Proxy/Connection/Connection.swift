import Kernel
import TLS

/// One socket of a session, plain or under TLS, with what has been read from it and not yet used, and what is
/// to be sent. Who reads and writes does not ask which. Every session has two; flags stand together, which leaves no gaps.
@LoopActor final class Connection {
    let source: EventSource
    private var tls: TLSConnection?
    private(set) var input = ByteQueue()
    private(set) var output = ByteQueue()
    /// Why the connection broke; nil where the other side simply went.
    private var fault: KernelError?
    private(set) var isBroken = false
    /// The other side has ended its sending, and all of it has been read.
    private(set) var isAtEnd = false
    /// TLS has begun and is not yet agreed upon: nothing can be said meanwhile.
    private(set) var isHandshaking = false

    init(_ source: EventSource) { self.source = source }

    // MARK: Readiness

    /// Who is told when this connection can be read or written: the session, and later its relay.
    var observer: (any EventObserver)? {
        get { source.observer }
        set { source.observer = newValue }
    }

    var isOpen: Bool { source.isOpen }
    var isReadable: Bool { if let tls { tls.isReadable } else { source.isReadable } }
    var isWritable: Bool { if let tls { tls.isWritable } else { source.isWritable } }
    /// The other side has ended its sending, or is gone; what it sent before may still be unread.
    var hasHungUp: Bool { source.hasHungUp }
    /// The other side has ended its sending, and all of it has been read but for the end. Under TLS that shows later.
    var hasSaidAll: Bool { source.isDrained && isPlain }
    var canRead: Bool { isReadable && !isAtEnd && !isBroken }

    /// Why a connection that became writable is none, or nil where it is one.
    func connectFault() -> KernelError? { source.connectFault() }

    // MARK: Bytes past the queues

    /// Reads into the worker's buffer.
    func receive(into buffer: SharedBuffer, atMost limit: Int = SharedBuffer.byteCount) -> Transfer {
        let transfer = if let tls { tls.receive(into: buffer, atMost: limit) } else { buffer.fill(from: source, atMost: limit) }
        return noting(transfer)
    }

    /// Writes as much as is taken.
    /// - Parameter isLast: whether the sending is ended right behind, which then goes with it.
    func send(_ bytes: Span<UInt8>, isLast: Bool = false) -> Transfer {
        let transfer = if let tls { tls.send(bytes, hasMore: isLast) } else { source.send(bytes, hasMore: isLast) }
        return noting(transfer)
    }

    /// Whether bytes may go through as they are, so that the kernel can hand them on by itself.
    var isPlain: Bool { tls == nil }

    /// Has the loop report this connection when so many bytes have come, and not before. Where that is one, what has
    /// come already is to be read now.
    func reportReadable(from byteCount: Int) { source.reportReadable(from: byteCount) }

    /// Has the next read look whether anything has come that no event has told of yet.
    func presumeReadable() { source.isReadable = true }

    /// Reads into an empty pipe. Nil where the kernel does not do that.
    func receive(into pipe: Pipe) -> Transfer? { pipe.fill(from: source).map(noting) }

    /// Writes as much of a pipe as is taken.
    func send(from pipe: Pipe) -> Transfer { noting(pipe.drain(into: source)) }

    private func noting(_ transfer: Transfer) -> Transfer {
        if case .failed(let error) = transfer {
            isBroken = true
            fault = error
        }
        return transfer
    }

    /// What the log says of why the connection broke; nil where the other side simply went.
    var breakage: (text: String, error: KernelError?)? {
        if let fault = tls?.fault { return (fault.text, nil) }
        return fault.map { ("\($0.call) failed", $0) }
    }

    /// Ends this side's sending; the other side may go on.
    func endSending() {
        tls?.endSending()
        source.endSending()
    }

    // MARK: TLS

    var isEncrypted: Bool { tls != nil && !isHandshaking }

    /// Nothing is said in the clear any more, and what was read of it is forgotten.
    func endPlaintext() {
        discardInput()
        isHandshaking = true
    }

    /// Lets everything from here on be TLS.
    func begin(_ tls: TLSConnection) {
        endPlaintext()
        self.tls = tls
    }

    /// Goes on with the handshake, as far as what has come allows.
    func handshake() -> TLSConnection.Progress {
        guard let tls else { return .done }
        let progress = tls.handshake()
        if case .done = progress { isHandshaking = false }
        return progress
    }

    /// The login is over: no password comes any more.
    func expectNoPasswords() { tls?.expectNoPasswords() }

    // MARK: Bytes through the queues

    /// Reads once, until `input` holds `limit` bytes at most.
    func read(through buffer: SharedBuffer, limit: Int) {
        let room = limit - input.count
        guard room > 0 else { return }
        switch receive(into: buffer, atMost: min(room, SharedBuffer.byteCount)) {
        case .moved(let count):
            buffer.withBytes(count) { input.append($0) }
            buffer.wipe(count)
        case .wouldBlock: break
        case .closed: isAtEnd = true
        case .failed: break
        }
    }

    /// Reads once in the clear, and no more than `body` says of what has come. The rest stays where it is, for
    /// TLS to read.
    func read(through buffer: SharedBuffer, limit: Int, asFarAs body: (Span<UInt8>) -> Int) {
        switch noting(buffer.peek(at: source, atMost: limit)) {
        case .moved(let count):
            let wanted = buffer.withBytes(count, body)
            _ = receive(into: buffer, atMost: wanted)
            buffer.wipe(count)
        case .wouldBlock, .failed: break
        case .closed: isAtEnd = true
        }
    }

    func consume(_ byteCount: Int) { input.consume(byteCount) }

    /// Forgets whatever has been read and not used.
    func discardInput() { input.removeAll() }

    /// Takes out all that has been read and not used.
    func takeInput() -> ByteQueue {
        defer { input = ByteQueue() }
        return input
    }

    /// Takes out all that waits to be sent.
    func takeOutput() -> ByteQueue {
        defer { output = ByteQueue() }
        return output
    }

    /// Sends bytes at once where nothing waits before them. What is not taken goes with the next `flush`.
    func say(_ bytes: Span<UInt8>) {
        var sent = 0
        while output.isEmpty, sent < bytes.count, isWritable, !isBroken {
            switch send(bytes.extracting(sent..<bytes.count)) {
            case .moved(let count): sent += count
            case .wouldBlock, .failed: return output.append(bytes.extracting(sent..<bytes.count))
            case .closed: isBroken = true
            }
        }
        if sent < bytes.count { output.append(bytes.extracting(sent..<bytes.count)) }
    }

    /// Puts bytes behind those that are to be sent. They go with the next `flush`.
    func enqueue(_ bytes: [UInt8]) { output.append(bytes) }
    func enqueue(_ bytes: Span<UInt8>) { output.append(bytes) }

    /// Whether anything waits to be sent.
    var hasOutput: Bool { !output.isEmpty }

    /// Sends what waits, as far as the kernel takes it.
    /// - Parameter isLast: whether the sending is ended right behind.
    func flush(isLast: Bool = false) {
        while !output.isEmpty && isWritable && !isBroken {
            switch output.withSpan({ send($0, isLast: isLast) }) {
            case .moved(let count): output.consume(count)
            case .wouldBlock, .failed: return
            case .closed: isBroken = true
            }
        }
    }

    /// Reads what has come and nobody will ask for: to close with bytes unread would reset the connection, and
    /// take with it what was sent last.
    func drain(through buffer: SharedBuffer) {
        discardInput()
        if case .moved(let count) = buffer.fill(from: source) { buffer.wipe(count) }
    }

    func close() {
        input.removeAll()
        output.removeAll()
        source.close()
    }
}
