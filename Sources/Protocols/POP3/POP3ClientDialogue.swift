/// A POP3 client's way to its login (`mail-pop3.md`, sections 3 to 7).
public struct POP3ClientDialogue: ClientDialogue, BudgetedDialogue {
    private enum State: Sendable {
        case idle
        /// USER has been said, PASS is to come.
        case named([UInt8])
        case negotiating(SASLExchange)
        case authenticating(AuthMethod)
        /// A refused token's client has been told why and is to take note.
        case explaining(OAuthRefusal)
    }

    private let server: POP3
    /// What the greeting shows and every digest answers.
    private let salt: [UInt8]
    private let believesClaims: Bool
    var budget: ClientBudget
    private var state = State.idle
    /// Whether the peer may still say who its client is. Who is known to be the client may not.
    private var mayClaim: Bool

    init(of server: POP3, _ start: DialogueStart) {
        self.server = server
        believesClaims = start.believesClaims
        mayClaim = start.believesClaims
        salt = server.usesChallenge ? start.salt(at: server.policy.serverName) : []
        budget = ClientBudget(server.policy)
    }

    public func greeting(overTLS: Bool) -> [UInt8] {
        mayClaim || !salt.isEmpty ? POP3Reply.greeting(offersXCLIENT: mayClaim, challenge: salt) : POP3Reply.greeting
    }

    public mutating func receive(_ input: Span<UInt8>, overTLS: Bool) -> ClientStep {
        if expectsResponse {
            let parsed = ResponseLine.parse(input, words: POP3Command.maxArguments)
            return admit(parsed, invalid: POP3Reply.invalidCommand) { dialogue, response in dialogue.take(response) }
        }
        return admit(parse(input), invalid: POP3Reply.invalidCommand) { dialogue, command in
            dialogue.perform(command, overTLS: overTLS)
        }
    }

    mutating func abandonExchange() { state = .idle }

    public mutating func receiveTooLong(_ input: Span<UInt8>) -> ClientStep {
        ClientBudget.turnAwayTooLong(input, isResponse: expectsResponse, invalid: POP3Reply.invalidCommand)
    }

    public mutating func forgetPlaintext() {
        state = .idle
        mayClaim = believesClaims
    }

    public mutating func refuse(_ refusal: Refusal, thenCloses: Bool) -> ClientAction {
        let reply = POP3Reply.refusal(refusal.text)
        if case .authenticating(let method) = state,
            let explaining = OAuthRefusal(refusal, of: method, reply: reply, thenCloses: thenCloses)
        {
            state = .explaining(explaining)
            return .reply(POP3Reply.continuation(explaining.explanation))
        }
        state = .idle
        return thenCloses ? .close(after: reply) : .reply(reply)
    }

    public func farewell(_ reason: Farewell) -> [UInt8] { POP3Reply.farewell(reason) }

    public func makeUpstreamDialogue(with credentials: Credentials, to route: UpstreamTerms) -> any UpstreamDialogue {
        let introduction = server.policy.passesClientID ? XClientAttributes.pop3Command(route.client) : nil
        let login = POP3UpstreamDialogue(credentials, introduction: introduction, to: route)
        return route.startsTLS ? UpstreamStartTLS(POP3StartTLS(), before: login) : login
    }

    private var expectsResponse: Bool {
        switch state {
        case .negotiating, .explaining: true
        case .idle, .named, .authenticating: false
        }
    }

    private func parse(_ input: Span<UInt8>) -> Parsed<POP3Command> {
        let parsed = POP3Command.parse(input)
        // Nobody else is told that there is such a command.
        if case .complete(.xclient, let byteCount) = parsed, !mayClaim { return .invalid(.command, byteCount: byteCount) }
        return parsed
    }

    private mutating func take(_ response: Secret) -> Decision {
        switch state {
        case .negotiating(let exchange):
            return follow(exchange.receive(response.span))
        case .explaining(let refusal):
            state = .idle
            return (refusal.end(on: response.span, invalid: POP3Reply.invalidCommand), nil)
        case .idle, .named, .authenticating:
            return refuseCommand()
        }
    }

    private mutating func perform(_ command: POP3Command, overTLS: Bool) -> Decision {
        if server.policy.startTLS == .only && !overTLS && command.carriesCredentials { return refuseCommand() }
        switch (state, command) {
        case (_, .noop):
            return (.reply(POP3Reply.success), nil)
        case (_, .quit):
            return (.close(after: POP3Reply.success), nil)
        case (_, .xclient(let words)):
            return adopt(words)
        case (.idle, .capa) where !overTLS:
            return (.reply(server.capabilities.inTheClear), nil)
        case (_, .capa):
            return (.reply(server.capabilities.full), nil)
        case (.idle, .user(let name)):
            state = .named(name)
            return (.reply(POP3Reply.success), nil)
        case (.named(let name), .pass(let password)):
            return authenticate(Credentials(method: .plain, login: name, secret: password))
        case (.idle, .apop(let user, let digest)) where server.acceptsAPOP:
            return authenticate(Credentials(method: .apop, login: user, secret: digest, salt: salt))
        case (.idle, .listMechanisms):
            return (.reply(server.mechanismList), nil)
        case (.idle, .auth(let mechanism, let response)):
            return follow(SASLExchange.begin(mechanism.span, enabled: server.auth, initialResponse: response, salt: salt))
        case (.idle, .stls) where server.policy.startTLS != .off && !overTLS:
            return (.startTLS(after: POP3Reply.success), nil)
        default:
            return refuseCommand()
        }
    }

    private mutating func follow(_ outcome: SASLExchange.Outcome) -> Decision {
        switch outcome {
        case .challenge(let challenge, let exchange):
            state = .negotiating(exchange)
            return (.reply(POP3Reply.continuation(challenge)), nil)
        case .credentials(let credentials):
            return authenticate(credentials)
        case .failed(let note):
            return refuseCommand(note: note)
        }
    }

    private mutating func adopt(_ words: [[UInt8]]) -> Decision {
        guard let attributes = try? XClientAttributes(pop3: words), let claim = try? attributes.claim() else {
            return (.reply(POP3Reply.invalidClaim), nil)
        }
        state = .idle
        mayClaim = !attributes.tells(.address)
        return (.adopt(claim, reply: POP3Reply.adopted), nil)
    }

    private mutating func authenticate(_ credentials: Credentials) -> Decision {
        state = .authenticating(credentials.method)
        return (.authenticate(credentials), nil)
    }

    /// A user who has been named is forgotten too.
    private mutating func refuseCommand(note: String? = nil) -> Decision {
        state = .idle
        return (.reply(POP3Reply.invalidCommand), note)
    }
}

extension POP3Command {
    /// Whether it is part of a login, which `starttls only` refuses in the clear.
    fileprivate var carriesCredentials: Bool {
        switch self {
        case .user, .pass, .apop, .listMechanisms, .auth: true
        case .capa, .noop, .quit, .stls, .xclient, .misused: false
        }
    }
}
