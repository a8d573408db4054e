import Protocols
import Telemetry

extension Session {
    /// Lets the client in that is at `identity.address`, or turns it away. To be asked again whenever somebody
    /// who is trusted has told another address.
    func admitClient() async throws(SessionFailure) {
        guard server.access.rules.admit(identity.address) else {
            try await turnAway(.accessForbidden, .error, "access forbidden by rule")
        }
    }

    private func turnAway(_ farewell: Farewell, _ level: LogLevel, _ text: String) async throws(SessionFailure) -> Never {
        // What is not known yet to take bytes would be closed without a word.
        setDeadline(server.timeout, else: .clientTimedOut)
        try await wait { [client] in client.isWritable }
        throw .turnedAway(farewell, level: level, text: text)
    }
}
