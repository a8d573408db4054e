/// An IMAP client's way to its login (`mail-imap.md`, sections 1 to 9).
public struct IMAPClientDialogue: ClientDialogue, BudgetedDialogue {
    private enum State: Sendable {
        /// Between commands, or inside one whose literals up to this position have been asked for.
        case reading(continuedAt: Int)
        case negotiating(tag: [UInt8], SASLExchange)
        case authenticating(tag: [UInt8], AuthMethod)
        /// A refused token's client has been told why and is to take note.
        case explaining(tag: [UInt8], OAuthRefusal)

        static let idle = reading(continuedAt: 0)
    }

    private let server: IMAP
    private let salt: [UInt8]
    private let believesClaims: Bool
    var budget: ClientBudget
    private var state = State.idle
    /// What the client has said of itself.
    private var clientID = IMAPClientID()
    /// Whether the peer may still say who its client is. Who is known to be the client may not.
    private var mayClaim: Bool

    init(of server: IMAP, _ start: DialogueStart) {
        self.server = server
        salt = server.usesChallenge ? start.salt(at: server.policy.serverName) : []
        budget = ClientBudget(server.policy)
        believesClaims = start.believesClaims
        mayClaim = start.believesClaims
    }

    /// A proxy says who its client is only if the greeting offers ID: Dovecot asks for nothing before.
    public func greeting(overTLS: Bool) -> [UInt8] {
        mayClaim ? IMAPReply.greeting(offering: capabilities(overTLS: overTLS)) : IMAPReply.greeting
    }

    public mutating func receive(_ input: Span<UInt8>, overTLS: Bool) -> ClientStep {
        switch state {
        case .reading(let position):
            return readCommand(input, continuedAt: position, overTLS: overTLS)
        case .negotiating(let tag, _), .explaining(let tag, _):
            return readResponse(input, tag: tag)
        case .authenticating:
            return ClientStep(byteCount: 0, .awaitInput)
        }
    }

    /// Neither arguments nor responses go into the note: they may be passwords.
    public mutating func receiveTooLong(_ input: Span<UInt8>) -> ClientStep {
        let opening = tag.map { (tag: $0, name: nil) } ?? IMAPCommand.opening(of: input)
        return ClientStep(
            byteCount: input.count, .close(after: IMAPReply.invalidCommand(opening.tag)),
            note: "client sent too long command \"\(opening.name?.rawValue ?? "")\"")
    }

    public mutating func forgetPlaintext() {
        state = .idle
        clientID = IMAPClientID()
        mayClaim = believesClaims
    }

    public mutating func refuse(_ refusal: Refusal, thenCloses: Bool) -> ClientAction {
        let reply = IMAPReply.refusal(tag, refusal.text)
        if case .authenticating(let tag, let method) = state,
            let explaining = OAuthRefusal(refusal, of: method, reply: reply, thenCloses: thenCloses)
        {
            state = .explaining(tag: tag, explaining)
            return .reply(IMAPReply.continuation(explaining.explanation))
        }
        state = .idle
        return thenCloses ? .close(after: reply) : .reply(reply)
    }

    public func farewell(_ reason: Farewell) -> [UInt8] { IMAPReply.farewell(reason) }

    public func makeUpstreamDialogue(with credentials: Credentials, to route: UpstreamTerms) -> any UpstreamDialogue {
        let introduction = server.policy.passesClientID ? IMAPIntroduction(loginTag: tag ?? [], route.client, clientID) : nil
        let login = IMAPUpstreamDialogue(tag: tag ?? [], credentials, introduction: introduction, to: route)
        return route.startsTLS ? UpstreamStartTLS(IMAPStartTLS(loginTag: tag ?? []), before: login) : login
    }

    /// The tag of the command that is being dealt with.
    private var tag: [UInt8]? {
        switch state {
        case .negotiating(let tag, _), .authenticating(let tag, _), .explaining(let tag, _): tag
        case .reading: nil
        }
    }
}

/// Reading: from bytes to one command or response.
extension IMAPClientDialogue {
    private mutating func readCommand(_ input: Span<UInt8>, continuedAt position: Int, overTLS: Bool) -> ClientStep {
        switch IMAPCommand.parse(input, continuedAt: position) {
        case .incomplete:
            return ClientStep(byteCount: 0, .awaitInput)
        case .awaitsContinuation(let position):
            state = .reading(continuedAt: position)
            return ClientStep(byteCount: 0, .reply(IMAPReply.literalContinuation))
        case .invalid(let rejection, let byteCount):
            return turnAway(rejection, byteCount)
        case .command(let command, let byteCount):
            state = .idle
            return admit(.complete(command, byteCount: byteCount), invalid: IMAPReply.invalidCommand(command.tag)) { dialogue, command in
                dialogue.perform(command, overTLS: overTLS)
            }
        }
    }

    private mutating func turnAway(_ rejection: IMAPRejection, _ byteCount: Int) -> ClientStep {
        let parsed = Parsed<IMAPCommand>.invalid(rejection.fault, byteCount: byteCount)
        let step = admit(parsed, invalid: IMAPReply.invalidCommand(rejection.tag)) { dialogue, command in dialogue.refuseCommand(command.tag) }
        guard rejection.losesLiteral, case .reply(let reply) = step.action else { return step }
        return ClientStep(byteCount: byteCount, .close(after: reply), note: step.note)
    }

    private mutating func readResponse(_ input: Span<UInt8>, tag: [UInt8]) -> ClientStep {
        let parsed = ResponseLine.parse(input, words: IMAPCommand.maxArguments)
        return admit(parsed, invalid: IMAPReply.invalidCommand(tag)) { dialogue, response in dialogue.take(response) }
    }

    mutating func abandonExchange() { state = .idle }
}

/// Deciding: from a command or response to an action.
extension IMAPClientDialogue {
    private mutating func perform(_ command: IMAPCommand, overTLS: Bool) -> Decision {
        let policy = server.policy
        switch command.name {
        case .noop:
            return (.reply(IMAPReply.completed(command.tag)), nil)
        case .logout:
            return (.close(after: IMAPReply.goodbye(command.tag)), nil)
        case .capability:
            return (.reply(capabilities(overTLS: overTLS) + IMAPReply.completed(command.tag)), nil)
        case .id:
            return note(command)
        case .startTLS where policy.startTLS != .off && !overTLS:
            return (.startTLS(after: IMAPReply.completed(command.tag)), nil)
        case .login where policy.startTLS != .only || overTLS:
            return logIn(command)
        case .authenticate where policy.startTLS != .only || overTLS:
            return beginExchange(command)
        case .startTLS, .login, .authenticate:
            return refuseCommand(command.tag)
        }
    }

    private func capabilities(overTLS: Bool) -> [UInt8] {
        let lines = mayClaim ? server.capabilitiesForProxies : server.capabilities
        return overTLS ? lines.overTLS : lines.inTheClear
    }

    /// Keeps what the client says of itself, for the upstream. What a proxy says of its client is obeyed, of
    /// anybody else only answered.
    private mutating func note(_ command: IMAPCommand) -> Decision {
        clientID = command.clientID
        let answer = IMAPReply.noted(command.tag)
        let claim = command.clientID.claim
        guard mayClaim, claim != ClientClaim() else { return (.reply(answer), nil) }
        mayClaim = claim.address == nil
        return (.adopt(claim, reply: answer), nil)
    }

    private mutating func logIn(_ command: IMAPCommand) -> Decision {
        guard command.arguments.count == 2 else { return refuseCommand(command.tag) }
        let (login, password) = (command.arguments[0], command.arguments[1])
        if login.isEmpty { return refuseCommand(command.tag) }
        return authenticate(
            command.tag, Credentials(method: .plain, login: login.span.bytes(), secret: password))
    }

    private mutating func beginExchange(_ command: IMAPCommand) -> Decision {
        guard let mechanism = command.arguments.first, command.arguments.count <= 2 else {
            return refuseCommand(command.tag)
        }
        let outcome = SASLExchange.begin(
            mechanism.span, enabled: server.auth, initialResponse: command.arguments.dropFirst().first, salt: salt)
        return follow(outcome, tag: command.tag)
    }

    private mutating func take(_ response: Secret) -> Decision {
        switch state {
        case .negotiating(let tag, let exchange):
            return follow(exchange.receive(response.span), tag: tag)
        case .explaining(let tag, let refusal):
            state = .idle
            return (refusal.end(on: response.span, invalid: IMAPReply.invalidCommand(tag)), nil)
        case .reading, .authenticating:
            return refuseCommand(tag)
        }
    }

    private mutating func follow(_ outcome: SASLExchange.Outcome, tag: [UInt8]) -> Decision {
        switch outcome {
        case .challenge(let challenge, let exchange):
            state = .negotiating(tag: tag, exchange)
            return (.reply(IMAPReply.continuation(challenge)), nil)
        case .credentials(let credentials):
            return authenticate(tag, credentials)
        case .failed(let note):
            return refuseCommand(tag, note: note)
        }
    }

    private mutating func authenticate(_ tag: [UInt8], _ credentials: Credentials) -> Decision {
        state = .authenticating(tag: tag, credentials.method)
        return (.authenticate(credentials), nil)
    }

    private mutating func refuseCommand(_ tag: [UInt8]?, note: String? = nil) -> Decision {
        state = .idle
        return (.reply(IMAPReply.invalidCommand(tag)), note)
    }
}
