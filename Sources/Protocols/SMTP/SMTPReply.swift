/// One line of an upstream's reply (RFC 5321, section 4.2.1).
public struct SMTPReplyLine: Equatable, Sendable {
    public let code: Int
    /// Lines but the last have a hyphen after the code.
    public let isLast: Bool
    /// What is said behind that, without the line's end.
    public let text: Range<Int>

    /// Parses the line that starts at the first byte. The code has three digits, the first of them
    /// 2 to 5.
    public static func parse(_ bytes: Span<UInt8>) -> Parsed<SMTPReplyLine> {
        guard let line = bytes.line() else { return .incomplete }
        let digits = line.content.prefix(3)
        guard digits.count == 3, let code = bytes.decimal(in: digits), (200...599).contains(code) else {
            return .invalid(.replyCode, byteCount: line.end)
        }
        let isLast = line.content.count == 3 || bytes[3] != .hyphen
        let text = min(4, line.content.upperBound)..<line.content.upperBound
        return .complete(SMTPReplyLine(code: code, isLast: isLast, text: text), byteCount: line.end)
    }

}

/// A whole reply, as it grows line by line.
public struct SMTPReply: Equatable, Sendable {
    /// How many bytes a reply may have; no login needs more.
    public static let maxByteCount = 64 * 1024

    public private(set) var code: Int?
    /// The lines as they came, each with its end.
    public private(set) var bytes: [UInt8] = []

    /// What the last line says behind its code.
    public var text: [UInt8] { Array(bytes[lastText]) }
    private var lastText = 0..<0

    /// Where a reply stands after what has come. More of a partial one is to come.
    public enum Progress: Equatable, Sendable { case partial, whole, malformed, tooLong }

    public init() {}

    /// Forgets the lines, to be the next reply.
    mutating func begin() {
        code = nil
        bytes.removeAll(keepingCapacity: true)
        lastText = 0..<0
    }

    /// Reads the lines that have come, from the first byte to the end of the reply. All of its lines have the same code,
    /// so that none can say yes and no.
    public mutating func read(_ input: Span<UInt8>) -> (progress: Progress, byteCount: Int) {
        var end = 0
        defer { bytes.append(input.extracting(0..<end)) }
        while true {
            switch SMTPReplyLine.parse(input.extracting(end..<input.count)) {
            case .incomplete:
                return (bytes.count + input.count > Self.maxByteCount ? .tooLong : .partial, end)
            case .invalid(_, let byteCount):
                end += byteCount
                return (bytes.count + end > Self.maxByteCount ? .tooLong : .malformed, end)
            case .complete(let line, let byteCount):
                let start = bytes.count + end
                lastText = (start + line.text.lowerBound)..<(start + line.text.upperBound)
                end += byteCount
                if bytes.count + end > Self.maxByteCount { return (.tooLong, end) }
                if let code, code != line.code { return (.malformed, end) }
                code = line.code
                if line.isLast { return (.whole, end) }
            }
        }
    }

    /// Where the words are that follow this one on a line of a reply to EHLO; nil where no line begins with it, the
    /// first one excepted, which is the name of the server (RFC 5321, section 4.1.1.1).
    func parameters(of keyword: String) -> Range<Int>? {
        let span = bytes.span
        var start = span.line()?.end ?? bytes.count
        while let line = span.line(from: start) {
            let text = min(start + 4, line.content.upperBound)..<line.content.upperBound
            let rest = min(text.lowerBound + keyword.utf8.count, text.upperBound)..<text.upperBound
            if span.isKeyword(keyword, in: text.lowerBound..<rest.lowerBound), rest.isEmpty || span[rest.lowerBound] == .space {
                return rest
            }
            start = line.end
        }
        return nil
    }
}

/// What we say to clients ourselves (`mail-smtp.md`, sections 3 and 7).
extension SMTPReply {
    static let done = line("250 2.0.0 OK")
    static let authenticated = line("235 2.0.0 OK")
    static let bye = line("221 2.0.0 Bye")
    static let startTLS = line("220 2.0.0 Start TLS")
    static let invalidCommand = line("500 5.5.1 Invalid command")
    static let invalidArgument = line("501 5.5.4 Invalid argument")
    static let badSequence = line("503 5.5.1 Bad sequence of commands")
    static let authenticationRequired = line("530 5.7.1 Authentication required")
    /// RFC 3207, section 4.
    static let startTLSRequired = line("530 5.7.0 Must issue a STARTTLS command first")

    /// The reply to a login that was refused. Control bytes do not leave us, and a code
    /// that is none is not told.
    static func refusal(_ refusal: Refusal) -> [UInt8] {
        switch refusal.text {
        case .message(let message):
            let code = refusal.smtpCode.flatMap { isCode($0) ? $0 : nil } ?? Array("535 5.7.0".utf8)
            return code + [.space] + message.withoutControls + [.carriageReturn, .lineFeed]
        case .reply(let lines):
            return lines
        }
    }

    private static func isCode(_ bytes: [UInt8]) -> Bool {
        bytes.count >= 3 && bytes.prefix(3).allSatisfy { $0.isDigit }
            && bytes.allSatisfy { $0.isDigit || $0 == .space || $0 == UInt8(ascii: ".") }
    }

    static func greeting(of serverName: [UInt8]) -> [UInt8] { line("220 ", serverName, " ESMTP ready") }

    /// The line that asks a client for its next response.
    static func continuation(_ challenge: [UInt8]) -> [UInt8] {
        Array("334 ".utf8) + challenge + [.carriageReturn, .lineFeed]
    }

    static func farewell(_ reason: Farewell, of serverName: [UInt8]) -> [UInt8] {
        switch reason {
        case .internalError: line("451 4.3.2 Internal server error")
        case .certificateError: line("421 4.7.1 SSL certificate error")
        case .noRequiredCertificate: line("421 4.7.1 No required SSL certificate")
        case .timedOut: line("421 4.4.2 ", serverName, " Login took too long")
        case .shuttingDown: line("421 4.3.2 ", serverName, " Server is shutting down, try again later")
        case .tooManyConnections: line("421 4.3.2 ", serverName, " Too many connections, try again later")
        case .spokeTooSoon: line("503 5.5.0 Improper use of SMTP command pipelining")
        case .accessForbidden: line("554 5.7.1 ", serverName, " Access denied")
        case .tooManyFailures: line("421 4.7.0 ", serverName, " Too many failed logins, try again later")
        }
    }

    /// A line that says who speaks.
    static func line(_ code: String, _ serverName: [UInt8] = [], _ text: String = "") -> [UInt8] {
        Array(code.utf8) + serverName + Array("\(text)\r\n".utf8)
    }
}
