/// How an HTTP response's body ends (RFC 9112, section 6.3). Nobody reads it, but where it ends the
/// next response of a kept connection begins.
enum HTTPBody: Equatable {
    case length(Int)
    case chunked
    /// The body lasts as long as the connection.
    case untilClose

    /// The longest body that is waited for. Behind a longer one the connection is given up.
    static let maximumByteCount = 64 * 1024

    /// Why there is no telling where a body ends.
    struct Fault: Error {}

    /// What the header says of the body. That two headers disagree is how responses are smuggled into
    /// each other, so it is a fault.
    init(of head: HTTPResponseHead, in bytes: Span<UInt8>) throws(Fault) {
        let encoding: Range<Int>?
        let length: Range<Int>?
        do {
            encoding = try head.value(of: .transferEncoding)
            length = try head.value(of: .contentLength)
        } catch { throw Fault() }
        switch (encoding, length, head.status?.code) {
        case (_, _, 204), (_, _, 304): self = .length(0)
        case (nil, nil, _): self = .untilClose
        case (let encoding?, nil, _): self = HTTPText(bytes, encoding).isWord("chunked") ? .chunked : .untilClose
        case (nil, let length?, _):
            guard let byteCount = HTTPText(bytes, length).number() else { throw Fault() }
            self = .length(byteCount)
        case (.some, .some, _): throw Fault()
        }
    }

    enum End: Equatable {
        /// The body ends before this position.
        case at(Int)
        /// It goes on behind the last byte.
        case incomplete
        /// It ends nowhere, or too far away to wait for.
        case unawaited
        case malformed
    }

    func end(in bytes: Span<UInt8>, from start: Int) -> End {
        switch self {
        case .untilClose: .unawaited
        case .length(let byteCount) where byteCount > Self.maximumByteCount: .unawaited
        case .length(let byteCount): start + byteCount <= bytes.count ? .at(start + byteCount) : .incomplete
        case .chunked: Self.lastChunkEnd(in: bytes, from: start)
        }
    }

    /// Walks over chunks up to the empty line behind the last one (RFC 9112, section 7.1).
    private static func lastChunkEnd(in bytes: Span<UInt8>, from start: Int) -> End {
        let limit = start + maximumByteCount
        let visible = bytes.extracting(..<min(limit, bytes.count))
        let beyond: End = bytes.count < limit ? .incomplete : .unawaited
        var position = start
        while true {
            guard let line = lineEnd(in: visible, from: position) else { return beyond }
            guard let byteCount = chunkSize(position..<line, of: visible) else { return .malformed }
            position = line + 2
            if byteCount == 0 { return trailerEnd(in: visible, from: position) ?? beyond }
            if byteCount > limit - position { return .unawaited }
            position += byteCount
            guard position + 2 <= visible.count else { return beyond }
            guard visible[position] == UInt8(ascii: "\r"), visible[position + 1] == UInt8(ascii: "\n") else {
                return .malformed
            }
            position += 2
        }
    }

    /// The number before a chunk, and behind `;` what nobody needs.
    private static func chunkSize(_ line: Range<Int>, of bytes: Span<UInt8>) -> Int? {
        var end = line.lowerBound
        while end < line.upperBound, HTTPText.digit(bytes[end]) != nil { end += 1 }
        guard end == line.upperBound || [UInt8(ascii: ";"), UInt8(ascii: " ")].contains(bytes[end]) else { return nil }
        return HTTPText(bytes, line.lowerBound..<end).number(radix: 16)
    }

    private static func trailerEnd(in bytes: Span<UInt8>, from start: Int) -> End? {
        var position = start
        while let line = lineEnd(in: bytes, from: position) {
            if line == position { return .at(line + 2) }
            position = line + 2
        }
        return nil
    }

    /// Where the next CR LF stands.
    private static func lineEnd(in bytes: Span<UInt8>, from start: Int) -> Int? {
        var index = start
        while index + 1 < bytes.count {
            if bytes[index] == UInt8(ascii: "\r"), bytes[index + 1] == UInt8(ascii: "\n") { return index }
            index += 1
        }
        return nil
    }
}
