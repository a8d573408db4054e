/// The login at an IMAP upstream (`mail-proxy.md`, section 5), under the tag of the client's own
/// command: the upstream's reply to it is the client's.
public struct IMAPUpstreamDialogue: UpstreamDialogue {
    private enum State: Sendable {
        /// These credentials make no login; nothing is said.
        case hopeless(UpstreamAction)
        case awaitingGreeting(Login)
        /// The rest of the command, each part after the upstream has asked for it.
        case saying(ArraySlice<IMAPLoginCommand.Part>, OAuthLogin?, activity: StaticString)
        /// With the token that was said, if it was one.
        case said(OAuthLogin?, activity: StaticString)
        /// The upstream has explained why it refuses the token, and the refusal itself is to come.
        case explained(saslError: [UInt8])
        case decided
    }

    private indirect enum Login: Sendable {
        case password([UInt8], Secret)
        case token(OAuthLogin, mechanism: String)

        var token: OAuthLogin? { if case .token(let token, _) = self { token } else { nil } }
    }

    /// What the upstream may say in all from our command to its decision.
    public static let maxReplyLength = 64 * 1024

    private let tag: [UInt8]
    /// Goes ahead of the login, in one piece with it.
    private let introduction: IMAPIntroduction?
    private var state: State
    /// The introduction has been said, and is not answered yet.
    private var awaitsItsReply = false
    /// The untagged lines since our command: they are the client's too.
    private var heard: [UInt8] = []
    /// How many bytes have been said about the introduction, which the client has no part in.
    private var skippedByteCount = 0

    public init(tag: [UInt8], _ credentials: Credentials, introduction: IMAPIntroduction? = nil, to route: UpstreamTerms) {
        self.tag = tag
        self.introduction = introduction
        state = Self.start(credentials, to: route)
    }

    private static func start(_ credentials: Credentials, to route: UpstreamTerms) -> State {
        guard let secret = credentials.password(for: route) else { return .hopeless(.noPassword) }
        guard route.upstreamDecides, let mechanism = credentials.method.oauthMechanism else {
            return .awaitingGreeting(.password(credentials.login, secret))
        }
        guard let token = OAuthLogin(secret, of: credentials.login, by: mechanism) else {
            return .hopeless(.unspeakable)
        }
        return .awaitingGreeting(.token(token, mechanism: mechanism.name))
    }

    public var activity: StaticString {
        switch state {
        case _ where awaitsItsReply: "sending ID to upstream"
        case .hopeless, .awaitingGreeting, .decided: "reading response from upstream"
        case .saying(_, _, let activity), .said(_, let activity): activity
        case .explained: "sending AUTH to upstream"
        }
    }

    public mutating func receive(_ input: Span<UInt8>) -> UpstreamStep {
        if case .hopeless(let action) = state { return UpstreamStep(byteCount: 0, action) }
        let room = Self.maxReplyLength - heard.count - skippedByteCount
        let expected = awaitsItsReply ? introduction?.tag ?? tag : tag
        guard case .complete(let reply, let byteCount) = IMAPUpstreamReply.parse(input, tag: expected) else {
            return UpstreamStep(byteCount: 0, input.count < room ? .awaitInput : .tooLong)
        }
        if byteCount > room { return UpstreamStep(byteCount: byteCount, .tooLong) }
        if awaitsItsReply, let action = takeNote(of: reply, byteCount) { return UpstreamStep(byteCount: byteCount, action) }
        return UpstreamStep(byteCount: byteCount, advance(on: reply, line: input.extracting(0..<byteCount)))
    }

    /// Whatever an upstream answers to the introduction, the login goes on. Nil where it is no answer.
    private mutating func takeNote(of reply: IMAPUpstreamReply, _ byteCount: Int) -> UpstreamAction? {
        if case .tagged = reply { awaitsItsReply = false } else if !reply.changesNothing { return nil }
        skippedByteCount += byteCount
        return .skip
    }

    private mutating func advance(on reply: IMAPUpstreamReply, line: Span<UInt8>) -> UpstreamAction {
        if hasSpoken && reply.changesNothing {
            heard += line.bytes()
            return .skip
        }
        let before = state
        state = .decided
        switch (before, reply) {
        case (.awaitingGreeting(let login), .untagged(.ok, let code)):
            let offers = IMAPUpstreamOffers(code)
            let action = say(command(for: login, offers: offers).parts[...], login.token)
            guard let introduction, offers.takesID, case .send(let part) = action else { return action }
            awaitsItsReply = true
            var line = Secret(introduction.line.span)
            line.append(part.span)
            return .send(line)
        case (.saying(let rest, let token, _), .continuation):
            return say(rest, token)
        case (.said(let token?, _), .continuation(let saslError)):
            state = .explained(saslError: saslError)
            return .send(token.answerToError)
        case (.said, .tagged(.ok, _)):
            return .accepted(reply: allHeard(upTo: line))
        case (.said, .tagged(.no, let code)) where !Self.isAboutServer(code):
            return .refused(reply: allHeard(upTo: line), saslError: nil)
        case (.explained(let saslError), .tagged(.no, let code)) where !Self.isAboutServer(code):
            return .refused(reply: allHeard(upTo: line), saslError: saslError)
        default:
            return .failed(reply: allHeard(upTo: line))
        }
    }

    /// All that the client is to hear of the login, which this line ends.
    private func allHeard(upTo line: Span<UInt8>) -> [UInt8] {
        heard.isEmpty ? line.bytes() : heard + line.bytes()
    }

    private var hasSpoken: Bool {
        switch state {
        case .saying, .said, .explained: true
        case .hopeless, .awaitingGreeting, .decided: false
        }
    }

    private func command(for login: Login, offers: IMAPUpstreamOffers) -> IMAPLoginCommand {
        switch login {
        case .password(let name, let password):
            IMAPLoginCommand(tag: tag, login: name, password: password, offers: offers)
        case .token(let token, let mechanism):
            IMAPLoginCommand(tag: tag, token: token, mechanism: mechanism, offers: offers)
        }
    }

    /// Says the first of these parts; the others wait for the upstream.
    private mutating func say(_ parts: ArraySlice<IMAPLoginCommand.Part>, _ token: OAuthLogin?) -> UpstreamAction {
        guard let part = parts.first else { return .failed(reply: heard) }
        let rest = parts.dropFirst()
        state = rest.isEmpty
            ? .said(token, activity: part.activity) : .saying(rest, token, activity: part.activity)
        return .send(part.bytes)
    }

    /// Response codes (RFC 5530) with which a server refuses every login, or this one though the
    /// password may be right. Trying another password helps with none of them.
    private static let codesAboutServer: Set<String> = [
        "UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN", "PRIVACYREQUIRED", "CLIENTBUG",
        "CANNOT", "CORRUPTION", "OVERQUOTA",
    ]

    private static func isAboutServer(_ code: [String]) -> Bool {
        code.first.map { codesAboutServer.contains($0) } ?? false
    }
}

/// Who the client is, as an IMAP upstream is told it by `ID`.
public struct IMAPIntroduction: Sendable {
    /// Not that of the login, which may not be used twice.
    let tag: [UInt8]
    let line: [UInt8]

    /// Nil where the client has no address.
    init?(loginTag: [UInt8], _ facts: ClientFacts, _ client: IMAPClientID) {
        tag = loginTag + [UInt8(ascii: "I")]
        guard let line = IMAPClientID.command(tag: tag, facts, client) else { return nil }
        self.line = line
    }
}
