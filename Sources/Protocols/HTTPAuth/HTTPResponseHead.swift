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
    enum Name: Int, CaseIterable {
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

    /// Where the value of the last header of a name stands. Small, since there is one for each name.
    private struct Value {
        let start, end: UInt16
        /// Another header of the name says something else.
        let isContradicted: Bool

        var range: Range<Int> { Int(start)..<Int(end) }
    }

    /// Nil for a response that begins with a header at once.
    private(set) var status: Status?
    /// By the numbers of their names.
    private var values = InlineArray<12, Value?>(repeating: nil)
    /// What the `Connection` headers list.
    private var (listsClose, listsKeepAlive) = (false, false)

    /// Parses up to the empty line that ends the header.
    static func parse(_ bytes: Span<UInt8>) -> Parsed<HTTPResponseHead> {
        var head = HTTPResponseHead()
        let visible = bytes.extracting(first: maximumByteCount)
        var start = 0
        while let line = HTTPLine(of: visible, from: start) {
            if line.isEmpty && start > 0 { return .complete(head, byteCount: line.next) }
            if let fault = head.read(line, of: visible) { return .invalid(fault, byteCount: line.next) }
            start = line.next
        }
        return bytes.count < maximumByteCount ? .incomplete : .invalid(.tooLong, byteCount: bytes.count)
    }

    private mutating func read(_ line: HTTPLine, of bytes: Span<UInt8>) -> ParseFault? {
        if line.text.lowerBound == 0 && HTTPText(bytes, line.text).hasPrefix("HTTP/") {
            status = Self.status(line, of: bytes)
            return status == nil ? .statusLine : nil
        }
        guard let value = line.value(in: bytes) else { return .header }
        if let name = Name(HTTPText(bytes, line.name)) { note(value, of: name, in: bytes) }
        return nil
    }

    /// `HTTP/1.1 200 OK`; the reason may be missing (RFC 9112, section 4).
    private static func status(_ line: HTTPLine, of bytes: Span<UInt8>) -> Status? {
        let count = line.text.count
        guard count >= 12, count == 12 || bytes[12] == UInt8(ascii: " "),
            bytes[6] == UInt8(ascii: "."), bytes[8] == UInt8(ascii: " "), !line.holdsReturn,
            let major = bytes[5].digitValue, let minor = bytes[7].digitValue,
            let code = HTTPText(bytes, 9..<12).number()
        else { return nil }
        return Status(isHTTP11: major == 1 && minor >= 1, code: code)
    }

    private mutating func note(_ range: Range<Int>, of name: Name, in bytes: Span<UInt8>) {
        if name == .connection { noteOptions(bytes.extracting(range)) }
        let former = values[name.rawValue]
        let differs = former.map { !HTTPText(bytes, $0.range).isEqual(to: HTTPText(bytes, range)) } ?? false
        values[name.rawValue] = Value(
            start: UInt16(range.lowerBound), end: UInt16(range.upperBound),
            isContradicted: differs || former?.isContradicted ?? false)
    }

    /// - Parameter list: words between commas (RFC 9110, section 5.6.1).
    private mutating func noteOptions(_ list: Span<UInt8>) {
        var start = 0
        while start <= list.count {
            let end = list.firstIndex(of: .comma, from: start) ?? list.count
            let word = HTTPText(list, HTTPText.trim(start..<end, of: list, withTabs: true))
            if word.isWord("close") { listsClose = true }
            if word.isWord("keep-alive") { listsKeepAlive = true }
            start = end + 1
        }
    }
}

extension HTTPResponseHead {
    /// Two headers of one name that say different things: whom to believe is not for us to guess.
    struct Contradiction: Error {
        let name: Name
    }

    /// The value of a header that may be repeated, but not with another value.
    func value(of name: Name) throws(Contradiction) -> Range<Int>? {
        guard let value = values[name.rawValue] else { return nil }
        if value.isContradicted { throw Contradiction(name: name) }
        return value.range
    }

    /// The value of a header of which the last one counts.
    func lastValue(of name: Name) -> Range<Int>? { values[name.rawValue]?.range }

    /// RFC 9112, section 9.3: HTTP/1.1 keeps a connection unless it says otherwise, HTTP/1.0 if it says so.
    var keepsConnection: Bool {
        guard let status, !listsClose else { return false }
        return status.isHTTP11 || listsKeepAlive
    }
}

/// A line of a header, of which each byte is looked at once.
private struct HTTPLine {
    /// Without its end, which is LF or CR LF.
    let text: Range<Int>
    /// What it begins with that may be a name: a token.
    let name: Range<Int>
    /// It holds a CR that does not end it, which some would read as an end.
    let holdsReturn: Bool
    /// Where the next line begins.
    let next: Int

    /// Nil where the line's end has not come.
    init?(of bytes: Span<UInt8>, from start: Int) {
        var index = start
        while index < bytes.count, HTTPText.isTokenByte(bytes[index]) { index += 1 }
        name = start..<index
        var returnCount = 0
        while index < bytes.count, bytes[index] != .lineFeed {
            if bytes[index] == .carriageReturn { returnCount += 1 }
            index += 1
        }
        if index == bytes.count { return nil }
        let endsInReturn = index > start && bytes[index - 1] == .carriageReturn
        text = start..<(endsInReturn ? index - 1 : index)
        holdsReturn = returnCount > (endsInReturn ? 1 : 0)
        next = index + 1
    }

    var isEmpty: Bool { text.isEmpty }

    /// `Name: value`; without a colon the value is empty, as in nginx. A name is a token, so that neither
    /// a space before the colon nor a continuation line can hide a header from us or from others.
    func value(in bytes: Span<UInt8>) -> Range<Int>? {
        let colon = name.upperBound
        guard !name.isEmpty, !holdsReturn, colon == text.upperBound || bytes[colon] == .colon else { return nil }
        return HTTPText.trim(min(colon + 1, text.upperBound)..<text.upperBound, of: bytes)
    }
}
