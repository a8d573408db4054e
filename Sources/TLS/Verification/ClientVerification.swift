import COpenSSL
import Configuration

/// What came of asking a client for its certificate, as the auth server is told: `SUCCESS`, `NONE` or
/// `FAILED:reason`.
public enum Verification: Equatable, Sendable {
    case none, success
    /// OpenSSL's words for it.
    case failed(String)
}

/// Why `ssl_verify_client` turns a client away (`mail-tls.md`, section 6).
public enum VerificationFault: Error, Equatable, Sendable {
    /// The number of OpenSSL's for it, and its words: `(18:self-signed certificate)`.
    case certificateError(String)
    case missing
}

/// What OpenSSL finds wrong with a certificate, by its number.
struct CertificateFault: Equatable, CustomStringConvertible {
    let number: CLong

    /// The only faults that `optional_no_ca` forgives: nobody we know has issued the certificate.
    private static let unknownIssuer: Set<CLong> = [
        CLong(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT), CLong(X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN),
        CLong(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY), CLong(X509_V_ERR_CERT_UNTRUSTED),
        CLong(X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE),
    ]

    init?(_ number: CLong) {
        if number == CLong(X509_V_OK) { return nil }
        self.number = number
    }

    var isUnknownIssuer: Bool { Self.unknownIssuer.contains(number) }
    /// The certificate may be good, but is not for this server.
    var isAboutName: Bool { [CLong(X509_V_ERR_HOSTNAME_MISMATCH), CLong(X509_V_ERR_IP_ADDRESS_MISMATCH)].contains(number) }
    var reason: String { X509_verify_cert_error_string(number).map { String(cString: $0) } ?? "" }
    /// `(18:self-signed certificate)`.
    var description: String { "(\(number):\(reason))" }
}

extension ContextHandle {
    /// Trusts the certificates of two files, but for those that a third revokes.
    borrowing func trust(
        _ path: String?, alsoTrusting otherPath: String?, revoked revocationFile: String?
    ) throws(ConfigurationError) {
        for path in [path, otherPath] {
            guard let path else { continue }
            let list = try Self.authorities(path)
            for index in 0..<list.count { X509_STORE_add_cert(SSL_CTX_get_cert_store(pointer), list[index]) }
        }
        if let revocationFile { try checkRevocation(revocationFile) }
        ErrorQueue.clear()
    }

    /// Tells clients the names of the authorities whose certificates are welcome.
    borrowing func nameAuthorities(_ path: String) throws(ConfigurationError) {
        let list = try Self.authorities(path)
        for index in 0..<list.count {
            guard SSL_CTX_add_client_CA(pointer, list[index]) == 1 else { throw Self.error("SSL_CTX_add_client_CA(\"\(path)\")") }
        }
    }

    private static func authorities(_ path: String) throws(ConfigurationError) -> CertificateList {
        do throws(PEMFault) {
            let list = try PEMReader(.file(path)).rest()
            if list.count == 0 { throw PEMFault("PEM_read_bio_X509()") }
            return list
        } catch {
            throw ConfigurationError("failed to load \"\(path)\": \(error.reason)")
        }
    }

    /// Checks the whole chain, so an authority that says nothing of what it has revoked is not trusted.
    private borrowing func checkRevocation(_ path: String) throws(ConfigurationError) {
        let store = SSL_CTX_get_cert_store(pointer)
        do throws(PEMFault) {
            try PEMReader(.file(path)).forEachRevocationList { X509_STORE_add_crl(store, $0) }
        } catch {
            throw ConfigurationError("failed to load \"\(path)\": \(error.reason)")
        }
        X509_STORE_set_flags(store, CUnsignedLong(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL))
    }

    /// Asks clients for certificates.
    borrowing func verifyClients(_ settings: TLSSettings) throws(ConfigurationError) {
        if settings.clientVerification != .off {
            let needsAuthority = settings.clientVerification != .optionalWithoutAuthority
            if needsAuthority && settings.clientCertificateFile == nil && settings.trustedCertificateFile == nil {
                throw ConfigurationError("no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client")
            }
            SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, goOn)
            SSL_CTX_set_verify_depth(pointer, CInt(clamping: settings.verificationDepth))
            if let path = settings.clientCertificateFile { try nameAuthorities(path) }
        }
        try trust(settings.clientCertificateFile, alsoTrusting: settings.trustedCertificateFile, revoked: settings.revocationFile)
    }
}

/// Lets the handshake go on whatever is wrong: the client shall hear of it in its protocol's words. What is
/// reported in the end is the last fault, so the first that is more than an unknown issuer is put in place
/// of all later ones, and no such fault hides behind a forgivable one.
private func goOn(_ isGood: CInt, _ store: OpaquePointer?) -> CInt {
    guard isGood == 0, let connection = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
        let fault = CertificateFault(CLong(X509_STORE_CTX_get_error(store)))
    else { return 1 }
    let earlier = CertificateFault(SSL_get_verify_result(OpaquePointer(connection)))
    if let earlier, !earlier.isUnknownIssuer {
        X509_STORE_CTX_set_error(store, CInt(earlier.number))
    } else {
        SSL_set_verify_result(OpaquePointer(connection), fault.number)
    }
    return 1
}
