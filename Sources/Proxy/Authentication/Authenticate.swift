import Configuration
import Kernel
import Protocols
import Telemetry

/// Where a login goes, with what it goes there.
struct Destination {
    let upstream: Host
    let security: UpstreamSecurity
    let credentials: Credentials
    /// Who says so; nil where nobody has checked the credentials, and the upstream does (`proxy_pass`).
    let authServer: SocketAddress?

    var upstreamDecides: Bool { authServer == nil }
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
        var last: SocketAddress?
        for _ in 0...Self.maximumWaits {
            let (verdict, address) = try await verdict(of: authServers, on: credentials)
            last = address
            switch verdict {
            case .failure(let text):
                throw .authServer(text: "auth http server \(address) \(text)", nil)
            case .refused(let refusal, let wait):
                if case .message(let text) = refusal.text {
                    log.write(.info, "client login failed: \"\(String(decoding: text, as: UTF8.self))\"", context: context)
                }
                log.debug(.mail, "mail auth http: refused, \(wait.map { "wait \($0)" } ?? "for good")", context: context)
                return .refused(refusal, wait: wait)
            case .accepted(let name, let place, let port, let user, let password, let security):
                let upstream = try upstream(name, at: place, port, of: address)
                log.debug(.mail, "mail auth http: accepted, upstream \(upstream.description)", context: context)
                return .accepted(
                    Destination(
                        upstream: upstream, security: security ?? server.proxy.security,
                        credentials: replace(user, password, in: credentials), authServer: address))
            case .wait(let duration):
                stopDeadline()
                try await pause(for: max(duration, Self.minimumWait)) { false }
                // Nobody is there to be let in.
                if client.hasHungUp { throw .clientGone }
            }
        }
        throw .authServer(text: "auth http server \(last.map { "\($0)" } ?? "") sent too many \"WAIT\" answers", nil)
    }

    /// An upstream is where the auth server says, or where name servers know the name that it says, if the server
    /// has any to ask.
    private func upstream(
        _ name: String, at address: InternetAddress?, _ port: UInt16, of authServer: SocketAddress
    ) throws(SessionFailure) -> Host {
        if let address { return Host(at: SocketAddress(Endpoint(address, port: port)), name: name) }
        guard server.resolver != nil else {
            throw .authServer(text: "auth http server \(authServer) sent invalid server address:\"\(name)\"", nil)
        }
        return Host(named: name, port: port)
    }

    /// What the auth server says replaces what the client said. A digest is no password.
    private func replace(_ user: [UInt8]?, _ password: Secret?, in credentials: Credentials) -> Credentials {
        var credentials = credentials
        if let user {
            credentials.login = user
            context.login = user
        }
        if password != nil || !credentials.method.secretIsPassword { credentials.secret = password }
        return credentials
    }
}
