/// The login at a POP3 upstream: USER and PASS (`mail-proxy.md`, section 4), or AUTH with a token
/// where the upstream is the one to judge it (RFC 5034).
public struct POP3UpstreamDialogue: UpstreamDialogue {
    private enum State: Sendable {
        /// These credentials make no login; nothing is said.
        case hopeless(UpstreamAction)
        case awaitingGreeting(Login)
        /// XCLIENT has been said, and the login behind it has begun.
        indirect case introduced(then: State)
        case saidUser(then: Secret)
        case saidPassword
        case saidMechanism(OAuthLogin)
        case saidToken(OAuthLogin)
        /// The upstream has explained why it refuses the token, and the refusal itself is to come.
        case explained(saslError: [UInt8])
        case decided
    }

    private enum Login: Sendable {
        case password(user: Secret, pass: Secret)
        case token(auth: Secret, OAuthLogin)
    }

    /// How long a reply may be; an error challenge is the longest there is.
    public static let maxLineLength = 64 * 1024

    private var state: State
    /// Who the client is, for an upstream that asks for it in its greeting; without its end.
    private let introduction: [UInt8]?

    public init(_ credentials: Credentials, introduction: [UInt8]? = nil, to route: UpstreamTerms) {
        self.introduction = introduction
        state = Self.start(credentials, to: route)
    }

    private static func start(_ credentials: Credentials, to route: UpstreamTerms) -> State {
        guard let secret = credentials.password(for: route) else { return .hopeless(.noPassword) }
        let login: Login?
        if route.upstreamDecides, let mechanism = credentials.method.oauthMechanism {
            login = token(secret, of: credentials.login, by: mechanism)
        } else {
            login = password(secret, of: credentials.login)
        }
        return login.map { .awaitingGreeting($0) } ?? .hopeless(.unspeakable)
    }

    private static func password(_ password: Secret, of user: [UInt8]) -> Login? {
        guard let user = UpstreamLine.build("USER ", user.span),
            let pass = UpstreamLine.build("PASS ", password.span)
        else { return nil }
        return .password(user: user, pass: pass)
    }

    private static func token(_ token: Secret, of user: [UInt8], by mechanism: any OAuthMechanism.Type) -> Login? {
        guard let login = OAuthLogin(token, of: user, by: mechanism),
            let auth = UpstreamLine.build("AUTH ", Array(mechanism.name.utf8).span)
        else { return nil }
        return .token(auth: auth, login)
    }

    public var activity: StaticString {
        switch state {
        case .hopeless, .awaitingGreeting, .decided: "reading response from upstream"
        case .introduced: "sending XCLIENT to upstream"
        case .saidUser: "sending user name to upstream"
        case .saidPassword: "sending password to upstream"
        case .saidMechanism, .saidToken, .explained: "sending AUTH to upstream"
        }
    }

    public mutating func receive(_ input: Span<UInt8>) -> UpstreamStep {
        if case .hopeless(let action) = state { return UpstreamStep(byteCount: 0, action) }
        guard case .complete(let reply, let byteCount) = POP3Reply.parse(input) else {
            return UpstreamStep(byteCount: 0, input.count > Self.maxLineLength ? .tooLong : .awaitInput)
        }
        if byteCount > Self.maxLineLength { return UpstreamStep(byteCount: byteCount, .tooLong) }
        return UpstreamStep(byteCount: byteCount, advance(on: reply, line: input.extracting(0..<byteCount)))
    }

    private mutating func advance(on reply: POP3Reply, line: Span<UInt8>) -> UpstreamAction {
        switch (state, reply) {
        case (.awaitingGreeting(.password(let user, let pass)), .ok):
            return begin(.saidUser(then: pass), saying: user, after: line)
        case (.saidUser(let pass), .ok):
            state = .saidPassword
            return .send(pass)
        case (.awaitingGreeting(.token(let auth, let login)), .ok):
            return begin(.saidMechanism(login), saying: auth, after: line)
        case (.introduced(let next), .ok):
            state = next
            return .skip
        case (.saidMechanism(let login), .challenge):
            state = .saidToken(login)
            return .send(login.responseLine)
        case (.saidToken(let login), .challenge(let saslError)):
            state = .explained(saslError: saslError)
            return .send(login.answerToError)
        case (.saidPassword, .ok), (.saidToken, .ok):
            state = .decided
            return .accepted(reply: line.bytes())
        case (.saidUser, .error(false)), (.saidPassword, .error(false)), (.saidToken, .error(false)):
            state = .decided
            return .refused(reply: line.bytes(), saslError: nil)
        case (.explained(let saslError), .error(false)):
            state = .decided
            return .refused(reply: line.bytes(), saslError: saslError)
        default:
            state = .decided
            return .failed(reply: line.bytes())
        }
    }

    /// Begins the login. Where the greeting asks who the client is, that goes ahead of it in one piece.
    private mutating func begin(_ next: State, saying command: Secret, after greeting: Span<UInt8>) -> UpstreamAction {
        guard let introduction, POP3Reply.asksForClient(greeting),
            var line = UpstreamLine.build("", introduction.span)
        else {
            state = next
            return .send(command)
        }
        line.append(command.span)
        state = .introduced(then: next)
        return .send(line)
    }
}

extension POP3Reply {
    /// Whether a greeting offers XCLIENT, as Dovecot does.
    static func asksForClient(_ greeting: Span<UInt8>) -> Bool { greeting.hasBytes("+OK [XCLIENT]") }
}
