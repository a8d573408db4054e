/// An SMTP client's way to its login, or to its first recipient where no login is asked for
/// (`mail-smtp.md`, sections 3 to 7).
public struct SMTPClientDialogue: ClientDialogue, BudgetedDialogue {
    private enum State: Sendable {
        case idle
        case negotiating(SASLExchange)
        case authenticating(AuthMethod)
        /// A refused token's client has been told why and is to take note.
        case explaining(OAuthRefusal)
    }

    private let server: SMTP
    private let salt: [UInt8]
    var budget: ClientBudget
    private var state = State.idle
    private var client = SMTPClientWords()
    /// What the proxy before us has said of its client in all its XCLIENT commands; nil where it has said nothing.
    private var claimed: XClientAttributes?
    /// Whether it may say more. Who is known to be the client may not.
    private var mayClaim: Bool
    /// The MAIL line that waits for its first recipient. An AUTH in between does not forget it, nor
    /// does a refused recipient.
    private var sender: [UInt8]?

    init(of server: SMTP, _ start: DialogueStart) {
        self.server = server
        salt = server.usesChallenge ? start.salt(at: server.policy.serverName) : []
        budget = ClientBudget(server.policy)
        mayClaim = start.believesClaims
    }

    public func greeting(overTLS: Bool) -> [UInt8] { server.greeting }

    public mutating func receive(_ input: Span<UInt8>, overTLS: Bool) -> ClientStep {
        if expectsResponse {
            let parsed = ResponseLine.parse(input, words: SMTPCommand.maxArguments)
            return admit(parsed, invalid: SMTPReply.invalidCommand) { dialogue, response in dialogue.take(response) }
        }
        return admit(parse(input), invalid: SMTPReply.invalidCommand) { dialogue, command in
            dialogue.perform(command, overTLS: overTLS)
        }
    }

    mutating func abandonExchange() { state = .idle }

    public mutating func receiveTooLong(_ input: Span<UInt8>) -> ClientStep {
        ClientBudget.turnAwayTooLong(input, isResponse: expectsResponse, invalid: SMTPReply.invalidCommand)
    }

    /// Only that the client has said EHLO is remembered: it is no secret and binds nobody. Nothing has been claimed,
    /// or TLS would not begin.
    public mutating func forgetPlaintext() {
        state = .idle
        client.helo = nil
        sender = nil
    }

    public mutating func refuse(_ refusal: Refusal, thenCloses: Bool) -> ClientAction {
        let reply = SMTPReply.refusal(refusal)
        if case .authenticating(let method) = state,
            let explaining = OAuthRefusal(refusal, of: method, reply: reply, thenCloses: thenCloses)
        {
            state = .explaining(explaining)
            return .reply(SMTPReply.continuation(explaining.explanation))
        }
        state = .idle
        return thenCloses ? .close(after: reply) : .reply(reply)
    }

    public func farewell(_ reason: Farewell) -> [UInt8] {
        SMTPReply.farewell(reason, of: server.policy.serverName)
    }

    public func makeUpstreamDialogue(with credentials: Credentials, to route: UpstreamTerms) -> any UpstreamDialogue {
        let login = SMTPUpstreamDialogue(credentials, from: client, to: route, of: server)
        guard route.startsTLS else { return login }
        return UpstreamStartTLS(SMTPStartTLS(serverName: server.policy.serverName), before: login)
    }

    private var expectsResponse: Bool {
        switch state {
        case .negotiating, .explaining: true
        case .idle, .authenticating: false
        }
    }

    private func parse(_ input: Span<UInt8>) -> Parsed<SMTPCommand> {
        let parsed = SMTPCommand.parse(input)
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
            return (refusal.end(on: response.span, invalid: SMTPReply.invalidCommand), nil)
        case .idle, .authenticating:
            return reply(SMTPReply.invalidCommand)
        }
    }

    private mutating func perform(_ command: SMTPCommand, overTLS: Bool) -> Decision {
        if server.policy.startTLS == .only && !overTLS, let refusal = refuseInTheClear(command) { return refusal }
        switch command {
        case .helo(nil), .ehlo(nil): return reply(SMTPReply.invalidArgument)
        case .helo(let name?): return greet(name, with: server.helloReply)
        case .ehlo(let name?):
            client.speaksESMTP = true
            let capabilities = mayClaim ? server.capabilitiesForProxies : server.capabilities
            return greet(name, with: offersTLS(overTLS: overTLS) ? capabilities.inTheClear : capabilities.overTLS)
        case .auth(let mechanism, let response): return beginAuth(mechanism, response)
        case .bareAuth: return reply(SMTPReply.invalidArgument)
        case .overfullAuth: return reply(SMTPReply.invalidCommand)
        case .mail(let line): return mail(line)
        case .rcpt(let line): return recipient(line)
        case .noop: return reply(SMTPReply.done)
        case .rset:
            sender = nil
            return reply(SMTPReply.done)
        case .quit: return (.close(after: SMTPReply.bye), nil)
        case .startTLS where offersTLS(overTLS: overTLS):
            return (.startTLS(after: SMTPReply.startTLS), nil)
        case .xclient(let words): return adopt(words)
        case .startTLS, .vrfy, .expn, .help: return reply(SMTPReply.invalidCommand)
        }
    }

    /// A proxy begins TLS before it says who its client is, or not at all. Behind that it relays: who asks for TLS then
    /// is the client, which would be taken for the proxy once what was said in the clear is forgotten.
    private func offersTLS(overTLS: Bool) -> Bool { server.policy.startTLS != .off && !overTLS && claimed == nil }

    /// What `starttls only` keeps for TLS: logins, who the client is, and messages where those need no login.
    private mutating func refuseInTheClear(_ command: SMTPCommand) -> Decision? {
        switch command {
        case .auth, .bareAuth, .overfullAuth: reply(SMTPReply.invalidCommand)
        case .xclient: reply(SMTPReply.startTLSRequired)
        case .mail(let line), .rcpt(let line):
            takesMail ? reject(line, with: SMTPReply.startTLSRequired) : nil
        default: nil
        }
    }

    /// Takes the proxy's word for who its client is, and begins anew with that client, of which nothing is known
    /// but what the proxy has said (XCLIENT_README).
    private mutating func adopt(_ words: [[UInt8]]) -> Decision {
        guard sender == nil else { return reply(SMTPReply.badSequence) }
        var all = claimed ?? XClientAttributes()
        guard let said = try? XClientAttributes(smtp: words, known: SMTP.knownAttributes) else {
            return reply(SMTPReply.invalidArgument)
        }
        all.add(said)
        guard all.isSpeakable, let claim = try? all.claim() else { return reply(SMTPReply.invalidArgument) }
        claimed = all
        client = SMTPClientWords(helo: all[.helo], speaksESMTP: all.speaksESMTP)
        mayClaim = !all.tells(.address)
        state = .idle
        return (.adopt(claim, reply: server.greeting), nil)
    }

    private mutating func greet(_ name: [UInt8], with answer: [UInt8]) -> Decision {
        client.helo = name
        sender = nil
        return reply(answer)
    }

    private mutating func beginAuth(_ mechanism: [UInt8], _ response: Secret?) -> Decision {
        follow(SASLExchange.begin(mechanism.span, enabled: server.auth, initialResponse: response, salt: salt))
    }

    private mutating func follow(_ outcome: SASLExchange.Outcome) -> Decision {
        switch outcome {
        case .challenge(let challenge, let exchange):
            state = .negotiating(exchange)
            return (.reply(SMTPReply.continuation(challenge)), nil)
        case .credentials(let credentials):
            return authenticate(credentials)
        case .failed(let note):
            return reply(SMTPReply.invalidCommand, note: note)
        }
    }

    /// Whether a message needs no login, or none that the proxy before us has not seen.
    private var takesMail: Bool { server.takesMailWithoutLogin || claimed?[.login] != nil }

    private mutating func mail(_ line: SMTPCommand.EnvelopeLine) -> Decision {
        guard takesMail else { return reject(line, with: SMTPReply.authenticationRequired) }
        guard sender == nil else { return reply(SMTPReply.badSequence) }
        guard line.hasArguments else { return reply(SMTPReply.invalidArgument) }
        sender = line.text
        return reply(SMTPReply.done)
    }

    private mutating func recipient(_ line: SMTPCommand.EnvelopeLine) -> Decision {
        guard let sender else { return reply(SMTPReply.badSequence) }
        guard line.hasArguments else { return reply(SMTPReply.invalidArgument) }
        let envelope = SMTPEnvelope(helo: client.helo ?? [], from: sender, to: line.text)
        return authenticate(Credentials(method: .none, login: claimed?[.login] ?? [], secret: nil, envelope: envelope))
    }

    private mutating func reject(_ line: SMTPCommand.EnvelopeLine, with answer: [UInt8]) -> Decision {
        let text = String(decoding: line.text.map { $0.isControl ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
        return reply(answer, note: "client was rejected: \"\(text)\"")
    }

    private mutating func authenticate(_ credentials: Credentials) -> Decision {
        state = .authenticating(credentials.method)
        return (.authenticate(credentials), nil)
    }

    private mutating func reply(_ answer: [UInt8], note: String? = nil) -> Decision {
        state = .idle
        return (.reply(answer), note)
    }
}

extension XClientAttributes {
    /// Whether the greeting of the client that is told can be said on: one word, and one of two protocols.
    fileprivate var isSpeakable: Bool {
        let isWord = self[.helo].map { $0.count <= 255 && $0.allSatisfy { $0.isPrintableASCII && $0 != .space } } ?? true
        let isProtocol = self[.proto].map { word in ["SMTP", "ESMTP"].contains { word.span.isKeyword($0, in: word.indices) } } ?? true
        return isWord && isProtocol
    }

    fileprivate var speaksESMTP: Bool { self[.proto].map { $0.span.isKeyword("ESMTP", in: $0.indices) } ?? false }
}
