/// Writes the header of an HTTP request. The one way in which bytes become HTTP here: whatever a value
/// holds, it can end no line and add no header (`security.md`, rule 1).
struct HTTPHeaderWriter {
    /// Which bytes of a value are written as `%HH`: all below one, and another.
    struct Escaping {
        private let limit: UInt8
        private let other: UInt8

        /// Control bytes, which no header may carry (RFC 9110, section 5.5). What has none stays as it is.
        static let controls = Escaping(limit: 0x20, other: 0x7F)
        /// Control bytes below DEL, space and `%`, so that the reader can undo it: nginx's way with logins,
        /// passwords and certificates (`mail-auth-http.md`, section 2).
        static let reversible = Escaping(limit: 0x21, other: percent)

        fileprivate static let percent = UInt8(ascii: "%")

        @inline(__always) fileprivate func applies(to byte: UInt8) -> Bool { byte < limit || byte == other }
    }

    /// A secret, since a password is written too.
    private(set) var bytes = Secret(capacity: 512)

    /// `GET URI HTTP/1.0`. The old version, as in nginx, promises that answers are never chunked.
    mutating func requestLine(get uri: [UInt8]) {
        bytes.append("GET ")
        value(uri.span, .controls)
        bytes.append(" HTTP/1.0\r\n")
    }

    /// Lines that have been written before.
    mutating func lines(_ lines: Secret) { bytes.append(lines.span) }

    /// A header whose value is ours, too.
    /// - Parameter name: with its colon and space, here and below.
    mutating func field(_ name: StaticString, _ content: String) {
        bytes.append(name)
        bytes.append(content.utf8)
        bytes.append("\r\n")
    }

    mutating func field(_ name: StaticString, _ number: UInt) {
        bytes.append(name)
        bytes.append(decimal: number)
        bytes.append("\r\n")
    }

    mutating func field(_ name: StaticString, _ content: [UInt8], _ escaping: Escaping = .controls) {
        field(name, content.span, escaping)
    }

    mutating func field(_ name: StaticString, _ content: Span<UInt8>, _ escaping: Escaping) {
        bytes.append(name)
        value(content, escaping)
        bytes.append("\r\n")
    }

    /// A header whose name is configured too, and comes without colon and space.
    mutating func field(_ name: [UInt8], _ content: [UInt8]) {
        value(name.span, .controls)
        bytes.append(": ")
        value(content.span, .controls)
        bytes.append("\r\n")
    }

    mutating func end() { bytes.append("\r\n") }

    private mutating func value(_ content: Span<UInt8>, _ escaping: Escaping) {
        var start = 0
        for index in content.indices where escaping.applies(to: content[index]) {
            bytes.append(content.extracting(start..<index))
            bytes.append(Escaping.percent)
            bytes.append(Self.hexDigit(content[index] >> 4))
            bytes.append(Self.hexDigit(content[index] & 0x0F))
            start = index + 1
        }
        bytes.append(content.extracting(start..<content.count))
    }

    private static func hexDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? nibble + UInt8(ascii: "0") : nibble - 10 + UInt8(ascii: "A")
    }
}
