/// `STLS` at a POP3 upstream (RFC 2595, section 4). Whether it is offered, the answer tells as well as a list would.
struct POP3StartTLS: StartTLSPrelude {
    /// Nowhere but in the greeting does an upstream say that it knows XCLIENT, so this is remembered. Who puts the
    /// word there, or takes it away, can have the login fail, as he could anyway, or hide the client's address.
    private(set) var greetingUnderTLS = "+OK\r\n"

    private enum State: Sendable { case awaitingGreeting, awaitingReply }

    private var state = State.awaitingGreeting

    var activity: StaticString {
        switch state {
        case .awaitingGreeting: "reading response from upstream"
        case .awaitingReply: "sending STLS to upstream"
        }
    }

    mutating func receive(_ input: Span<UInt8>) -> UpstreamStep {
        guard case .complete(let reply, let byteCount) = POP3Reply.parse(input) else {
            return UpstreamStep(byteCount: 0, input.count > POP3UpstreamDialogue.maxLineLength ? .tooLong : .awaitInput)
        }
        return UpstreamStep(byteCount: byteCount, advance(on: reply, line: input.extracting(0..<byteCount)))
    }

    private mutating func advance(on reply: POP3Reply, line: Span<UInt8>) -> UpstreamAction {
        switch (state, reply) {
        case (.awaitingGreeting, .ok):
            if POP3Reply.asksForClient(line) { greetingUnderTLS = "+OK [XCLIENT]\r\n" }
            state = .awaitingReply
            return .send(Secret(Array("STLS\r\n".utf8).span))
        case (.awaitingReply, .ok):
            return .startTLS
        case (.awaitingReply, .error):
            return .cannotStartTLS(.refused(reply: line.bytes()))
        default:
            return .cannotStartTLS(.invalid(reply: line.bytes()))
        }
    }
}
