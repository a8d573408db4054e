/// Writes the header of an HTTP request. The one way in which bytes become HTTP here: whatever a value
/// holds, it can end no line and add no header (`security.md`, rule 1).
struct HTTPHeaderWriter {
    /// Which bytes of a value are written as `%HH`.
    enum Escaping {
        /// Control bytes, which no header may carry (RFC 9110, section 5.5). What has none stays as it is.
        case controls
        /// Control bytes below DEL, space and `%`, so that the reader can undo it: nginx's way with logins,
        /// passwords and certificates (`mail-auth-http.md`, section 2).
        case reversible

        fileprivate static let space = UInt8(ascii: " ")
        fileprivate static let percent = UInt8(ascii: "%")

        @inline(__always) func applies(to byte: UInt8) -> Bool {
            switch (self, byte) {
            case (_, 0x00...0x1F), (.controls, 0x7F), (.reversible, Self.space), (.reversible, Self.percent): true
            default: false
            }
        }
    }

    /// A secret, since a password is written too.
    private(set) var bytes = Secret(capacity: 512)

    /// `GET URI HTTP/1.0`. The old version, as in nginx, promises that answers are never chunked.
    mutating func requestLine(get uri: [UInt8]) {
        literal("GET ")
        value(uri.span, .controls)
        literal(" HTTP/1.0\r\n")
    }

    /// A header whose value is ours, too.
    mutating func field(_ name: StaticString, _ content: String) {
        literal(name)
        literal(": ")
        bytes.append(content.utf8)
        literal("\r\n")
    }

    mutating func field(_ name: StaticString, _ content: [UInt8], _ escaping: Escaping = .controls) {
        field(name, content.span, escaping)
    }

    mutating func field(_ name: StaticString, _ content: Span<UInt8>, _ escaping: Escaping) {
        literal(name)
        literal(": ")
        value(content, escaping)
        literal("\r\n")
    }

    /// A header whose name is configured too.
    mutating func field(_ name: [UInt8], _ content: [UInt8]) {
        value(name.span, .controls)
        literal(": ")
        value(content.span, .controls)
        literal("\r\n")
    }

    mutating func end() { literal("\r\n") }

    /// Words of ours, written as they are.
    private mutating func literal(_ text: StaticString) { bytes.append(text) }

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
