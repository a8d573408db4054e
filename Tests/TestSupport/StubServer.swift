import Foundation

/// A server that a test scripts: each connection runs `script` on a thread of its own, every byte is
/// recorded, and all ends with the test.
public final class StubServer: @unchecked Sendable {
    public typealias Script = @Sendable (StubSession) throws -> Void

    public let address: Address
    private let listener: Socket
    private let script: Script
    private let lock = NSLock()
    private var all: [StubSession] = []

    /// Listens on a loopback port that the kernel chooses, or where told.
    public init(at address: Address = .port(0), _ script: @escaping Script) throws {
        listener = try Socket.listen(at: address)
        self.address = if case .path = address { address } else { .port(listener.port) }
        self.script = script
        try Workspace.here().atEnd { [self] in stop() }
        onNewThread { [self] in serve() }
    }

    public var port: UInt16 { listener.port }

    /// The connections so far, in the order in which they came.
    public var sessions: [StubSession] { lock.withLock { all } }

    /// Waits for a connection: 0 is the first.
    public func session(
        _ index: Int = 0, by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line
    ) throws -> StubSession {
        try eventually("connection \(index + 1) to \(address)", by: deadline, file: file, line: line) {
            let sessions = self.sessions
            return sessions.count > index ? sessions[index] : nil
        }
    }

    /// Refuses further connections and ends those there are.
    public func stop() {
        listener.shutDown()
        for session in sessions { session.end() }
    }

    private func serve() {
        while let socket = try? listener.accept() {
            let session = StubSession(socket)
            lock.withLock { all.append(session) }
            onNewThread { [script] in session.run(script) }
        }
    }
}

/// One connection to a stub: its script reads and sends here, and the test sees what came.
public final class StubSession: @unchecked Sendable {
    private let lock = NSLock()
    private var socket: Socket
    private let record = ByteRecord()
    private var reader: LineReader
    /// How this session's sending is cut.
    public var delivery = Delivery.whole
    /// What the script has understood, for the test to look at.
    public let notes = Notes()

    fileprivate init(_ socket: Socket) {
        self.socket = socket
        let record = self.record
        reader = LineReader(socket) { record.append($0) }
    }

    /// Speaks TLS from here on, or ends the script where the client does not. What was agreed upon is noted as
    /// `TLS`, the name that the client gave as `server name`.
    public func startTLS(_ order: TLSOrder) throws {
        let (secured, handshake) = try TLSPeer.shared().takeOver(socket, order, by: Self.patience)
        notes.add("\(handshake)", to: "TLS")
        if handshake.failure != nil { throw WireError.closed }
        notes.add(handshake.serverName ?? "", to: "server name")
        lock.withLock { socket = secured }
        reader = LineReader(secured) { [record] in record.append($0) }
    }

    fileprivate func run(_ script: StubServer.Script) {
        // A script that fails has found its peer gone or silent; the test sees that on its own side.
        try? script(self)
        end()
        record.finish()
    }

    // MARK: For the script. Nothing here waits for ever: the test's end shuts the socket down.

    private static var patience: Deadline { .after(.seconds(300)) }

    public func line() throws -> [UInt8]? { try reader.line(by: Self.patience) }
    public func bytes(_ count: Int) throws -> [UInt8] { try reader.bytes(count, by: Self.patience) }
    public func some() throws -> [UInt8] { try reader.some(by: Self.patience) }
    public func unread(_ line: [UInt8]) { reader.unread(line) }

    /// The next line as text, without its end; nil at the end of input.
    public func text() throws -> String? {
        try line().map { String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .newlines) }
    }

    public func send(_ text: String) throws { try send(Array(text.utf8)) }

    public func send(_ bytes: [UInt8]) throws {
        for piece in delivery.cut(bytes) {
            try socket.send(piece, by: Self.patience)
            if case .whole = delivery { continue }
            // Long enough that the other side mostly reads the pieces apart.
            usleep(300)
        }
    }

    /// Reads whatever comes and says nothing, until the other side ends.
    public func hang() throws { while try !some().isEmpty {} }

    /// Sends back whatever comes.
    public func echo() throws {
        while true {
            let bytes = try some()
            if bytes.isEmpty { return }
            try send(bytes)
        }
    }

    public func finishSending() { socket.finishSending() }
    public func reset() { socket.resetOnClose() }
    public var descriptor: CInt { socket.descriptor }
    public func sendUntilStuck(_ bytes: [UInt8], quiet: Duration) throws -> Int {
        try socket.sendUntilStuck(bytes, quiet: quiet)
    }

    // MARK: For the test

    /// Everything that has come.
    public var received: [UInt8] { record.bytes }
    public var receivedText: String { String(decoding: received, as: UTF8.self) }

    /// Whether the script has run to its end, as it does when the other side has closed.
    public var hasEnded: Bool { record.isFinished }

    public func awaitEnd(by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line) throws {
        try eventually("the end of a connection to a stub", by: deadline, file: file, line: line) { hasEnded }
    }

    /// Waits until this has come, somewhere in what was received.
    public func awaitReceived(
        _ text: String, by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line
    ) throws {
        try eventually("\"\(text)\", came \"\(receivedText)\"", by: deadline, file: file, line: line) {
            receivedText.contains(text)
        }
    }

    /// Waits until this many bytes have come.
    public func awaitReceived(
        count: Int, by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line
    ) throws {
        try eventually("\(count) bytes, came \(record.count)", by: deadline, file: file, line: line) {
            record.count >= count
        }
    }

    public func end() { lock.withLock { socket }.shutDown() }
}

/// How a stub cuts what it sends.
public enum Delivery: Sendable {
    case whole
    case byteByByte
    /// The first so many bytes apart from the rest.
    case splitAt(Int)

    fileprivate func cut(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        switch self {
        case .whole: [bytes[...]]
        case .byteByByte: bytes.indices.map { bytes[$0...$0] }
        case .splitAt(let count): [bytes.prefix(count), bytes.dropFirst(count)].filter { !$0.isEmpty }
        }
    }
}

/// What has come so far, and whether more may come.
private final class ByteRecord: @unchecked Sendable {
    private let lock = NSLock()
    private var stored: [UInt8] = []
    private var finished = false

    func append(_ more: [UInt8]) { lock.withLock { stored += more } }
    func finish() { lock.withLock { finished = true } }
    var bytes: [UInt8] { lock.withLock { stored } }
    var count: Int { lock.withLock { stored.count } }
    var isFinished: Bool { lock.withLock { finished } }
}

/// Named facts that a script leaves for the test.
public final class Notes: @unchecked Sendable {
    private let lock = NSLock()
    private var values: [String: [String]] = [:]

    public init() {}

    public func add(_ value: String, to name: String) { lock.withLock { values[name, default: []].append(value) } }
    public subscript(_ name: String) -> [String] { lock.withLock { values[name] ?? [] } }
}
