import Kernel

/// One socket of a session with what has been read from it and not yet used, and what is to be sent.
@LoopActor final class Connection {
    let source: EventSource
    private(set) var input = ByteQueue()
    private(set) var output = ByteQueue()
    /// The other side has ended its sending, and all of it has been read.
    private(set) var isAtEnd = false
    /// The connection broke, and why; nil as a reason where the other side simply went.
    private(set) var fault: KernelError?
    private(set) var isBroken = false

    init(_ source: EventSource) { self.source = source }

    // MARK: Readiness

    /// Who is told when this connection can be read or written: the session, and later its relay.
    var observer: (any EventObserver)? {
        get { source.observer }
        set { source.observer = newValue }
    }

    var isOpen: Bool { source.isOpen }
    var isReadable: Bool { source.isReadable }
    var isWritable: Bool { source.isWritable }
    /// The other side has ended its sending, or is gone; what it sent before may still be unread.
    var hasHungUp: Bool { source.hasHungUp }
    var canRead: Bool { isReadable && !isAtEnd && !isBroken }

    /// Why a connection that became writable is none, or nil where it is one.
    func connectFault() -> KernelError? { source.connectFault() }

    // MARK: Bytes past the queues

    /// Reads into the worker's buffer.
    func receive(into buffer: SharedBuffer, atMost limit: Int = SharedBuffer.byteCount) -> Transfer {
        buffer.fill(from: source, atMost: limit)
    }

    /// Writes as much as is taken.
    func send(_ bytes: Span<UInt8>) -> Transfer { source.send(bytes) }

    /// Ends this side's sending; the other side may go on.
    func endSending() { source.endSending() }

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
        case .failed(let error): fail(error)
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

    /// Puts bytes behind those that are to be sent. They go with the next `flush`.
    func enqueue(_ bytes: [UInt8]) { output.append(bytes) }
    func enqueue(_ bytes: Span<UInt8>) { output.append(bytes) }

    /// Sends what waits, as far as the kernel takes it.
    func flush() {
        while !output.isEmpty && isWritable && !isBroken {
            switch output.withSpan({ send($0) }) {
            case .moved(let count): output.consume(count)
            case .wouldBlock: return
            case .closed: isBroken = true
            case .failed(let error): fail(error)
            }
        }
    }

    private func fail(_ error: KernelError) {
        isBroken = true
        fault = error
    }

    func close() {
        input.removeAll()
        output.removeAll()
        source.close()
    }
}
