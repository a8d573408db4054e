/// `STARTTLS` at an SMTP upstream (RFC 3207), which is asked first what it offers. The login greets it anew under TLS.
struct SMTPStartTLS: StartTLSPrelude {
    static let greetingUnderTLS = "220 TLS\r\n"

    /// What the reply that is awaited answers.
    private enum State: Sendable { case connection, hello, startTLS }

    private var state = State.connection
    private var reply = SMTPReply()
    private let serverName: [UInt8]

    init(serverName: [UInt8]) { self.serverName = serverName }

    var activity: String {
        switch state {
        case .connection: "reading response from upstream"
        case .hello: "sending HELO/EHLO to upstream"
        case .startTLS: "sending STARTTLS to upstream"
        }
    }

    mutating func receive(_ input: Span<UInt8>) -> UpstreamStep {
        guard let line = input.line() else {
            let isTooLong = reply.bytes.count + input.count > SMTPReply.maxByteCount
            return UpstreamStep(byteCount: 0, isTooLong ? .tooLong : .awaitInput)
        }
        let progress = reply.add(input.extracting(0..<line.end))
        return UpstreamStep(byteCount: line.end, progress == .partial ? .skip : advance(after: progress))
    }

    private mutating func advance(after progress: SMTPReply.Progress) -> UpstreamAction {
        defer { reply = SMTPReply() }
        if progress == .tooLong { return .tooLong }
        switch (state, reply.code ?? 0) {
        case _ where progress == .malformed:
            return .cannotStartTLS(.invalid(reply: reply.bytes))
        case (.connection, 220):
            guard let hello = UpstreamLine.build("EHLO ", serverName.span) else { return .unspeakable }
            state = .hello
            return .send(hello)
        case (.hello, 250):
            guard reply.offers("STARTTLS") else { return .cannotStartTLS(.notOffered) }
            state = .startTLS
            return .send(Secret(Array("STARTTLS\r\n".utf8).span))
        case (.startTLS, 220):
            return .startTLS
        case (.startTLS, _):
            return .cannotStartTLS(.refused(reply: reply.bytes))
        default:
            return .cannotStartTLS(.invalid(reply: reply.bytes))
        }
    }
}

extension SMTPReply {
    /// Whether a reply to EHLO has that word at the front of a line, the first one excepted, which is the name
    /// of the server (RFC 5321, section 4.1.1.1).
    fileprivate func offers(_ keyword: String) -> Bool {
        let span = bytes.span
        var start = span.line()?.end ?? bytes.count
        while let line = span.line(from: start) {
            let word = min(start + 4, line.content.upperBound)..<line.content.upperBound
            if span.isKeyword(keyword, in: word) { return true }
            start = line.end
        }
        return false
    }
}
