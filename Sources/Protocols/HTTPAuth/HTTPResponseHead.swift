/// The header of an HTTP response: its status and its fields, as positions in the bytes it was read from.
struct HTTPResponseHead {
    /// How long a status line and its headers may be. nginx allows 1024 bytes, which a web server that
    /// adds cookies or tracing headers exceeds.
    static let maximumByteCount = 16 * 1024

    struct Status {
        let isHTTP11: Bool
        let code: Int
    }

    /// The headers that mean something here; what others say is not kept.
    enum Name: CaseIterable {
        case connection, contentLength, transferEncoding
        case status, server, port, user, password, security, wait, errorCode, saslError

        /// In small letters, since letter case means nothing in a name.
        var word: StaticString {
            switch self {
            case .connection: "connection"
            case .contentLength: "content-length"
            case .transferEncoding: "transfer-encoding"
            case .status: "auth-status"
            case .server: "auth-server"
            case .port: "auth-port"
            case .user: "auth-user"
            case .password: "auth-pass"
            case .security: "auth-ssl"
            case .wait: "auth-wait"
            case .errorCode: "auth-error-code"
            case .saslError: "auth-error-sasl"
            }
        }

        init?(_ text: HTTPText) {
            for name in Self.allCases where text.isWord(name.word) {
                self = name
                return
            }
            return nil
        }
    }

    struct Field {
        let name: Name
        let value: Range<Int>
    }

    /// Nil for a response that begins with a header at once.
    private(set) var status: Status?
    private(set) var fields: [Field] = []

    /// Parses up to the empty line that ends the header.
    static func parse(_ bytes: Span<UInt8>) -> Parsed<HTTPResponseHead> {
        var head = HTTPResponseHead()
        head.fields.reserveCapacity(8)
        var start = 0
        while let line = line(of: bytes, from: start) {
            if line.text.isEmpty && start > 0 { return .complete(head, byteCount: line.next) }
            if let fault = head.read(line.text, of: bytes) { return .invalid(fault, byteCount: line.next) }
            start = line.next
        }
        return bytes.count < maximumByteCount ? .incomplete : .invalid(.tooLong, byteCount: bytes.count)
    }

    /// The line from `start` on without its end, which is LF or CR LF, and where the next one begins.
    private static func line(of bytes: Span<UInt8>, from start: Int) -> (text: Range<Int>, next: Int)? {
        let limit = min(bytes.count, maximumByteCount)
        var index = start
        while index < limit, bytes[index] != UInt8(ascii: "\n") { index += 1 }
        guard index < limit else { return nil }
        let endsInReturn = index > start && bytes[index - 1] == UInt8(ascii: "\r")
        return (start..<(endsInReturn ? index - 1 : index), index + 1)
    }

    private mutating func read(_ line: Range<Int>, of bytes: Span<UInt8>) -> ParseFault? {
        if line.lowerBound == 0 && HTTPText(bytes, line).hasPrefix("HTTP/") {
            status = Self.status(line, of: bytes)
            return status == nil ? .statusLine : nil
        }
        guard let (name, value) = Self.field(line, of: bytes) else { return .header }
        if let name = Name(HTTPText(bytes, name)) { fields.append(Field(name: name, value: value)) }
        return nil
    }

    /// `HTTP/1.1 200 OK`; the reason may be missing (RFC 9112, section 4).
    private static func status(_ line: Range<Int>, of bytes: Span<UInt8>) -> Status? {
        guard line.count >= 12, line.count == 12 || bytes[12] == UInt8(ascii: " "),
            bytes[6] == UInt8(ascii: "."), bytes[8] == UInt8(ascii: " "),
            let major = HTTPText(bytes, 5..<6).number(), let minor = HTTPText(bytes, 7..<8).number(),
            let code = HTTPText(bytes, 9..<12).number(), !HTTPText(bytes, line).contains(UInt8(ascii: "\r"))
        else { return nil }
        return Status(isHTTP11: major == 1 && minor >= 1, code: code)
    }

    /// `Name: value`; without a colon the value is empty, as in nginx. A name is a token, so that neither
    /// a space before the colon nor a continuation line can hide a header from us or from others.
    private static func field(_ line: Range<Int>, of bytes: Span<UInt8>) -> (name: Range<Int>, value: Range<Int>)? {
        var index = line.lowerBound
        while index < line.upperBound, HTTPText.isTokenByte(bytes[index]) { index += 1 }
        let name = line.lowerBound..<index
        guard !name.isEmpty, index == line.upperBound || bytes[index] == UInt8(ascii: ":") else { return nil }
        let value = HTTPText.trim(min(index + 1, line.upperBound)..<line.upperBound, of: bytes)
        return HTTPText(bytes, value).contains(UInt8(ascii: "\r")) ? nil : (name, value)
    }
}

extension HTTPResponseHead {
    /// Two headers of one name that say different things: whom to believe is not for us to guess.
    struct Contradiction: Error {
        let name: String
    }

    /// The value of a header that may be repeated, but not with another value.
    func value(of name: Name, in bytes: Span<UInt8>) throws(Contradiction) -> Range<Int>? {
        var found: Range<Int>?
        for field in fields where field.name == name {
            if let found, !HTTPText(bytes, found).isEqual(to: HTTPText(bytes, field.value)) {
                throw Contradiction(name: "\(name.word)")
            }
            found = field.value
        }
        return found
    }

    /// The value of a header of which the last one counts.
    func lastValue(of name: Name) -> Range<Int>? { fields.last { $0.name == name }?.value }

    /// Whether a header of this name lists this word.
    /// - Parameter word: in small letters.
    func lists(_ word: StaticString, in name: Name, of bytes: Span<UInt8>) -> Bool {
        fields.contains { $0.name == name && HTTPText(bytes, $0.value).lists(word) }
    }
}
