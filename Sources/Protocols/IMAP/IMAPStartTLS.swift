/// `STARTTLS` at an IMAP upstream (RFC 9051, section 6.2.1).
struct IMAPStartTLS: StartTLSPrelude {
    let greetingUnderTLS = "* OK\r\n"

    private enum State: Sendable { case awaitingGreeting, awaitingReply }

    private var state = State.awaitingGreeting
    private var heardByteCount = 0
    private let tag: [UInt8]

    /// - Parameter loginTag: that of the login to come, which may not be used twice.
    init(loginTag: [UInt8]) { tag = loginTag + [UInt8(ascii: "S")] }

    var activity: StaticString {
        switch state {
        case .awaitingGreeting: "reading response from upstream"
        case .awaitingReply: "sending STARTTLS to upstream"
        }
    }

    mutating func receive(_ input: Span<UInt8>) -> UpstreamStep {
        let room = IMAPUpstreamDialogue.maxReplyLength - heardByteCount
        guard case .complete(let reply, let byteCount) = IMAPUpstreamReply.parse(input, tag: tag) else {
            return UpstreamStep(byteCount: 0, input.count < room ? .awaitInput : .tooLong)
        }
        if byteCount > room { return UpstreamStep(byteCount: byteCount, .tooLong) }
        heardByteCount += byteCount
        return UpstreamStep(byteCount: byteCount, advance(on: reply, line: input.bytes(in: 0..<byteCount)))
    }

    private mutating func advance(on reply: IMAPUpstreamReply, line: [UInt8]) -> UpstreamAction {
        switch (state, reply) {
        case (.awaitingGreeting, .untagged(.ok, let code)):
            if code.first == "CAPABILITY" && !code.contains("STARTTLS") { return .cannotStartTLS(.notOffered) }
            state = .awaitingReply
            return .send(Secret((tag + Array(" STARTTLS\r\n".utf8)).span))
        case (.awaitingReply, .tagged(.ok, _)):
            return .startTLS
        case (.awaitingReply, .tagged):
            return .cannotStartTLS(.refused(reply: line))
        case (.awaitingReply, _) where reply.changesNothing:
            return .skip
        default:
            // `* PREAUTH` too: nobody can say STARTTLS after it, so it is a way to avoid TLS.
            return .cannotStartTLS(.invalid(reply: line))
        }
    }
}
