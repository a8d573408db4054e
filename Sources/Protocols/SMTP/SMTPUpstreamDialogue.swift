/// The login at an SMTP upstream (`mail-proxy.md`, section 6): a script of commands that the settings
/// and the client's words lay down, and that every reply carries on or ends.
package struct SMTPUpstreamDialogue: UpstreamDialogue {
    private enum State: Sendable {
        /// These credentials make no login; nothing is said.
        case hopeless(UpstreamAction)
        case awaitingReply(to: Purpose)
        case decided
    }

    /// What a reply answers.
    private enum Purpose: Sendable {
        case connection, hello, xclient, clientHello, sender, recipient
        case plain
        case token(OAuthLogin)
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
    }

    private let script: Script
    /// The client's own greeting, behind what is said of the client; nil where it is not told.
    private let clientHello: Command?
    private var state: State
    /// The reply that is awaited, as far as it has come.
    private var reply = SMTPReply()
    /// What is to be said yet, the last first.
    private var commands: [Command] = []

    /// - Parameter client: what the client has said of itself.
    package init(
        _ credentials: Credentials, from client: SMTPClientWords, to route: UpstreamTerms, policy: DialoguePolicy
    ) {
        script = Script(credentials: credentials, client: client, route: route, policy: policy)
        var clientHello: Command?
        do throws(Obstacle) {
            // What cannot be said to any upstream is known now: XCLIENT itself can always.
            clientHello = try script.clientHello()
            commands = try script.login().reversed()
            commands.append(try script.hello())
            state = .awaitingReply(to: .connection)
        } catch {
            state = .hopeless(error.action)
        }
        self.clientHello = clientHello
    }

    package var activity: StaticString {
        switch state {
        case .hopeless, .decided: Purpose.connection.activity
        case .awaitingReply(let purpose): purpose.activity
        }
    }

    package mutating func receive(_ input: Span<UInt8>) -> UpstreamStep {
        switch state {
        case .hopeless(let action):
            return UpstreamStep(byteCount: 0, action)
        case .decided:
            return UpstreamStep(byteCount: input.count, .failed(reply: []))
        case .awaitingReply(let purpose):
            guard let line = input.line() else {
                let isTooLong = reply.bytes.count + input.count > SMTPReply.maxByteCount
                return UpstreamStep(byteCount: 0, isTooLong ? .tooLong : .awaitInput)
            }
            let action: UpstreamAction
            switch reply.add(input.extracting(0..<line.end)) {
            case .partial: action = .skip
            case .whole: action = advance(from: purpose)
            case .malformed: action = decide(.failed(reply: reply.bytes))
            case .tooLong: action = decide(.tooLong)
            }
            return UpstreamStep(byteCount: line.end, action)
        }
    }

    private mutating func advance(from purpose: Purpose) -> UpstreamAction {
        switch (purpose, reply.code ?? 0) {
        case (.recipient, _):
            return decide(.accepted(reply: reply.bytes))
        case (.hello, 250):
            do throws(Obstacle) {
                let introduction = try script.introduction(to: reply)
                if let clientHello, !introduction.isEmpty { commands.append(clientHello) }
                commands += introduction.reversed()
                return proceed()
            } catch {
                return decide(error.action)
            }
        case (.connection, 220), (.xclient, 220), (.xclient, 250), (.clientHello, 250),
            (.sender, 250), (.plain, 235), (.token, 235):
            return proceed()
        case (.token(let login), 334):
            state = .awaitingReply(to: .explanation(saslError: reply.text))
            (reply, commands) = (SMTPReply(), [])
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
        reply = SMTPReply()
        return .send(next.line)
    }

    private mutating func decide(_ action: UpstreamAction) -> UpstreamAction {
        state = .decided
        return action
    }
}

/// What an SMTP client has said of itself.
package struct SMTPClientWords: Equatable, Sendable {
    /// The name of its last HELO or EHLO.
    package var helo: [UInt8]?
    /// Whether it has ever said EHLO.
    package var speaksESMTP = false

    package init(helo: [UInt8]? = nil, speaksESMTP: Bool = false) {
        self.helo = helo
        self.speaksESMTP = speaksESMTP
    }
}

extension SMTPUpstreamDialogue {
    /// Why there is no script.
    private enum Obstacle: Error {
        case noPassword, unspeakable

        var action: UpstreamAction { self == .noPassword ? .noPassword : .unspeakable }
    }

    /// The commands that one login takes.
    private struct Script {
        let credentials: Credentials
        let client: SMTPClientWords
        let route: UpstreamTerms
        let policy: DialoguePolicy

        func hello() throws(Obstacle) -> Command {
            // An upstream that is to judge credentials takes AUTH after EHLO alone (RFC 4954, section 3).
            let needsESMTP = client.speaksESMTP || policy.sendsXCLIENT || asksUpstream
            return try command(.hello, needsESMTP ? "EHLO " : "HELO ", policy.serverName.span)
        }

        /// The client's own greeting, for the session that begins anew with XCLIENT.
        func clientHello() throws(Obstacle) -> Command? {
            guard policy.sendsXCLIENT, let helo = client.helo else { return nil }
            return try command(.clientHello, client.speaksESMTP ? "EHLO " : "HELO ", helo.span)
        }

        /// XCLIENT.
        /// - Parameter offer: the reply to EHLO, which may list the attributes that the upstream knows. One that
        ///   lists none is told what nginx tells every upstream.
        func introduction(to offer: SMTPReply) throws(Obstacle) -> [Command] {
            guard policy.sendsXCLIENT else { return [] }
            let listed = offer.parameters(of: "XCLIENT") ?? []
            let known = listed.isEmpty ? [.address, .login, .name] : listed.compactMap { XClientAttribute($0) }
            return try attributes(known).smtpCommands.map { (line) throws(Obstacle) in try command(.xclient, "", line.span) }
        }

        private func attributes(_ known: [XClientAttribute]) -> XClientAttributes {
            var attributes = XClientAttributes()
            for attribute in known {
                attributes[attribute] = switch attribute {
                case .login: tellsLogin ? credentials.login : nil
                case .helo: client.helo
                case .proto: client.helo.map { _ in Array((client.speaksESMTP ? "ESMTP" : "SMTP").utf8) }
                default: attribute.value(in: route.client)
                }
            }
            return attributes
        }

        private var tellsLogin: Bool { !credentials.login.isEmpty && !policy.proxiesSMTPAuth && !route.upstreamDecides }

        func login() throws(Obstacle) -> [Command] {
            if let envelope = credentials.envelope {
                return [try command(.sender, "", envelope.from.span), try command(.recipient, "", envelope.to.span)]
            }
            guard asksUpstream else { return [] }
            guard let secret = credentials.password(for: route) else { throw .noPassword }
            if route.upstreamDecides, let mechanism = credentials.method.oauthMechanism {
                guard let login = OAuthLogin(secret, of: credentials.login, by: mechanism) else { throw .unspeakable }
                return [try command(.token(login), "AUTH \(mechanism.name) ", login.response.span)]
            }
            guard let response = Plain.initialResponse(login: credentials.login, password: secret) else {
                throw .unspeakable
            }
            return [try command(.plain, "AUTH PLAIN ", response.span)]
        }

        /// Whether the credentials are put to the upstream. A message without a login has none.
        private var asksUpstream: Bool {
            credentials.method != .none && (policy.proxiesSMTPAuth || route.upstreamDecides)
        }

        private func command(_ purpose: Purpose, _ verb: String, _ argument: Span<UInt8>) throws(Obstacle) -> Command {
            guard let line = UpstreamLine.build(verb, argument) else { throw .unspeakable }
            return Command(purpose: purpose, line: line)
        }
    }
}
