import COpenSSL
import Configuration
import Kernel

extension ContextHandle {
    /// Which sessions are kept, and where (`mail-tls.md`, section 7).
    borrowing func keepSessions(_ cache: BuiltinSessionCache, hasZone: Bool) {
        switch cache {
        case .off:
            openssl_set_session_cache(pointer, CLong(SSL_SESS_CACHE_OFF))
            return
        case .pretended where !hasZone:
            // Some clients give up where they are told that there is nothing to come back to.
            openssl_set_session_cache(
                pointer, CLong(SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_AUTO_CLEAR | SSL_SESS_CACHE_NO_INTERNAL_STORE))
            openssl_set_session_cache_size(pointer, 1)
            return
        case .sessions(let count):
            openssl_set_session_cache(pointer, CLong(SSL_SESS_CACHE_SERVER))
            if let count { openssl_set_session_cache_size(pointer, count) }
        case .pretended, .replacedByZone:
            openssl_set_session_cache(pointer, CLong(SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL))
        }
        guard hasZone else { return }
        SSL_CTX_sess_set_new_cb(pointer, keepSession)
        SSL_CTX_sess_set_get_cb(pointer, findSession)
        SSL_CTX_sess_set_remove_cb(pointer, forgetSession)
    }

    /// Binds sessions to what they were made under: nobody comes back with one to another server block, or to
    /// this one after its certificates or its demands on clients have changed (CVE-2014-3616).
    borrowing func bindSessions(to settings: TLSSettings, _ pairs: [CertificatePair], identity: [String]) throws(ConfigurationError) {
        var parts = ["MAIL", "\(settings.clientVerification)", "\(settings.verificationDepth)"].map { Array($0.utf8) }
        parts += identity.map { Array($0.utf8) } + pairs.map(\.digest)
        if settings.clientVerification != .off { parts += try Self.trustDigests(settings) }
        var index: CInt = 0
        while let name = openssl_client_authority(pointer, index) {
            parts.append(nameDigest(name))
            index += 1
        }
        // Each with its length: no two lists of parts may look the same when they are joined.
        let identifier = sha256(parts.flatMap { Array("\($0.count):".utf8) + $0 })
        guard SSL_CTX_set_session_id_context(pointer, identifier, CUnsignedInt(identifier.count)) == 1 else {
            throw Self.error("SSL_CTX_set_session_id_context()")
        }
    }

    /// What decides whose certificate is good: who has been revoked since does not come back by a session.
    private static func trustDigests(_ settings: TLSSettings) throws(ConfigurationError) -> [[UInt8]] {
        var digests: [[UInt8]] = []
        for path in [settings.clientCertificateFile, settings.trustedCertificateFile, settings.revocationFile] {
            guard let path else { continue }
            do throws(KernelError) { digests.append(sha256(try Files.read(path))) } catch {
                throw ConfigurationError(error, of: path)
            }
        }
        return digests
    }

    private borrowing func nameDigest(_ name: OpaquePointer) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: CUnsignedInt = 0
        X509_NAME_digest(name, EVP_sha256(), &digest, &count)
        return Array(digest.prefix(Int(count)))
    }
}

extension TLSServerContext {
    /// Whether a session of TLS 1.3 can be come back to. If not, its client gets no ticket.
    var offersResumption: Bool {
        if hasTickets || zone != nil { return true }
        if case .sessions = builtinSessionCache { return true }
        return false
    }
}

extension TLSServerConnection {
    /// Has the tickets of TLS 1.3 go with whatever is sent next, which spares a write of their own: they come when the
    /// handshake is as good as over, so nobody waits for them. Whoever shall not come back gets none.
    func prepareTickets() {
        if verificationFault() == nil && keepLifetime() { stream.holdBack() } else { SSL_set_num_tickets(handle.pointer, 0) }
    }

    /// Lets a session that was resumed end when the first one would have: OpenSSL would start it anew each
    /// time, and a client whose certificate was revoked could come back for ever.
    /// - Returns: whether there is time left.
    private func keepLifetime() -> Bool {
        guard isResumed, let session = SSL_get_session(handle.pointer) else { return true }
        let now = WallClock.secondsSinceEpoch
        let rest = SSL_SESSION_get_timeout(session) - (now - SSL_SESSION_get_time(session))
        guard rest > 0 else { return false }
        SSL_SESSION_set_time(session, now)
        SSL_SESSION_set_timeout(session, rest)
        return true
    }
}

// MARK: What OpenSSL calls

private func keepSession(_ connection: OpaquePointer?, _ session: OpaquePointer?) -> CInt {
    guard let context = TLSServerContext.of(connection), let zone = context.zone, let session else { return 0 }
    // A ticket of TLS 1.3 holds the session itself.
    if SSL_version(connection) == TLS1_3_VERSION && context.hasTickets { return 0 }
    var bytes = [UInt8](repeating: 0, count: max(0, Int(i2d_SSL_SESSION(session, nil))))
    bytes.withUnsafeMutableBufferPointer { buffer in
        var start = buffer.baseAddress
        i2d_SSL_SESSION(session, &start)
    }
    let expiry = SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session)
    zone.store(
        bytes, id: sessionID(session), expiry: UInt32(clamping: expiry), now: UInt32(clamping: WallClock.secondsSinceEpoch))
    wipe(&bytes)
    return 0
}

private func findSession(
    _ connection: OpaquePointer?, _ id: UnsafePointer<UInt8>?, _ count: CInt, _ isShared: UnsafeMutablePointer<CInt>?
) -> OpaquePointer? {
    isShared?.pointee = 0
    let id = Array(UnsafeBufferPointer(start: id, count: max(0, Int(count))))
    guard var bytes = TLSServerContext.of(connection)?.zone?.session(id) else { return nil }
    defer { wipe(&bytes) }
    return bytes.withUnsafeBufferPointer { buffer in
        var start = buffer.baseAddress
        return d2i_SSL_SESSION(nil, &start, buffer.count)
    }
}

private func forgetSession(_ context: OpaquePointer?, _ session: OpaquePointer?) {
    guard let owner = openssl_context_owner(context), let session else { return }
    Unmanaged<TLSServerContext>.fromOpaque(owner).takeUnretainedValue().zone?.remove(sessionID(session))
}

private func sessionID(_ session: OpaquePointer) -> [UInt8] {
    var count: CUnsignedInt = 0
    let start = SSL_SESSION_get_id(session, &count)
    return Array(UnsafeBufferPointer(start: start, count: Int(count)))
}
