import Kernel
import TLS

/// One socket of the play, plain or TLS. Whoever holds it knows what must come.
@LoopActor final class Wire {
    private let source: EventSource
    private let role: Role
    private let waiter = Waiter()
    private var tls: TLSConnection?
    /// What has been read and not yet been asked for.
    private var input: [UInt8] = []

    /// All read through one buffer, whose contents are good until the next await.
    private static let buffer = SharedBuffer()

    init(_ source: EventSource, of role: Role) throws(Fault) {
        self.source = source
        self.role = role
        do { try LoopActor.loop.watch(source, waiter) } catch { throw Fault(role, "\(error)") }
    }

    /// Connects as a client.
    static func connect(to address: SocketAddress) async throws(Fault) -> Wire {
        let source: EventSource
        do { source = try EventSource.connect(to: address) } catch { throw Fault(.client, "\(error)") }
        let wire = try Wire(source, of: .client)
        while !source.isWritable && !source.hasHungUp { await wire.waiter.sleep() }
        if let error = source.connectFault() {
            wire.close()
            throw Fault(.client, "\(error)")
        }
        return wire
    }

    func close() { source.close() }

    // MARK: TLS

    /// Whether TLS has come back to a session of before.
    var isResumed: Bool { tls?.isResumed ?? false }

    /// Speaks TLS from here on, once both sides have agreed on it.
    func begin(_ context: TLSClientContext, with server: SocketAddress) async throws(Fault) {
        guard input.isEmpty else { throw Fault(role, "heard something before TLS began: \(quoted(input))") }
        let tls: TLSClientConnection
        do {
            tls = try TLSClientConnection(context, over: source, to: server, host: "bench.test")
        } catch {
            throw Fault(role, "\(error)")
        }
        while true {
            switch tls.handshake() {
            case .done:
                self.tls = tls
                return
            case .wouldBlock: await waiter.sleep()
            case .failed(let error): throw Fault(role, "\(error)")
            }
        }
    }

    // MARK: Saying

    func send(_ bytes: [UInt8]) async throws(Fault) {
        try await send(bytes, 0..<bytes.count)
    }

    /// Sends so much of the pattern, from its beginning.
    func sendPattern(_ count: Int) async throws(Fault) {
        var sent = 0
        while sent < count {
            let (start, size) = (Pattern.start(after: sent), min(count - sent, Pattern.period))
            try await send(Pattern.bytes, start..<start + size)
            sent += size
        }
    }

    private func send(_ bytes: [UInt8], _ range: Range<Int>) async throws(Fault) {
        var start = range.lowerBound
        while start < range.upperBound {
            let rest = bytes.span.extracting(start..<range.upperBound)
            switch tls?.send(rest) ?? source.send(rest) {
            case .moved(let count): start += count
            case .wouldBlock: await waiter.sleep()
            case .closed: throw Fault(role, "closed while something was to be sent")
            case .failed(let error): throw Fault(role, "\(error)")
            }
        }
    }

    // MARK: Hearing

    /// Takes what must come next, and fails with the first byte that is another.
    func expect(_ bytes: [UInt8]) async throws(Fault) {
        while true {
            let count = min(input.count, bytes.count)
            guard startsAreSame(input, bytes, count) else {
                throw Fault(role, "heard \(quoted(input)), not \(quoted(bytes))")
            }
            if count == bytes.count { break }
            guard try await readMore() else { throw Fault(role, "closed where \(quoted(bytes)) was to come") }
        }
        input.removeFirst(bytes.count)
    }

    /// Takes what ends in `delimiter`; nil where the other side ends before it begins.
    func take(through delimiter: [UInt8]) async throws(Fault) -> [UInt8]? {
        while true {
            if let last = input.indices.first(where: { isEnd($0, of: delimiter) }) {
                defer { input.removeFirst(last + 1) }
                return Array(input[...last])
            }
            guard try await readMore() else {
                if input.isEmpty { return nil }
                throw Fault(role, "closed after \(quoted(input))")
            }
        }
    }

    private func isEnd(_ index: Int, of delimiter: [UInt8]) -> Bool {
        input[index] == delimiter.last && input[...index].suffix(delimiter.count).elementsEqual(delimiter)
    }

    /// Takes so much of the pattern, from its beginning.
    func expectPattern(_ total: Int) async throws(Fault) {
        var taken = min(total, input.count)
        var isRight = startsAreSame(input, Pattern.bytes, taken)
        input.removeFirst(taken)
        while taken < total && isRight {
            let count = try await read(atMost: min(total - taken, Pattern.period))
            guard count > 0 else { throw Fault(role, "closed after \(taken) of \(total) bytes") }
            isRight = Self.buffer.withBytes(count) { Pattern.continues(with: $0, after: taken) }
            taken += count
        }
        if !isRight { throw Fault(role, "received something else than was sent, before byte \(taken) of \(total)") }
    }

    /// Waits for the other side's end, before which nothing more must come.
    func expectEnd() async throws(Fault) {
        let count = try await read(atMost: SharedBuffer.byteCount)
        if count > 0 || !input.isEmpty { throw Fault(role, "heard something where the end was to come: \(quoted(input))") }
    }

    private func readMore() async throws(Fault) -> Bool {
        // What comes behind a command may be of the pattern, and is compared with it in one piece.
        let count = try await read(atMost: Pattern.period)
        Self.buffer.withBytes(count) { bytes in
            for index in bytes.indices { input.append(bytes[index]) }
        }
        return count > 0
    }

    /// Reads into the buffer. 0 means that the other side has ended.
    private func read(atMost limit: Int) async throws(Fault) -> Int {
        while true {
            guard source.isReadable || tls?.hasBufferedInput ?? false else {
                await waiter.sleep()
                continue
            }
            switch tls?.receive(into: Self.buffer, atMost: limit) ?? Self.buffer.fill(from: source, atMost: limit) {
            case .moved(let count): return count
            case .wouldBlock: continue
            case .closed: return 0
            case .failed(let error): throw Fault(role, "\(error)")
            }
        }
    }
}

/// Whether so many of the first bytes are the same.
private func startsAreSame(_ left: [UInt8], _ right: [UInt8], _ count: Int) -> Bool {
    left.span.extracting(0..<count).hasSameBytes(as: right.span.extracting(0..<count))
}
