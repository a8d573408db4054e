/// Reads a socket by lines, by counts, or to the end, and keeps what it has not handed out.
public struct LineReader {
    public let socket: Socket
    private var unread: [UInt8] = []
    private var start = 0
    /// Sees every byte as it arrives.
    private let onBytes: @Sendable ([UInt8]) -> Void

    public init(_ socket: Socket, onBytes: @escaping @Sendable ([UInt8]) -> Void = { _ in }) {
        self.socket = socket
        self.onBytes = onBytes
    }

    /// Whether nothing has come that was not handed out.
    public var hasReadAll: Bool { unread.count == start }

    private mutating func fill(by deadline: Deadline) throws(WireError) -> Bool {
        let more = try socket.receive(by: deadline)
        if more.isEmpty { return false }
        onBytes(more)
        if start > 0 {
            unread.removeFirst(start)
            start = 0
        }
        unread += more
        return true
    }

    private mutating func take(_ count: Int) -> [UInt8] {
        defer { start += count }
        return Array(unread[start..<start + count])
    }

    /// The next line with its end; nil at the end of input. What follows the last LF is a line too.
    public mutating func line(by deadline: Deadline = .usual) throws(WireError) -> [UInt8]? {
        while true {
            if let end = unread[start...].firstIndex(of: UInt8(ascii: "\n")) { return take(end + 1 - start) }
            if try !fill(by: deadline) { return unread.count == start ? nil : take(unread.count - start) }
        }
    }

    /// Exactly this many bytes; fewer only where the input ends before.
    public mutating func bytes(_ count: Int, by deadline: Deadline = .usual) throws(WireError) -> [UInt8] {
        while unread.count - start < count {
            if try !fill(by: deadline) { break }
        }
        return take(min(count, unread.count - start))
    }

    /// At least one byte of what there is; empty at the end of input.
    public mutating func some(by deadline: Deadline = .usual) throws(WireError) -> [UInt8] {
        if unread.count == start, try !fill(by: deadline) { return [] }
        return take(unread.count - start)
    }

    /// Everything to the end of input; a reset counts as an end.
    public mutating func rest(by deadline: Deadline = .usual) throws(WireError) -> [UInt8] {
        while true {
            do throws(WireError) {
                if try !fill(by: deadline) { break }
            } catch {
                if error == .closed { break }
                throw error
            }
        }
        return take(unread.count - start)
    }

    /// Puts a line back, to be read again.
    public mutating func unread(_ line: [UInt8]) {
        unread = line + unread[start...]
        start = 0
    }
}
