import Kernel
import Protocols
import Telemetry

/// Nothing of this waits; what is returned is why the client is to be turned away, or nil.
extension Session {
    /// Lets the client in that is at `identity.address`, if it may. To be asked again whenever somebody
    /// who is trusted has told another address: what was counted for the one before is given back.
    func admitClient() -> SessionFailure? {
        forgetAdmission()
        guard server.access.rules.admit(identity.address) else {
            return .turnedAway(.accessForbidden, level: .error, text: "access forbidden by rule")
        }
        let limits = server.access.limits.byAddress
        let failure = bar() ?? (limits.isEmpty ? nil : count(SharedKey(clientAt: identity.address), by: limits))
        isAdmitted = failure == nil
        return failure
    }

    /// The client is somebody else, or may still turn out to be.
    func forgetAdmission() {
        places.giveBack()
        isAdmitted = false
    }

    /// Counts the login that has been found good, or tells the client that it has enough of them. A client without a
    /// login is not counted.
    func admitLogin() -> SessionFailure? {
        let limits = server.access.limits.byLogin
        return limits.isEmpty || context.login.isEmpty ? nil : count(SharedKey(context.login), by: limits)
    }

    private func count(_ key: SharedKey?, by limits: [ConnectionLimits.Limit]) -> SessionFailure? {
        guard let key else { return nil }
        for limit in limits {
            let failure: SessionFailure?
            switch limit.tally.count(key, atMost: limit.count) {
            case .counted(let place):
                places.add(place, in: limit.tally)
                continue
            case .full:
                let manner = server.access.limits.isDryRun ? ", dry run," : ""
                failure = refusal(server.access.limits.logLevel, "limiting connections\(manner) by zone \"\(limit.zoneName)\"")
            case .noRoom:
                failure = refusal(.crit, "no memory in limit_conn_zone \"\(limit.zoneName)\"")
            }
            if let failure { return failure }
        }
        return nil
    }

    private func refusal(_ level: LogLevel, _ text: String) -> SessionFailure? {
        guard server.access.limits.isDryRun else { return .turnedAway(.tooManyConnections, level: level, text: text) }
        log.write(level, text, context: context)
        return nil
    }

    /// Turns the client away, so that nobody is asked about it, while its address is barred for logins that have failed.
    func bar() -> SessionFailure? {
        guard let failures = server.access.failures, failures.isBarred(identity.address) else { return nil }
        let text = "login refused to \(identity.address.host) after too many failures"
        return .turnedAway(.tooManyFailures, level: .info, text: text)
    }
}

extension Session {
    /// Ends the session once the client can be told why. What is not known yet to take bytes would be closed without a
    /// word.
    func turnAway(_ failure: SessionFailure) async throws(SessionFailure) -> Never {
        setDeadline(server.timeout, else: .clientTimedOut)
        try await wait { [client] in client.isWritable }
        throw failure
    }

    /// Counts a login that has been refused, and holds the answer back. The log has a line for it that programs
    /// read (`etc/fail2ban`): the address stands before anything that a client has written.
    func slowDown(after refusal: Refusal, to method: AuthMethod) async throws(SessionFailure) {
        guard method != .none, refusal.isAboutLogin,
            let outcome = server.access.failures?.noteFailure(from: identity.address)
        else { return }
        let text = "login failure \(outcome.number) of \(outcome.limit) from \(identity.address.host)"
        if let pause = outcome.pause {
            log.write(.warn, "\(text), refused for \(pause.components.seconds)s", context: context)
        } else {
            log.write(.notice, text, context: context)
        }
        stopDeadline()
        try await pause(for: outcome.delay) { false }
    }
}
