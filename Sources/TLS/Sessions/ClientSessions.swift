import COpenSSL
import Kernel

/// The sessions that one context can come back to, as a client: for each server the last one. Each worker
/// has its own, and a new configuration begins without any, so that what it demands of a certificate has
/// been demanded of every session.
@LoopActor final class ClientSessions {
    struct Key: Hashable {
        let address: SocketAddress
        /// What the certificate has been held to.
        let name: String
    }

    /// How many servers are remembered. A session with its certificates is of some kilobytes.
    static let maximumCount = 256
    /// For how long a certificate is not looked at again, which may have expired or been revoked since.
    static let lifetime = Duration.seconds(5 * 60)

    private var sessions: [Key: Session] = [:]

    final class Session {
        let pointer: OpaquePointer
        /// When the server has last shown its certificate.
        let begin: Duration

        fileprivate init(owning pointer: OpaquePointer, since begin: Duration) {
            self.pointer = pointer
            self.begin = begin
        }

        deinit { SSL_SESSION_free(pointer) }
    }

    var count: Int { sessions.count }

    func session(for key: Key) -> Session? {
        guard let session = sessions[key] else { return nil }
        if LoopActor.loop.now - session.begin < Self.lifetime { return session }
        sessions[key] = nil
        return nil
    }

    /// Takes a session over.
    /// - Parameter begin: when the server has last shown its certificate.
    /// - Returns: whether it was worth it.
    func keep(_ session: OpaquePointer, for key: Key, since begin: Duration) -> Bool {
        guard SSL_SESSION_is_resumable(session) == 1 else { return false }
        if sessions[key] == nil && sessions.count >= Self.maximumCount { forgetOldest() }
        sessions[key] = Session(owning: session, since: begin)
        return true
    }

    func forget(_ key: Key) { sessions[key] = nil }

    private func forgetOldest() {
        guard let oldest = sessions.min(by: { $0.value.begin < $1.value.begin }) else { return }
        sessions[oldest.key] = nil
    }
}
