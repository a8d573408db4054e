/// A refused OAuth login whose client is told why first, and hears the refusal when it has answered
/// that (`mail-imap.md`, section 7). The same for every protocol.
struct OAuthRefusal: Sendable {
    /// The explanation, base64, for the protocol's continuation line.
    let explanation: [UInt8]
    private let mechanism: any OAuthMechanism.Type
    private let reply: [UInt8]
    private let closes: Bool

    /// Nil where there is nothing to explain: another method's refusal, or one without an
    /// explanation that a line can carry.
    init?(_ refusal: Refusal, of method: AuthMethod, reply: [UInt8], thenCloses closes: Bool) {
        guard let mechanism = method.oauthMechanism, let explanation = refusal.saslError,
            explanation.allSatisfy({ $0.isPrintableASCII && $0 != .space })
        else { return nil }
        self.explanation = explanation
        self.mechanism = mechanism
        self.reply = reply
        self.closes = closes
    }

    /// The client's line is the mechanism's answer or nonsense; either ends the login.
    func end(on response: Span<UInt8>, invalid: [UInt8]) -> ClientAction {
        let answer = mechanism.isAnswerToError(response) ? reply : invalid
        return closes ? .close(after: answer) : .reply(answer)
    }
}
