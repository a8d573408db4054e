import COpenSSL
public import Kernel

/// One client's TLS, and what it tells of the client.
@LoopActor public final class TLSServerConnection: TLSConnection {
    let context: TLSServerContext

    public init(_ context: TLSServerContext, over source: EventSource) throws(TLSError) {
        self.context = context
        try super.init(context.handle, over: source)
        SSL_set_accept_state(handle.pointer)
        stream.handshakeAllowance = context.clientVerification == .off ? Self.helloAllowance : Self.certificateAllowance
    }

    /// What a client may send before it has proved anything: a hello, and with it what a read takes in besides.
    private static let helloAllowance = 40 * 1024
    /// The same with the certificates that it is asked for, of which OpenSSL takes 100 KiB.
    private static let certificateAllowance = helloAllowance + 100 * 1024

    /// With the client's last word is known all that decides whether it may come back.
    override func heard(_ message: CInt) {
        super.heard(message)
        if message == SSL3_MT_FINISHED && SSL_version(handle.pointer) == TLS1_3_VERSION { prepareTickets() }
    }

    /// `TLSv1.3`.
    public var protocolVersion: String { SSL_get_version(handle.pointer).map { String(cString: $0) } ?? "" }

    /// `TLS_AES_256_GCM_SHA384`.
    public var cipher: String {
        SSL_CIPHER_get_name(SSL_get_current_cipher(handle.pointer)).map { String(cString: $0) } ?? ""
    }

    /// The host that the client believes to talk to, where it says so.
    public var serverName: String? {
        SSL_get_servername(handle.pointer, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
    }

    /// The protocol that both sides have agreed upon, where the client has offered any.
    public var applicationProtocol: String? {
        var start: UnsafePointer<UInt8>?
        var count: CUnsignedInt = 0
        SSL_get0_alpn_selected(handle.pointer, &start, &count)
        return count == 0 ? nil : String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
    }

    // MARK: Our certificate

    /// How the certificate that the client was shown is signed: `RSA-SHA256`.
    public var signatureAlgorithm: String? {
        SSL_get_certificate(handle.pointer).flatMap { OBJ_nid2sn(X509_get_signature_nid($0)) }.map { String(cString: $0) }
    }

    /// What its key is: `RSA2048`, `EC256`.
    public var keyAlgorithm: String? {
        guard let certificate = SSL_get_certificate(handle.pointer), let key = X509_get0_pubkey(certificate) else { return nil }
        let names = [EVP_PKEY_RSA: "RSA", EVP_PKEY_EC: "EC", EVP_PKEY_DSA: "DSA"]
        return names[EVP_PKEY_get_base_id(key)].map { "\($0)\(EVP_PKEY_get_bits(key))" }
    }

    // MARK: The client's certificate

    /// The number of OpenSSL's for what is wrong with the certificate: 0 for nothing, 1 where there is none.
    public var verificationNumber: UInt32 {
        withCertificate { $0 == nil ? 1 : UInt32(truncatingIfNeeded: certificateFault?.number ?? 0) }
    }

    /// What came of asking for it. It is kept in the session, so a resumed one still knows.
    public var verification: Verification {
        withCertificate { certificate in
            guard certificate != nil else { return .none }
            return certificateFault.map { .failed($0.reason) } ?? .success
        }
    }

    /// The same, as the auth server is told it: `SUCCESS`, `NONE` or `FAILED:reason`; nil where clients are
    /// not asked for a certificate (`mail-auth-http.md`, section 2).
    public var verificationText: String? {
        guard context.clientVerification != .off else { return nil }
        return switch verification {
        case .none: "NONE"
        case .success: "SUCCESS"
        case .failed(let reason): "FAILED:\(reason)"
        }
    }

    public var clientCertificate: ClientCertificate? { withCertificate { $0.map(ClientCertificate.init) } }

    /// Whether `ssl_verify_client` turns the client away, which is to be asked when the handshake is done. The
    /// session of one that is turned away is not for coming back to.
    public func verificationFault() -> VerificationFault? {
        let fault = withCertificate { verdict(on: $0) }
        if fault != nil { SSL_CTX_remove_session(context.handle.pointer, SSL_get_session(handle.pointer)) }
        return fault
    }

    private func verdict(on certificate: OpaquePointer?) -> VerificationFault? {
        let policy = context.clientVerification
        if policy == .off { return nil }
        if let fault = certificateFault, !(policy == .optionalWithoutAuthority && fault.isUnknownIssuer) {
            return .certificateError("\(fault)")
        }
        return policy == .on && certificate == nil ? .missing : nil
    }

    private var certificateFault: CertificateFault? { CertificateFault(SSL_get_verify_result(handle.pointer)) }

    private func withCertificate<Result>(_ body: (OpaquePointer?) -> Result) -> Result {
        let certificate = SSL_get1_peer_certificate(handle.pointer)
        defer { X509_free(certificate) }
        return body(certificate)
    }
}
