import COpenSSL

/// Why a PEM file is of no use: the call that failed, with what OpenSSL said.
struct PEMFault: Error {
    let reason: String

    init(_ call: String) { reason = "\(call) failed\(ErrorQueue.drain())" }
}

extension PEMSource {
    /// The source as messages name it. What stands in the configuration itself may be a key.
    var printed: String {
        switch self {
        case .file(let path): path
        case .data: "data:"
        }
    }
}

/// A PEM file, or text of that form, read part by part.
struct PEMReader: ~Copyable {
    let bio: OpaquePointer

    init(_ source: PEMSource) throws(PEMFault) {
        ErrorQueue.clear()
        switch source {
        case .file(let path):
            guard let bio = BIO_new_file(path, "r") else { throw PEMFault("BIO_new_file()") }
            self.bio = bio
        case .data(let bytes):
            guard let bio = BIO_new(BIO_s_secmem()) else { throw PEMFault("BIO_new()") }
            self.bio = bio
            BIO_write(bio, bytes, CInt(clamping: bytes.count))
        }
    }

    deinit { BIO_free(bio) }

    /// The certificate that comes first, with what OpenSSL may have to say of its trust.
    borrowing func leaf() throws(PEMFault) -> OpaquePointer {
        guard let leaf = PEM_read_bio_X509_AUX(bio, nil, nil, nil) else { throw PEMFault("PEM_read_bio_X509_AUX()") }
        return leaf
    }

    /// All the certificates that follow.
    borrowing func rest() throws(PEMFault) -> CertificateList {
        let list = CertificateList()
        while let certificate = PEM_read_bio_X509(bio, nil, nil, nil) { list.append(certificate) }
        guard ErrorQueue.isEndOfPEM else { throw PEMFault("PEM_read_bio_X509()") }
        ErrorQueue.clear()
        return list
    }

    /// All the lists of revoked certificates.
    borrowing func forEachRevocationList(_ body: (OpaquePointer) -> Void) throws(PEMFault) {
        var count = 0
        while let list = PEM_read_bio_X509_CRL(bio, nil, nil, nil) {
            body(list)
            X509_CRL_free(list)
            count += 1
        }
        guard count > 0, ErrorQueue.isEndOfPEM else { throw PEMFault("PEM_read_bio_X509_CRL()") }
        ErrorQueue.clear()
    }

    /// The private key, if need be with a password. Nobody is asked for one at the terminal: a reload has none.
    borrowing func key(password: [UInt8]?) -> OpaquePointer? {
        let offer = PasswordOffer(password: password)
        return withExtendedLifetime(offer) {
            PEM_read_bio_PrivateKey(bio, nil, takePassword, Unmanaged.passUnretained(offer).toOpaque())
        }
    }
}

private final class PasswordOffer {
    let password: [UInt8]?

    init(password: [UInt8]?) { self.password = password }
}

private func takePassword(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: CInt, _: CInt, _ context: UnsafeMutableRawPointer?
) -> CInt {
    guard let context, let buffer,
        let password = Unmanaged<PasswordOffer>.fromOpaque(context).takeUnretainedValue().password,
        password.count <= Int(size)
    else { return -1 }
    UnsafeMutableRawBufferPointer(start: buffer, count: Int(size)).copyBytes(from: password)
    return CInt(password.count)
}

/// Certificates in their order, each held once for this list.
final class CertificateList {
    let pointer: OpaquePointer?

    init() { pointer = openssl_new_chain() }

    deinit { openssl_free_chain(pointer) }

    /// Takes a certificate over.
    func append(_ certificate: OpaquePointer) { _ = openssl_append(pointer, certificate) }

    var count: Int { Int(max(0, openssl_chain_count(pointer))) }

    subscript(index: Int) -> OpaquePointer? { openssl_chain_element(pointer, CInt(index)) }
}
