/// One line of an IMAP server to us, its client (RFC 9051, section 7).
public enum IMAPUpstreamReply: Sendable, Equatable {
    public enum Status: String, Sendable, CaseIterable {
        case ok = "OK", no = "NO", bad = "BAD", preauth = "PREAUTH", bye = "BYE"
    }

    /// The server awaits more of our command: its text, which is a challenge in SASL.
    case continuation([UInt8])
    /// The end of our command. `code` are the words of the response code, in capitals.
    case tagged(Status, code: [String])
    case untagged(Status, code: [String])
    /// Data that nobody has to look at, such as `* CAPABILITY`.
    case data
    /// No reply of an IMAP server, or one to a command that we have not sent.
    case unknown

    /// Parses the line that starts at the first byte.
    public static func parse(_ bytes: Span<UInt8>, tag: [UInt8]) -> Parsed<IMAPUpstreamReply> {
        guard let line = bytes.line() else { return .incomplete }
        let content = line.content
        let tagEnd = bytes.wordEnd(in: content)
        let rest = min(tagEnd + 1, content.upperBound)..<content.upperBound
        let reply: IMAPUpstreamReply
        if bytes.isWord([.plus], in: content.lowerBound..<tagEnd) {
            reply = .continuation(bytes.bytes(in: rest))
        } else if bytes.isWord([.asterisk], in: content.lowerBound..<tagEnd) {
            reply = status(bytes, in: rest).map { .untagged($0, code: code(bytes, in: rest)) } ?? .data
        } else if tagEnd < content.upperBound, bytes.isWord(tag, in: content.lowerBound..<tagEnd),
            let status = status(bytes, in: rest)
        {
            reply = .tagged(status, code: code(bytes, in: rest))
        } else {
            reply = .unknown
        }
        return .complete(reply, byteCount: line.end)
    }

    /// Whether a login goes on after it as before: any number of such lines may come. `* BYE` ends a
    /// session, and `* BAD` is what a server says to a command whose tag it cannot read.
    public var changesNothing: Bool {
        switch self {
        case .data, .untagged(.ok, _), .untagged(.no, _): true
        case .continuation, .tagged, .untagged, .unknown: false
        }
    }

    private static func status(_ bytes: Span<UInt8>, in range: Range<Int>) -> Status? {
        let word = range.lowerBound..<bytes.wordEnd(in: range)
        return Status.allCases.first { bytes.isKeyword($0.rawValue, in: word) }
    }

    /// The words between `[` and `]` behind the status.
    private static func code(_ bytes: Span<UInt8>, in range: Range<Int>) -> [String] {
        let start = bytes.wordEnd(in: range) + 1
        guard start < range.upperBound, bytes[start] == UInt8(ascii: "["),
            let end = bytes.firstIndex(of: UInt8(ascii: "]"), from: start), end < range.upperBound
        else { return [] }
        let text = String(decoding: bytes.bytes(in: (start + 1)..<end), as: UTF8.self)
        return text.uppercased().split(separator: " ").map(String.init)
    }
}

extension Span where Element == UInt8 {
    /// Where the first word of a range ends: at a space, or with the range.
    fileprivate func wordEnd(in range: Range<Int>) -> Int {
        min(firstIndex(of: .space, from: range.lowerBound) ?? range.upperBound, range.upperBound)
    }

    fileprivate func isWord(_ word: [UInt8], in range: Range<Int>) -> Bool {
        range.count == word.count && hasBytes(word, at: range.lowerBound)
    }
}
