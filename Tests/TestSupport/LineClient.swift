import Foundation

/// A mail client that a test drives by hand. Every wait ends by a deadline, and every failure tells
/// the whole dialogue so far.
public final class LineClient: @unchecked Sendable {
    public private(set) var socket: Socket
    private var reader: LineReader
    private var said: [String] = []
    private var tlsLabel = ""

    public init(_ address: Address, from source: Address? = nil, receiveBuffer: CInt? = nil) throws {
        socket = try Socket.connect(to: address, from: source, receiveBuffer: receiveBuffer)
        reader = LineReader(socket)
    }

    /// - Parameter host: which 127.0.0.N this side is; the kernel's choice is 1.
    public convenience init(_ port: UInt16, from host: UInt8? = nil, receiveBuffer: CInt? = nil) throws {
        try self.init(.port(port), from: host.map { .loopback($0, 0) }, receiveBuffer: receiveBuffer)
    }

    // MARK: Whole dialogues

    /// Plays a dialogue written as in an RFC:
    ///
    ///     S: * OK IMAP4 ready
    ///     C: a NOOP
    ///     C: b NOOP
    ///     S: a OK completed
    ///     S: b OK completed
    ///     C.
    ///     S.
    ///
    /// Lines of the client that follow each other are sent in one piece. `C.` ends the client's
    /// sending, `S.` expects the end of the server's. In a line of the server `…` stands for any
    /// text; `␠` stands for a blank at the end of a line.
    public func converse(_ script: String, file: String = #fileID, line: Int = #line) throws {
        var outgoing = ""
        for entry in script.split(separator: "\n") {
            let text = entry.drop { $0 == " " }
            if !text.hasPrefix("C: "), !outgoing.isEmpty {
                try send(outgoing)
                outgoing = ""
            }
            switch text.prefix(2) {
            case "C:": outgoing += text.dropFirst(3).replacingOccurrences(of: "␠", with: " ") + "\r\n"
            case "S:": try expect(text.dropFirst(3).replacingOccurrences(of: "␠", with: " "), file: file, line: line)
            case "C.": finishSending()
            case "S.": try expectEnd(file: file, line: line)
            default: throw TestFailure("neither C nor S: \(entry)", at: Place(file: file, line: line))
            }
        }
        if !outgoing.isEmpty { try send(outgoing) }
    }

    // MARK: Steps

    public func send(_ text: String) throws { try send(Array(text.utf8)) }

    public func send(_ bytes: [UInt8]) throws {
        said.append("C: " + Self.printable(bytes.prefix(400)))
        try socket.send(bytes)
    }

    /// Expects a line, with CR LF at its end; `…` stands for any text.
    @discardableResult
    public func expect(
        _ pattern: String, by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line
    ) throws -> String {
        let bytes: [UInt8]?
        do { bytes = try reader.line(by: deadline) } catch {
            throw failure("expected \"\(pattern)\", got \(error)", file, line)
        }
        guard let bytes else { throw failure("expected \"\(pattern)\", got the end", file, line) }
        said.append("S: " + Self.printable(bytes[...]))
        let text = String(decoding: bytes, as: UTF8.self)
        guard bytes.suffix(2) == [13, 10], Self.matches(String(text.dropLast()), pattern) else {
            throw failure("expected \"\(pattern)\"", file, line)
        }
        return String(text.dropLast())
    }

    /// Expects the end of what the server sends, by close or reset, and nothing before it.
    public func expectEnd(by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line) throws {
        let rest: [UInt8]
        do { rest = try reader.rest(by: deadline) } catch { throw failure("expected the end, got \(error)", file, line) }
        guard rest.isEmpty else { throw failure("expected the end, got \"\(Self.printable(rest[...]))\"", file, line) }
    }

    /// Everything up to the end.
    public func rest(by deadline: Deadline = .usual) throws -> [UInt8] { try reader.rest(by: deadline) }

    /// The next line, whatever it says, without its end; nil at the end.
    public func line(by deadline: Deadline = .usual) throws -> String? {
        guard let bytes = try reader.line(by: deadline) else { return nil }
        said.append("S: " + Self.printable(bytes[...]))
        return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .newlines)
    }

    /// Exactly so many bytes.
    public func bytes(_ count: Int, by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line) throws -> [UInt8] {
        let bytes = try reader.bytes(count, by: deadline)
        guard bytes.count == count else { throw failure("expected \(count) bytes, got \(bytes.count)", file, line) }
        return bytes
    }

    /// Speaks TLS from here on. What the server said in the clear must have been read, or it has said
    /// too much.
    /// - Throws: where the handshake does not succeed.
    @discardableResult
    public func startTLS(
        _ order: TLSOrder = TLSOrder(), by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line
    ) throws -> TLSHandshake {
        let handshake = try attemptTLS(order, by: deadline, file: file, line: line)
        if let fault = handshake.failure { throw failure("the TLS handshake failed: \(fault)", file, line) }
        return handshake
    }

    /// Tries to speak TLS; where that fails, the connection is over.
    public func attemptTLS(
        _ order: TLSOrder, by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line
    ) throws -> TLSHandshake {
        guard reader.hasReadAll else { throw failure("in the clear came more than was expected", file, line) }
        let (secured, handshake) = try TLSPeer.shared().takeOver(socket, order, by: deadline)
        (socket, reader, tlsLabel) = (secured, LineReader(secured), order.label)
        said.append("-- TLS: \(handshake)")
        return handshake
    }

    /// How the server has ended TLS: `close_notify`, `eof` without it, or a fault.
    public func endOfTLS(by deadline: Deadline = .usual) throws -> String {
        try TLSPeer.shared().ending(of: tlsLabel, by: deadline)
    }

    public func finishSending() {
        said.append("C.")
        socket.finishSending()
    }

    /// Closes at once, both ways.
    public func close() { socket.shutDown() }

    private func failure(_ text: String, _ file: String, _ line: Int) -> TestFailure {
        TestFailure(text + "\nin this dialogue:\n" + said.suffix(40).joined(separator: "\n"), at: Place(file: file, line: line))
    }

    private static func printable(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes, as: UTF8.self)
            .replacingOccurrences(of: "\r", with: "\\r").replacingOccurrences(of: "\n", with: "\\n")
    }

    private static func matches(_ text: String, _ pattern: String) -> Bool {
        let parts = pattern.components(separatedBy: "…")
        guard parts.count > 1 else { return text == pattern }
        guard text.hasPrefix(parts[0]), text.hasSuffix(parts[parts.count - 1]) else { return false }
        var rest = text.dropFirst(parts[0].count)
        guard rest.count >= parts[parts.count - 1].count else { return false }
        rest = rest.dropLast(parts[parts.count - 1].count)
        for part in parts.dropFirst().dropLast() {
            guard let found = rest.range(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return true
    }
}

extension String {
    /// Base64 of the text's bytes.
    public var base64: String { Data(utf8).base64EncodedString() }
}
