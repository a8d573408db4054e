import Kernel
import Protocols
import Telemetry

extension Session {
    /// Lets the client in that is at `identity.address`, or turns it away. To be asked again whenever somebody
    /// who is trusted has told another address: what was counted for the one before is given back.
    func admitClient() async throws(SessionFailure) {
        forgetAdmission()
        guard server.access.rules.admit(identity.address) else {
            try await turnAway(.accessForbidden, .error, "access forbidden by rule")
        }
        try await refuseBarred()
        try await count(SharedKey(clientAt: identity.address), by: server.access.limits.byAddress)
        isAdmitted = true
    }

    /// The client is somebody else, or may still turn out to be.
    func forgetAdmission() {
        places.giveBack()
        isAdmitted = false
    }

    /// Counts the login that has been found good, or tells the client that it has enough of them. A client without a
    /// login is not counted.
    func admitLogin() async throws(SessionFailure) {
        try await count(context.login.isEmpty ? nil : SharedKey(context.login), by: server.access.limits.byLogin)
    }

    private func count(
        _ key: @autoclosure () -> SharedKey?, by limits: [ConnectionLimits.Limit]
    ) async throws(SessionFailure) {
        guard !limits.isEmpty, let key = key() else { return }
        for limit in limits {
            switch limit.tally.count(key, atMost: limit.count) {
            case .counted(let place):
                places.add(place, in: limit.tally)
            case .full:
                let manner = server.access.limits.isDryRun ? ", dry run," : ""
                try await refuse(server.access.limits.logLevel, "limiting connections\(manner) by zone \"\(limit.zoneName)\"")
            case .noRoom:
                try await refuse(.crit, "no memory in limit_conn_zone \"\(limit.zoneName)\"")
            }
        }
    }

    private func refuse(_ level: LogLevel, _ text: String) async throws(SessionFailure) {
        guard server.access.limits.isDryRun else { try await turnAway(.tooManyConnections, level, text) }
        log.write(level, text, context: context)
    }

    private func turnAway(_ farewell: Farewell, _ level: LogLevel, _ text: String) async throws(SessionFailure) -> Never {
        // What is not known yet to take bytes would be closed without a word.
        setDeadline(server.timeout, else: .clientTimedOut)
        try await wait { [client] in client.isWritable }
        throw .turnedAway(farewell, level: level, text: text)
    }

    // MARK: Logins that fail

    /// Turns the client away, and asks nobody about it, while its address is barred for logins that have failed.
    func refuseBarred() async throws(SessionFailure) {
        guard let failures = server.access.failures, failures.isBarred(identity.address) else { return }
        try await turnAway(.tooManyFailures, .info, "login refused to \(identity.address.host) after too many failures")
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
