import COpenSSL

/// What a client's certificate says, in the forms that the auth server is told (`mail-auth-http.md`, section 2).
public struct ClientCertificate: Equatable, Sendable {
    /// Distinguished names as RFC 2253 writes them: `CN=cli ent,O=A B\, Inc,C=DE`.
    public let subject: String, issuer: String
    /// Upper-case hex.
    public let serial: String
    /// The SHA-1 of the whole certificate in lower-case hex.
    public let fingerprint: String
    public let pem: String
    /// The common name of the subject.
    public let commonName: String?

    init(_ certificate: OpaquePointer) {
        subject = text { X509_NAME_print_ex($0, X509_get_subject_name(certificate), 0, openssl_print_rfc2253) }
        issuer = text { X509_NAME_print_ex($0, X509_get_issuer_name(certificate), 0, openssl_print_rfc2253) }
        // A long one is printed in lines, each but the last with a backslash at its end.
        serial = text { i2a_ASN1_INTEGER($0, X509_get0_serialNumber(certificate)) }.filter { $0 != "\\" && $0 != "\n" }
        fingerprint = certificateDigest(certificate, EVP_sha1()).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        pem = text { PEM_write_bio_X509($0, certificate) }
        commonName = Self.commonName(of: X509_get_subject_name(certificate))
    }
}

extension ClientCertificate {
    private static func commonName(of subject: OpaquePointer?) -> String? {
        let index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
        guard index >= 0, let value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)) else { return nil }
        var start: UnsafeMutablePointer<UInt8>?
        let count = ASN1_STRING_to_UTF8(&start, value)
        guard count >= 0 else { return nil }
        defer { openssl_free(start) }
        return String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
    }
}

/// What OpenSSL prints into a buffer.
private func text(_ print: (OpaquePointer) -> CInt) -> String {
    guard let bio = BIO_new(BIO_s_mem()) else { return "" }
    defer { BIO_free(bio) }
    _ = print(bio)
    var start: UnsafeMutablePointer<CChar>?
    let count = openssl_memory(bio, &start)
    return String(decoding: UnsafeRawBufferPointer(start: start, count: max(0, Int(count))), as: UTF8.self)
}
