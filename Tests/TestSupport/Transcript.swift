/// A dialogue as RFCs print it: `C:` lines from the client, `S:` lines from the server, and, for
/// what neither says aloud, `--` lines: events that the session tells a machine (`-> event`) and
/// decisions that it takes from it (`=> decision`). C: lines that follow each other arrive together.
public struct Transcript: Sendable, Equatable, CustomStringConvertible {
    public enum Line: Sendable, Equatable {
        case client([UInt8])
        case server([UInt8])
        /// What happens outside of the dialogue, in words that the runner knows.
        case event(String)
        /// What the machine wants done, in words that the runner chose.
        case decision(String)
    }

    public private(set) var lines: [Line] = []

    public init() {}

    /// Reads a transcript. `^A` and `^@` stand for the bytes 1 and 0.
    public init(_ text: String) {
        for line in text.split(separator: "\n") {
            let says = line.dropFirst(3)
            switch line.prefix(3) {
            case "C: ", "C:": lines.append(.client(Self.bytes(says)))
            case "S: ", "S:": lines.append(.server(Self.bytes(says)))
            case "-> ": lines.append(.event(String(says)))
            case "=> ": lines.append(.decision(String(says)))
            default: preconditionFailure("not a line of a transcript: \(line)")
            }
        }
    }

    public mutating func append(_ line: Line) { lines.append(line) }

    /// Adds what one side said, a line for each LF. Bytes behind the last one show that they lack it.
    public mutating func append(server bytes: [UInt8]) { lines += Self.said(bytes).map { .server($0) } }
    public mutating func append(client bytes: [UInt8]) { lines += Self.said(bytes).map { .client($0) } }

    private static func said(_ bytes: [UInt8]) -> [[UInt8]] {
        var rest = bytes[...]
        var lines: [[UInt8]] = []
        while let end = rest.firstIndex(of: 10) {
            let line = rest[..<end]
            lines.append(line.last == 13 ? Array(line.dropLast()) : Array(line) + Array("<LF>".utf8))
            rest = rest[(end + 1)...]
        }
        if !rest.isEmpty { lines.append(Array(rest) + Array("<no end>".utf8)) }
        return lines
    }

    private static func bytes(_ text: Substring) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch (byte, rest.first) {
            case (UInt8(ascii: "^"), UInt8(ascii: "A")): bytes.append(1)
            case (UInt8(ascii: "^"), UInt8(ascii: "@")): bytes.append(0)
            default:
                bytes.append(byte)
                continue
            }
            rest = rest.dropFirst()
        }
        return bytes
    }

    public var description: String {
        lines.map { line in
            switch line {
            case .client(let bytes): "C: " + String(decoding: bytes, as: UTF8.self)
            case .server(let bytes): "S: " + String(decoding: bytes, as: UTF8.self)
            case .event(let words): "-> " + words
            case .decision(let words): "=> " + words
            }
        }.joined(separator: "\n")
    }
}
