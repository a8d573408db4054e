import Configuration
import Kernel
import Protocols
import Telemetry

/// Where a login goes, with what it goes there.
struct Destination {
    let upstream: Upstream
    let security: UpstreamSecurity
    let credentials: Credentials
    /// Nobody has checked the credentials: the upstream does (`proxy_pass`).
    let upstreamDecides: Bool
}

enum AuthDecision {
    /// With a pause before the client hears it and may try again, or at once and for good.
    case refused(Refusal, wait: Duration?)
    case accepted(Destination)
}

extension Session {
    /// How often `Auth-Status: WAIT` is obeyed for one login, and how soon at the earliest.
    private static let maximumWaits = 10
    private static let minimumWait = Duration.seconds(1)

    /// Asks whether the credentials are good, and where they lead.
    func authenticate(_ credentials: Credentials) async throws(SessionFailure) -> AuthDecision {
        context.login = credentials.login
        switch server.route {
        case .upstream(let upstream):
            return .accepted(
                Destination(upstream: upstream, security: server.proxy.security, credentials: credentials, upstreamDecides: true))
        case .authServer(let authServer):
            loginAttempts += 1
            context.activity = "in http auth state"
            return try await ask(authServer, about: credentials)
        }
    }

    private func ask(_ authServer: AuthServer, about credentials: Credentials) async throws(SessionFailure) -> AuthDecision {
        for _ in 0...Self.maximumWaits {
            switch try await verdict(of: authServer, on: credentials) {
            case .failure(let text):
                throw .authServer(text: "auth http server \(authServer.address) \(text)", nil)
            case .refused(let refusal, let wait):
                if case .message(let text) = refusal.text {
                    log.write(.info, "client login failed: \"\(String(decoding: text, as: UTF8.self))\"", context: context)
                }
                log.debug(.mail, "mail auth http: refused, \(wait.map { "wait \($0)" } ?? "for good")", context: context)
                return .refused(refusal, wait: wait)
            case .accepted(let host, let port, let user, let password, let security):
                let upstream = try upstream(host, port, of: authServer)
                log.debug(.mail, "mail auth http: accepted, upstream \(upstream.address)", context: context)
                return .accepted(
                    Destination(
                        upstream: upstream, security: security ?? server.proxy.security,
                        credentials: replace(user, password, in: credentials), upstreamDecides: false))
            case .wait(let duration):
                try await pause(for: max(duration, Self.minimumWait)) { false }
                // Nobody is there to be let in.
                if client.hasHungUp { throw .clientGone }
            }
        }
        throw .authServer(text: "auth http server \(authServer.address) sent too many \"WAIT\" answers", nil)
    }

    private func verdict(of authServer: AuthServer, on credentials: Credentials) async throws(SessionFailure) -> AuthResponse.Verdict {
        let request = AuthRequest(
            uri: authServer.uri, host: authServer.host, credentials: credentials,
            protocolName: type(of: server.mailProtocol).name, attempt: loginAttempts,
            clientAddress: Array(identity.address.host.utf8),
            clientHost: server.mailProtocol.tellsClientHost ? identity.hostName.bytes : nil,
            proxyHeader: identity.proxyHeader, tls: facts,
            extraHeaders: server.authHTTP.headers.map { ($0.name.bytes, $0.value.bytes) })
        log.debug(.mail, "mail auth http: asking \(authServer.address), login attempt \(loginAttempts)", context: context)
        let timedOut = "auth http server \(authServer.address) timed out"
        setDeadline(
            server.authHTTP.timeout, else: .authServer(text: timedOut, KernelError("recv()", KernelError.timedOut)))
        let question = worker.authClient(for: AuthPeer(authServer, over: server.authServerTLS)).ask(request.encode(), waiter: waiter)
        do throws(SessionFailure) {
            try await wait { question.answer != nil }
        } catch {
            question.cancel()
            throw error
        }
        stopDeadline()
        switch question.answer {
        case .response(let response): return response.verdict
        case .failed(let text, let error, let isOurs):
            throw isOurs ? .ours(level: .alert, text: text, error) : .authServer(text: text, error)
        case nil: throw .ours(level: .alert, text: "no answer", nil)
        }
    }

    /// An address is the only name that the auth server gives an upstream.
    private func upstream(_ host: [UInt8], _ port: UInt16, of authServer: AuthServer) throws(SessionFailure) -> Upstream {
        let text = String(decoding: host, as: UTF8.self)
        guard let address = SocketAddress(literal: text, port: port) else {
            throw .authServer(text: "auth http server \(authServer.address) sent invalid server address:\"\(text)\"", nil)
        }
        return Upstream(address: address, name: text)
    }

    /// What the auth server says replaces what the client said. A digest is no password.
    private func replace(_ user: [UInt8]?, _ password: Secret?, in credentials: Credentials) -> Credentials {
        var credentials = credentials
        if let user { credentials.login = user }
        credentials.secret = password ?? (credentials.method.secretIsPassword ? credentials.secret : nil)
        context.login = credentials.login
        return credentials
    }
}
