import Configuration
import Kernel
import Protocols
import Telemetry

/// Where a login goes, with what it goes there.
final class Destination {
    let upstream: Host
    let security: UpstreamSecurity
    let credentials: Credentials
    /// Who says so; nil where nobody has checked the credentials, and the upstream does (`proxy_pass`).
    let authServer: SocketAddress?

    init(upstream: Host, security: UpstreamSecurity, credentials: Credentials, authServer: SocketAddress?) {
        self.upstream = upstream
        self.security = security
        self.credentials = credentials
        self.authServer = authServer
    }

    var upstreamDecides: Bool { authServer == nil }
}

enum AuthDecision {
    /// With a pause before the client hears it and may try again, or at once and for good.
    indirect case refused(Refusal, wait: Duration?)
    case accepted(Destination)
}

extension Session {
    /// How often `Auth-Status: WAIT` is obeyed for one login, and how soon at the earliest.
    private static let maximumWaits = 10
    private static let minimumWait = Duration.seconds(1)

    /// Asks whether the credentials are good, and where they lead.
    @inline(__always) func authenticate(_ credentials: Credentials) async throws(SessionFailure) -> AuthDecision {
        context.login = credentials.login
        if clientNameLookup != nil { try await learnClientName() }
        switch server.route {
        case .upstream(let upstream):
            return .accepted(
                Destination(upstream: upstream, security: server.proxy.security, credentials: credentials, authServer: nil))
        case .authServers(let authServers):
            loginAttempts += 1
            context.activity = "in http auth state"
            return try await ask(authServers, about: credentials)
        }
    }

    @inline(__always) private func ask(_ authServers: [AuthServer], about credentials: Credentials) async throws(SessionFailure) -> AuthDecision {
        var waitCount = 0
        while true {
            let (verdict, authServer) = try await verdict(of: authServers, on: credentials)
            if let decision = try decision(on: credentials, by: verdict, of: authServer) { return decision }
            if case .wait(let duration) = verdict {
                stopDeadline()
                try await pause(for: max(duration, Self.minimumWait)) { false }
                // Nobody is there to be let in.
                if client.hasHungUp { throw .clientGone }
            }
            if waitCount == Self.maximumWaits { throw .authServer(text: authServer.describe("sent too many \"WAIT\" answers"), nil) }
            waitCount += 1
        }
    }

    /// What a verdict comes to; nil where it is to be asked for again.
    private func decision(
        on credentials: Credentials, by verdict: AuthResponse.Verdict, of authServer: AuthClient
    ) throws(SessionFailure) -> AuthDecision? {
        switch verdict {
        case .failure(let text):
            throw .authServer(text: authServer.describe(text), nil)
        case .refused(let refusal, let wait):
            if case .message(let text) = refusal.text {
                log.write(.info, "client login failed: \"\(String(decoding: text, as: UTF8.self))\"", context: context)
            }
            log.debug(.mail, "mail auth http: refused, \(wait.map { "wait \($0)" } ?? "for good")", context: context)
            return .refused(refusal, wait: wait)
        case .accepted(let name, let place, let port, let user, let password, let security):
            let upstream = try upstream(name, at: place, port, of: authServer)
            log.debug(.mail, "mail auth http: accepted, upstream \(upstream.description)", context: context)
            return .accepted(
                Destination(
                    upstream: upstream, security: security ?? server.proxy.security,
                    credentials: replace(user, password, in: credentials), authServer: authServer.address))
        case .wait: return nil
        }
    }

    /// An upstream is where the auth server says, or where name servers know the name that it says, if the server
    /// has any to ask.
    private func upstream(
        _ name: String, at address: InternetAddress?, _ port: UInt16, of authServer: AuthClient
    ) throws(SessionFailure) -> Host {
        if let address { return Host(at: SocketAddress(Endpoint(address, port: port)), name: name) }
        guard server.resolver != nil else {
            throw .authServer(text: authServer.describe("sent invalid server address:\"\(name)\""), nil)
        }
        return Host(named: name, port: port)
    }

    /// What the auth server says replaces what the client said. A digest is no password.
    private func replace(_ user: [UInt8]?, _ password: Secret?, in credentials: Credentials) -> Credentials {
        if let user { context.login = user }
        if user == nil && password == nil && credentials.method.secretIsPassword { return credentials }
        let secret = credentials.method.secretIsPassword ? password ?? credentials.secret : password
        return Credentials(
            method: credentials.method, login: user ?? credentials.login, secret: secret, salt: credentials.salt,
            envelope: credentials.envelope)
    }
}
