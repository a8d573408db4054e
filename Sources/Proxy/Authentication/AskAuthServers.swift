import Kernel
import Protocols
import Telemetry

/// A place where an auth server can be asked.
private struct Candidate {
    let server: AuthServer
    let client: AuthClient
}

extension Session {
    /// How long it may take to find an auth server, and then to connect to it, where another can be asked.
    private static let connectPatience = Duration.seconds(3)

    /// How many places are asked for one login. Whoever answers for a name may have given it many.
    private static let maximumCandidates = 8

    /// Puts the question to one auth server after the other, until one has a usable answer. Only one that takes
    /// the question and does not answer it has seen the password in vain.
    ///
    /// All of it has the time of `auth_http_timeout`, of which each gets an equal share of what is left. That deadline
    /// stands until whatever the answer leads to sets its own.
    @inline(__always) func verdict(
        of authServers: [AuthServer], on credentials: Credentials
    ) async throws(SessionFailure) -> (AuthResponse.Verdict, SocketAddress) {
        let end = LoopActor.loop.now + server.authHTTP.timeout
        var lastFailure: SessionFailure?
        let candidates = try await candidates(among: authServers, until: end, &lastFailure)
        for index in candidates.indices {
            // The failure of one that is not the last would not be heard of otherwise.
            if index > 0, let record = lastFailure?.record {
                log.write(record.level, record.message, reason: record.reason, context: context)
            }
            let rest = max(.zero, end - LoopActor.loop.now)
            let share = index + 1 < candidates.count ? rest / (candidates.count - index) : nil
            let client = candidates[index].client
            switch try await ask(candidates[index], about: credentials, until: rest, share: share) {
            case .success(let verdict):
                client.noteAnswer()
                return (verdict, client.address)
            case .failure(let failure):
                client.noteFailure(pause: server.authHTTP.failTimeout)
                lastFailure = failure
            }
        }
        throw lastFailure ?? .ours(level: .alert, text: "no auth server", nil)
    }

    /// All places at which one can be asked, in the order of the file, but those last that have failed of late.
    @inline(__always) private func candidates(
        among authServers: [AuthServer], until end: Duration, _ failure: inout SessionFailure?
    ) async throws(SessionFailure) -> [Candidate] {
        var candidates: [Candidate] = []
        var found: [FoundAddresses]?
        if authServers.contains(where: { fixedAddresses(of: $0.host) == nil }) {
            setDeadline(max(.zero, end - LoopActor.loop.now), else: .authServerTimedOut(authServers[0].host))
            let patience = authServers.count > 1 ? Self.connectPatience : server.resolverTimeout
            found = try await addresses(of: authServers.map(\.host), within: patience)
        }
        for (index, authServer) in authServers.enumerated() {
            switch found?[index] ?? .success(authServer.host.addresses) {
            case .success(let addresses):
                for address in addresses {
                    let peer = AuthPeer(authServer, at: address, over: server.authServerTLS)
                    candidates.append(Candidate(server: authServer, client: worker.authClient(for: peer)))
                }
            case .failure(let fault):
                log.write(.error, "\"\(authServer.host.name)\" could not be resolved (\(fault.text))", context: context)
                failure = .authServer(text: "auth http server \(authServer.host.name) was not found (\(fault.text))", nil)
            }
        }
        if candidates.contains(where: \.client.isDown) {
            candidates = candidates.filter { !$0.client.isDown } + candidates.filter(\.client.isDown)
        }
        return candidates.count > Self.maximumCandidates ? Array(candidates.prefix(Self.maximumCandidates)) : candidates
    }

    /// - Parameter share: how long this one may take where others are left to ask; nil where it is the last.
    @inline(__always) private func ask(
        _ candidate: Candidate, about credentials: Credentials, until rest: Duration, share: Duration?
    ) async throws(SessionFailure) -> Result<AuthResponse.Verdict, SessionFailure> {
        let address = candidate.client.address
        setDeadline(rest, else: .authServerTimedOut(address))
        log.debug(.mail, "mail auth http: asking \(address), login attempt \(loginAttempts)", context: context)
        candidate.client.noteTrial(pause: server.authHTTP.failTimeout)
        let question = candidate.client.ask(request(to: candidate.server, about: credentials), waiter: waiter)
        do throws(SessionFailure) {
            if let share {
                try await pause(for: min(share, Self.connectPatience)) { question.answer != nil }
                if question.isUnderWay { try await pause(for: share - Self.connectPatience) { question.answer != nil } }
            } else {
                try await wait { question.answer != nil }
            }
        } catch {
            question.cancel()
            if case .authServerTimedOut = error { candidate.client.noteFailure(pause: server.authHTTP.failTimeout) }
            throw error
        }
        switch question.answer {
        case .response(let response):
            guard case .failure(let text) = response.verdict else { return .success(response.verdict) }
            return .failure(.authServer(text: "auth http server \(address) \(text)", nil))
        case .failed(let text, let error, let isOurs):
            if isOurs { throw .ours(level: .alert, text: text, error) }
            return .failure(.authServer(text: text, error))
        case nil:
            question.cancel()
            return .failure(.authServerTimedOut(address))
        }
    }

    private func request(to authServer: AuthServer, about credentials: Credentials) -> Secret {
        let request = AuthRequest(
            authServer.opening, credentials: credentials, protocolName: server.protocolName, attempt: loginAttempts,
            clientAddress: identity.host,
            clientHost: server.tellsClientHost ? identity.hostName.bytes : nil,
            proxyHeader: identity.proxyHeader, tls: facts,
            extraHeaders: server.authHTTP.headers.map { ($0.name, expand($0.value)) })
        return request.encode()
    }
}
