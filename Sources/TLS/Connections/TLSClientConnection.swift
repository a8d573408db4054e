import COpenSSL
public import Kernel

/// TLS with a server that we have connected to.
@LoopActor public final class TLSClientConnection: TLSConnection {
    private let context: TLSClientContext
    /// The name that the server must have.
    private let name: String
    private let sessionKey: ClientSessions.Key
    private let earlierSession: ClientSessions.Session?

    /// - Parameters:
    ///   - address: where the server is; its sessions are kept by it and by its name.
    ///   - host: the server's name, or its address, where no directive says another.
    public init(
        _ context: TLSClientContext, over source: EventSource, to address: SocketAddress, host: String
    ) throws(TLSError) {
        self.context = context
        name = context.name ?? host
        sessionKey = ClientSessions.Key(address: address, name: name)
        earlierSession = context.sessions?.session(for: sessionKey)
        try super.init(context.handle, over: source)
        openssl_set_connection_owner(handle.pointer, Unmanaged.passUnretained(self).toOpaque())
        SSL_set_connect_state(handle.pointer)
        try setName()
        if let earlierSession { comeBack(to: earlierSession) }
    }

    /// OpenSSL would have each session of TLS 1.3 used once: it spoils what it was given as soon as the handshake
    /// is done, before the server's next ticket comes. So it gets a copy, or connections made side by side could
    /// not all come back.
    private func comeBack(to session: ClientSessions.Session) {
        let copy = SSL_SESSION_dup(session.pointer)
        SSL_set_session(handle.pointer, copy)
        SSL_SESSION_free(copy)
    }

    /// Names are told to servers, addresses are not (RFC 6066, section 3).
    private func setName() throws(TLSError) {
        let parameters = SSL_get0_param(handle.pointer)
        ErrorQueue.clear()
        if X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 { return }
        ErrorQueue.clear()
        guard X509_VERIFY_PARAM_set1_host(parameters, name, name.utf8.count) == 1 else {
            throw TLSError(fromQueueAfter: "X509_VERIFY_PARAM_set1_host(\"\(name)\")")
        }
        if context.sendsName, openssl_set_server_name(handle.pointer, name) != 1 {
            throw TLSError(fromQueueAfter: "SSL_set_tlsext_host_name(\"\(name)\")")
        }
    }

    /// The session that came to nothing, if there was one, is not tried again. What is wrong with the
    /// certificate says more than OpenSSL's word for the end that it made.
    override func handshakeFailed(_ error: TLSError) -> TLSError {
        context.sessions?.forget(sessionKey)
        guard context.verifies, let fault = CertificateFault(SSL_get_verify_result(handle.pointer)) else { return error }
        return TLSError(
            fault.isAboutName ? "SSL certificate does not match \"\(name)\"" : "SSL certificate verify error: \(fault)",
            isClientFault: true, isAboutCertificate: true)
    }

    /// A session that grew from an earlier one is no younger for it.
    fileprivate func keep(_ session: OpaquePointer) -> Bool {
        let begin = isResumed ? earlierSession?.begin : nil
        return context.sessions?.keep(session, for: sessionKey, since: begin ?? LoopActor.loop.now) ?? false
    }
}

extension ContextHandle {
    /// Has sessions go to where their connection keeps them.
    borrowing func keepClientSessions() {
        openssl_set_session_cache(pointer, CLong(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL))
        SSL_CTX_sess_set_new_cb(pointer, keepSession)
    }
}

/// OpenSSL hands over a session that may be come back to. With TLS 1.3 that is after the handshake, once
/// something is read. 1 means that the session is ours now.
private func keepSession(_ connection: OpaquePointer?, _ session: OpaquePointer?) -> CInt {
    guard let owner = openssl_connection_owner(connection), let session else { return 0 }
    nonisolated(unsafe) let place = (owner: owner, session: session)
    return LoopActor.assumeIsolated {
        Unmanaged<TLSClientConnection>.fromOpaque(place.owner).takeUnretainedValue().keep(place.session) ? 1 : 0
    }
}
