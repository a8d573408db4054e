import COpenSSL
package import Kernel

/// One client's TLS, and what it tells of the client.
@LoopActor package final class TLSServerConnection: TLSConnection {
    let context: TLSServerContext

    package init(_ context: TLSServerContext, over source: EventSource) throws(TLSError) {
        self.context = context
        try super.init(context.handle, over: source)
        SSL_set_accept_state(handle.pointer)
    }

    /// `TLSv1.3`.
    package var protocolVersion: String { SSL_get_version(handle.pointer).map { String(cString: $0) } ?? "" }

    /// `TLS_AES_256_GCM_SHA384`.
    package var cipher: String {
        SSL_CIPHER_get_name(SSL_get_current_cipher(handle.pointer)).map { String(cString: $0) } ?? ""
    }

    /// The host that the client believes to talk to, where it says so.
    package var serverName: String? {
        SSL_get_servername(handle.pointer, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
    }

    /// Whether the client has come back to a session of before, which spares both sides the certificate.
    package var isResumed: Bool { SSL_session_reused(handle.pointer) == 1 }
}
