import Foundation
import Glibc
import Kernel

/// The loop is one for a process, and tests run side by side: they take turns.
private let turn = NSLock()

/// Runs a test on the loop, with nothing watched, no timer running, and the clock at the present.
@discardableResult
public func onLoop<Value: Sendable>(
    _ method: PollingMethod = .epoll, _ body: @LoopActor () throws -> Value
) throws -> Value {
    turn.lock()
    defer { turn.unlock() }
    return try LoopActor.assumeIsolated { () -> Result<Value, any Error> in
        Result {
            defer { LoopActor.loop.leave() }
            try LoopActor.loop.begin(using: method)
            try takeTurn()
            return try body()
        }
    }.get()
}

/// Lets the loop take one turn, in which it does not wait.
@LoopActor public func takeTurn() throws {
    var isOver = false
    LoopActor.loop.atEndOfTurn { isOver = true }
    try LoopActor.loop.run { isOver }
}

/// Runs the loop until something is so, and gives up where that takes longer than on any machine.
@LoopActor public func runLoop(
    file: String = #fileID, line: Int = #line, until isSo: @LoopActor () -> Bool
) throws {
    var isLate = false
    let limit = LoopTimer { isLate = true }
    limit.start(after: .seconds(20))
    defer { limit.stop() }
    try LoopActor.loop.run { isLate || isSo() }
    if isLate { throw TestFailure("the loop ran in vain", at: Place(file: file, line: line)) }
}

/// Notes what it is told.
@LoopActor public final class Recorder: EventObserver {
    public private(set) var count = 0
    public var action: (@LoopActor (EventSource) -> Void)?

    public init() {}

    public func becameReady(_ source: EventSource) {
        count += 1
        action?(source)
    }
}

/// A connection inside this process: one end that the loop watches, and one that a test speaks through.
@LoopActor public struct WatchedPair {
    public let near: EventSource
    public let far: EventSource

    /// - Parameters:
    ///   - observer: whom the loop tells of the near end.
    ///   - overTCP: whether it is a connection by TCP, which knows some things that sockets within a machine do not.
    public init(_ observer: any EventObserver, overTCP: Bool = false) throws {
        if overTCP {
            let listener = try ListeningSocket.bind(.ipv4(0x7F00_0001, port: 0))
            let door = EventSource(try FileDescriptor.duplicate(of: listener.descriptor.number), isStream: false)
            defer { door.close() }
            guard let address = door.localAddress else { throw TestFailure("a listener without an address") }
            far = try EventSource.connect(to: address)
            guard let accepted = try door.accept() else { throw TestFailure("nobody to accept") }
            near = accepted.source()
        } else {
            let ends = try Channel.makePair()
            near = EventSource(owning: ends.0, isStream: true)
            far = EventSource(owning: ends.1, isStream: true)
        }
        try LoopActor.loop.watch(near, observer)
    }

    public func close() {
        near.close()
        far.close()
    }
}

extension EventSource {
    /// Sends as much of the text as the kernel takes.
    @discardableResult
    public func say(_ text: String) -> Transfer { send(Array(text.utf8).span) }

    /// Sends as much as the kernel takes at once.
    /// - Returns: how many bytes went.
    public func sayOnce(_ bytes: [UInt8]) -> Int {
        if case .moved(let count) = send(bytes.span) { count } else { 0 }
    }

    /// Sends until the kernel takes nothing more.
    /// - Returns: how many bytes went.
    public func sayUntilFull(_ bytes: [UInt8]) -> Int {
        var sent = 0
        while case .moved(let count) = send(bytes.span) { sent += count }
        return sent
    }

    /// How many packets have come by TCP: `tcpi_segs_in` of Linux's `tcp_info`, which glibc's does not have.
    public var segmentsReceived: Int {
        var words = [UInt32](repeating: 0, count: 36)
        var length = socklen_t(words.count * MemoryLayout<UInt32>.size)
        getsockopt(number, CInt(IPPROTO_TCP), TCP_INFO, &words, &length)
        return Int(words[35])
    }

    /// All that has come and not been read, and whether the other side has ended.
    public func hear() -> (bytes: [UInt8], isEnd: Bool) {
        let buffer = SharedBuffer()
        var bytes: [UInt8] = []
        while true {
            switch buffer.fill(from: self) {
            case .moved(let count):
                buffer.withBytes(count) { span in span.withUnsafeBufferPointer { bytes.append(contentsOf: $0) } }
            case .wouldBlock: return (bytes, false)
            case .closed, .failed: return (bytes, true)
            }
        }
    }
}
