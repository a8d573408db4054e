/// The login at an SMTP upstream (`mail-proxy.md`, section 6): a script of commands that the settings
/// and the client's words lay down, and that every reply carries on or ends.
public struct SMTPUpstreamDialogue: UpstreamDialogue {
    private enum State: Sendable {
        /// These credentials make no login; nothing is said.
        case hopeless(Obstacle)
        case awaitingReply(to: Purpose)
        case decided
    }

    /// What a reply answers.
    private enum Purpose: Sendable {
        case connection, hello, xclient, clientHello, sender, recipient
        case plain
        indirect case token(OAuthLogin)
        /// The upstream has explained why it refuses the token, and the refusal itself is to come.
        case explanation(saslError: [UInt8])

        /// How the log calls it (`mail-proxy.md`, section 8).
        var activity: StaticString {
            switch self {
            case .connection: "reading response from upstream"
            case .hello: "sending HELO/EHLO to upstream"
            case .xclient: "sending XCLIENT to upstream"
            case .clientHello: "sending client HELO/EHLO to upstream"
            case .plain, .token, .explanation: "sending AUTH to upstream"
            case .sender: "sending MAIL FROM to upstream"
            case .recipient: "sending RCPT TO to upstream"
            }
        }
    }

    private struct Command: Sendable {
        let purpose: Purpose
        let line: Secret

        init(_ purpose: Purpose, _ line: Secret) {
            self.purpose = purpose
            self.line = line
        }

        init(_ purpose: Purpose, _ verb: String, _ argument: Span<UInt8>) throws(Obstacle) {
            guard let line = UpstreamLine.build(verb, argument) else { throw .unspeakable }
            self.init(purpose, line)
        }
    }

    private var state: State
    /// The reply that is awaited, as far as it has come.
    private var reply = SMTPReply()
    /// What is to be said yet, the last first.
    private var commands: [Command] = []
    /// What the upstream is told of the client, once it is known what it takes; nil where it is told nothing.
    private let introduction: Introduction?

    /// - Parameter client: what the client has said of itself.
    public init(_ credentials: Credentials, from client: SMTPClientWords, to route: UpstreamTerms, of server: SMTP) {
        let policy = server.policy
        // Whether credentials are put to the upstream. A message without a login has none.
        let putsCredentials = policy.proxiesSMTPAuth || route.upstreamDecides
        let asksUpstream = putsCredentials && credentials.method != .none
        var introduction: Introduction?
        commands.reserveCapacity(3)
        do throws(Obstacle) {
            // What cannot be said to any upstream is known now: XCLIENT itself can always.
            introduction = policy.sendsXCLIENT
                ? try Introduction(of: client, login: putsCredentials ? [] : credentials.login, facts: route.client) : nil
            if let envelope = credentials.envelope {
                commands.append(try Command(.recipient, "", envelope.to.span))
                commands.append(try Command(.sender, "", envelope.from.span))
            } else if asksUpstream {
                commands.append(try Self.login(credentials, to: route))
            }
            // An upstream that is to judge credentials takes AUTH after EHLO alone (RFC 4954, section 3).
            let needsESMTP = client.speaksESMTP || policy.sendsXCLIENT || asksUpstream
            guard let hello = needsESMTP ? server.upstreamHello.ehlo : server.upstreamHello.helo else { throw .unspeakable }
            commands.append(Command(.hello, hello))
            state = .awaitingReply(to: .connection)
        } catch {
            state = .hopeless(error)
        }
        self.introduction = introduction
    }

    private static func login(_ credentials: Credentials, to route: UpstreamTerms) throws(Obstacle) -> Command {
        guard let secret = credentials.password(for: route) else { throw .noPassword }
        if route.upstreamDecides, let mechanism = credentials.method.oauthMechanism {
            guard let login = OAuthLogin(secret, of: credentials.login, by: mechanism) else { throw .unspeakable }
            return try Command(.token(login), "AUTH \(mechanism.name) ", login.response.span)
        }
        guard let response = Plain.initialResponse(login: credentials.login, password: secret) else { throw .unspeakable }
        return try Command(.plain, "AUTH PLAIN ", response.span)
    }

    public var activity: StaticString {
        switch state {
        case .hopeless, .decided: Purpose.connection.activity
        case .awaitingReply(let purpose): purpose.activity
        }
    }

    public mutating func receive(_ input: Span<UInt8>) -> UpstreamStep {
        switch state {
        case .hopeless(let obstacle):
            return UpstreamStep(byteCount: 0, obstacle.action)
        case .decided:
            return UpstreamStep(byteCount: input.count, .failed(reply: []))
        case .awaitingReply(let purpose):
            let (progress, byteCount) = reply.read(input)
            return UpstreamStep(byteCount: byteCount, advance(from: purpose, after: progress))
        }
    }

    private mutating func advance(from purpose: Purpose, after progress: SMTPReply.Progress) -> UpstreamAction {
        switch progress {
        case .partial: .awaitInput
        case .whole: advance(from: purpose)
        case .malformed: decide(.failed(reply: reply.bytes))
        case .tooLong: decide(.tooLong)
        }
    }

    private mutating func advance(from purpose: Purpose) -> UpstreamAction {
        switch (purpose, reply.code ?? 0) {
        case (.recipient, _):
            return decide(.accepted(reply: reply.bytes))
        case (.hello, 250):
            do throws(Obstacle) {
                try introduction?.add(to: &commands, after: reply)
                return proceed()
            } catch {
                return decide(error.action)
            }
        case (.connection, 220), (.xclient, 220), (.xclient, 250), (.clientHello, 250),
            (.sender, 250), (.plain, 235), (.token, 235):
            return proceed()
        case (.token(let login), 334):
            state = .awaitingReply(to: .explanation(saslError: reply.text))
            commands = []
            reply.begin()
            return .send(login.answerToError)
        case (.plain, 500...599), (.token, 500...599):
            return decide(.refused(reply: reply.bytes, saslError: nil))
        case (.explanation(let saslError), 500...599):
            return decide(.refused(reply: reply.bytes, saslError: saslError))
        default:
            return decide(.failed(reply: reply.bytes))
        }
    }

    private mutating func proceed() -> UpstreamAction {
        guard let next = commands.popLast() else { return decide(.accepted(reply: SMTPReply.authenticated)) }
        state = .awaitingReply(to: next.purpose)
        reply.begin()
        return .send(next.line)
    }

    private mutating func decide(_ action: UpstreamAction) -> UpstreamAction {
        state = .decided
        return action
    }
}

/// How this server greets upstreams. Nil is what its name does not let it say.
struct SMTPHello: Sendable {
    let ehlo: Secret?
    let helo: Secret?

    init(of serverName: [UInt8]) {
        ehlo = UpstreamLine.build("EHLO ", serverName.span)
        helo = UpstreamLine.build("HELO ", serverName.span)
    }
}

/// What an SMTP client has said of itself.
public struct SMTPClientWords: Equatable, Sendable {
    /// The name of its last HELO or EHLO.
    public var helo: [UInt8]?
    /// Whether it has ever said EHLO.
    public var speaksESMTP = false

    public init(helo: [UInt8]? = nil, speaksESMTP: Bool = false) {
        self.helo = helo
        self.speaksESMTP = speaksESMTP
    }
}

extension SMTPUpstreamDialogue {
    /// Why nothing can be said.
    private enum Obstacle: Error {
        case noPassword, unspeakable

        var action: UpstreamAction { self == .noPassword ? .noPassword : .unspeakable }
    }

    /// XCLIENT, and the client's own greeting for the session that begins anew with it.
    private final class Introduction: Sendable {
        private let client: SMTPClientWords
        /// Empty where it is not told.
        private let login: [UInt8]
        private let facts: ClientFacts
        private let hello: Command?

        init(of client: SMTPClientWords, login: [UInt8], facts: ClientFacts) throws(Obstacle) {
            self.client = client
            self.login = login
            self.facts = facts
            if let name = client.helo {
                hello = try Command(.clientHello, client.speaksESMTP ? "EHLO " : "HELO ", name.span)
            } else {
                hello = nil
            }
        }

        /// Adds its commands to those that are to be said yet, the last first.
        /// - Parameter offer: the reply to EHLO, which may list the attributes that the upstream knows. One that
        ///   lists none is told what nginx tells every upstream.
        func add(to commands: inout [Command], after offer: SMTPReply) throws(Obstacle) {
            let lines = XClientAttributes.smtpCommands(of: XClientAttribute.listed(in: offer), saying: value(of:))
            if let hello, !lines.isEmpty { commands.append(hello) }
            for line in lines.reversed() { commands.append(try Command(.xclient, "", line.span)) }
        }

        private func value(of attribute: XClientAttribute) -> [UInt8]? {
            switch attribute {
            case .login: login.isEmpty ? nil : login
            case .helo: client.helo
            case .proto: client.helo.map { _ in Array((client.speaksESMTP ? "ESMTP" : "SMTP").utf8) }
            default: attribute.value(in: facts)
            }
        }
    }
}

extension XClientAttribute {
    /// Those that a reply to EHLO lists, or the usual ones where it lists none at all.
    fileprivate static func listed(in offer: SMTPReply) -> [XClientAttribute] {
        let bytes = offer.bytes.span
        guard var rest = offer.parameters(of: "XCLIENT"), bytes.firstWord(in: rest) != nil else {
            return [.address, .login, .name]
        }
        var listed: [XClientAttribute] = []
        while let word = bytes.firstWord(in: rest) {
            if let attribute = XClientAttribute(bytes.extracting(word)) { listed.append(attribute) }
            rest = word.upperBound..<rest.upperBound
        }
        return listed
    }
}
