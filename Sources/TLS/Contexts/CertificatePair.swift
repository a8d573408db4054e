import COpenSSL
import Configuration

/// A certificate with what its issuers add to it, and its private key: an `ssl_certificate` with its
/// `ssl_certificate_key`. It does not change.
final class CertificatePair: @unchecked Sendable {
    let certificate: OpaquePointer
    let chain: CertificateList
    let key: OpaquePointer
    /// The files, as messages name them.
    let names: (certificate: String, key: String)

    /// Reads the files. The certificate comes first in its own, then its chain; none is made up from
    /// trusted certificates.
    init(certificate source: PEMSource, key keySource: PEMSource, passwords: PasswordFile) throws(ConfigurationError) {
        names = (source.printed, keySource.printed)
        do throws(PEMFault) {
            (certificate, chain) = try Self.certificates(from: source)
        } catch {
            throw ConfigurationError("cannot load certificate \"\(names.certificate)\": \(error.reason)")
        }
        do throws(PEMFault) { key = try Self.key(from: keySource, passwords) } catch {
            X509_free(certificate)
            throw ConfigurationError("cannot load certificate key \"\(names.key)\": \(error.reason)")
        }
    }

    deinit {
        X509_free(certificate)
        EVP_PKEY_free(key)
    }

    private static func certificates(from source: PEMSource) throws(PEMFault) -> (OpaquePointer, CertificateList) {
        let reader = try PEMReader(source)
        let leaf = try reader.leaf()
        do throws(PEMFault) { return (leaf, try reader.rest()) } catch {
            X509_free(leaf)
            throw error
        }
    }

    private static func key(from source: PEMSource, _ file: PasswordFile) throws(PEMFault) -> OpaquePointer {
        let tries: [[UInt8]?] = file.passwords.isEmpty ? [nil] : file.passwords
        for password in tries {
            if let key = try PEMReader(source).key(password: password) { return key }
        }
        throw PEMFault("PEM_read_bio_PrivateKey()")
    }

    /// RSA, EC and so on: a context serves one pair of each type at a time.
    var keyType: CInt { EVP_PKEY_get_base_id(key) }

    /// Whether the certificate is for a host of this name (RFC 6125, section 6.4).
    func covers(_ name: String) -> Bool {
        X509_check_host(certificate, name, name.utf8.count, 0, nil) == 1
    }

    /// What tells the certificate from all others.
    var digest: [UInt8] { certificateDigest(certificate, EVP_sha256()) }
}

/// The digest of a certificate's whole encoding.
func certificateDigest(_ certificate: OpaquePointer, _ algorithm: OpaquePointer?) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: CUnsignedInt = 0
    guard X509_digest(certificate, algorithm, &digest, &count) == 1 else { return [] }
    return Array(digest.prefix(Int(count)))
}

/// Which pairs a client is shown (`server name indication`, RFC 6066, section 3).
///
/// Those whose certificate covers the name that the client gives; all, where it gives none or nothing covers
/// it: an unknown name is no error. Among them the first of each key type, so that RSA and ECDSA may stand
/// side by side for one name.
struct CertificateChoice: Sendable {
    let pairs: [CertificatePair]

    func pairs(for name: String?) -> [CertificatePair] {
        let covering = name.map { name in pairs.filter { $0.covers(name) } } ?? []
        return Self.firstOfEachType(covering.isEmpty ? pairs : covering)
    }

    private static func firstOfEachType(_ pairs: [CertificatePair]) -> [CertificatePair] {
        var types: Set<CInt> = []
        return pairs.filter { types.insert($0.keyType).inserted }
    }
}
