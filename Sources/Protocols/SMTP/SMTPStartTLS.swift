/// `STARTTLS` at an SMTP upstream (RFC 3207), which is asked first what it offers. The login greets it anew under TLS.
struct SMTPStartTLS: StartTLSPrelude {
    let greetingUnderTLS = "220 TLS\r\n"

    /// What the reply that is awaited answers.
    private enum State: Sendable { case connection, hello, startTLS }

    private var state = State.connection
    private var reply = SMTPReply()
    private let serverName: [UInt8]

    init(serverName: [UInt8]) { self.serverName = serverName }

    var activity: StaticString {
        switch state {
        case .connection: "reading response from upstream"
        case .hello: "sending HELO/EHLO to upstream"
        case .startTLS: "sending STARTTLS to upstream"
        }
    }

    mutating func receive(_ input: Span<UInt8>) -> UpstreamStep {
        let (progress, byteCount) = reply.read(input)
        return UpstreamStep(byteCount: byteCount, advance(after: progress))
    }

    private mutating func advance(after progress: SMTPReply.Progress) -> UpstreamAction {
        switch progress {
        case .partial: return .awaitInput
        case .tooLong: return .tooLong
        case .malformed: return .cannotStartTLS(.invalid(reply: reply.bytes))
        case .whole: break
        }
        defer { reply.begin() }
        switch (state, reply.code ?? 0) {
        case (.connection, 220):
            guard let hello = UpstreamLine.build("EHLO ", serverName.span) else { return .unspeakable }
            state = .hello
            return .send(hello)
        case (.hello, 250):
            guard reply.parameters(of: "STARTTLS") != nil else { return .cannotStartTLS(.notOffered) }
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
