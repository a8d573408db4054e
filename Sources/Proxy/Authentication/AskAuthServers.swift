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
    ) async throws(SessionFailure) -> (AuthResponse.Verdict, AuthClient) {
        let end = LoopActor.loop.now + server.authHTTP.timeout
        var lastFailure: SessionFailure?
        let isKnown = authServers.allSatisfy { fixedAddresses(of: $0.host) != nil }
        let found = isKnown ? nil : try await find(authServers, until: end)
        let candidates = candidates(among: authServers, at: found, &lastFailure)
        for index in candidates.indices {
            // The failure of one that is not the last would not be heard of otherwise.
            if index > 0, let lastFailure { note(lastFailure) }
            let rest = max(.zero, end - LoopActor.loop.now)
            let share = index + 1 < candidates.count ? rest / (candidates.count - index) : nil
            let client = candidates[index].client
            switch try await ask(candidates[index], about: credentials, until: rest, share: share) {
            case .success(let verdict):
                client.noteAnswer()
                return (verdict, client)
            case .failure(let failure):
                client.noteFailure(pause: server.authHTTP.failTimeout)
                lastFailure = failure
            }
        }
        throw lastFailure ?? .ours(level: .alert, text: "no auth server", nil)
    }

    /// Has name servers tell where the auth servers are.
    @inline(never) private func find(_ authServers: [AuthServer], until end: Duration) async throws(SessionFailure) -> [FoundAddresses] {
        setDeadline(max(.zero, end - LoopActor.loop.now), else: .authServerTimedOut(authServers[0].host))
        let patience = authServers.count > 1 ? Self.connectPatience : server.resolverTimeout
        return try await addresses(of: authServers.map(\.host), within: patience)
    }

    /// All places at which one can be asked, in the order of the file, but those last that have failed of late.
    /// - Parameter found: where each is, as name servers say; nil where nobody had to ask them.
    private func candidates(
        among authServers: [AuthServer], at found: [FoundAddresses]?, _ failure: inout SessionFailure?
    ) -> [Candidate] {
        var candidates: [Candidate] = []
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
        let question = begin(asking: candidate, about: credentials, until: rest)
        do throws(SessionFailure) {
            if let share { try await wait(for: question, atMost: share) } else { try await wait { question.answer != nil } }
        } catch {
            giveUp(question, to: candidate, after: error)
            throw error
        }
        return try conclude(question, to: candidate)
    }

    private func begin(asking candidate: Candidate, about credentials: Credentials, until rest: Duration) -> AuthQuestion {
        let client = candidate.client
        setDeadline(rest, else: .authServerTimedOut(client.address))
        log.debug(.mail, "mail auth http: asking \(client.address), login attempt \(loginAttempts)", context: context)
        client.noteTrial(pause: server.authHTTP.failTimeout)
        return client.ask(request(to: candidate.server, about: credentials), waiter: waiter)
    }

    /// Waits for one of several auth servers, and no longer than it takes to connect where it is not there.
    @inline(never) private func wait(for question: AuthQuestion, atMost share: Duration) async throws(SessionFailure) {
        try await pause(for: min(share, Self.connectPatience)) { question.answer != nil }
        if question.isUnderWay { try await pause(for: share - Self.connectPatience) { question.answer != nil } }
    }

    private func giveUp(_ question: AuthQuestion, to candidate: Candidate, after failure: SessionFailure) {
        question.cancel()
        if case .authServerTimedOut = failure { candidate.client.noteFailure(pause: server.authHTTP.failTimeout) }
    }

    private func conclude(
        _ question: AuthQuestion, to candidate: Candidate
    ) throws(SessionFailure) -> Result<AuthResponse.Verdict, SessionFailure> {
        switch question.answer {
        case .verdict(let verdict):
            guard case .failure(let text) = verdict else { return .success(verdict) }
            return .failure(.authServer(text: candidate.client.describe(text), nil))
        case .failed(let text, let error, let isOurs):
            if isOurs { throw .ours(level: .alert, text: text, error) }
            return .failure(.authServer(text: text, error))
        case nil:
            question.cancel()
            return .failure(.authServerTimedOut(candidate.client.address))
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
