import COpenSSL
import Configuration
import Kernel

/// What session tickets are encrypted with (RFC 5077, section 4).
struct TicketKey: Equatable {
    /// Goes with each ticket in the clear, so that its key is found again.
    let name: [UInt8]
    let authentication: [UInt8]
    let encryption: [UInt8]

    static let nameByteCount = 16

    init(name: [UInt8], authentication: [UInt8], encryption: [UInt8]) {
        self.name = name
        self.authentication = authentication
        self.encryption = encryption
    }

    /// Takes the bytes of an `ssl_session_ticket_key` file in nginx's order: 48 for AES-128, 80 for AES-256.
    init?(file bytes: [UInt8]) {
        let rest = bytes.dropFirst(Self.nameByteCount)
        name = Array(bytes.prefix(Self.nameByteCount))
        switch bytes.count {
        case 48: (encryption, authentication) = (Array(rest.prefix(16)), Array(rest.suffix(16)))
        case 80: (authentication, encryption) = (Array(rest.prefix(32)), Array(rest.suffix(32)))
        default: return nil
        }
    }

    init(path: String) throws(ConfigurationError) {
        var bytes: [UInt8] = []
        do throws(KernelError) { bytes = try Files.read(path) } catch { throw ConfigurationError(error, of: path) }
        defer { wipe(&bytes) }
        guard let key = TicketKey(file: bytes) else { throw ConfigurationError("\"\(path)\" must be 48 or 80 bytes") }
        self = key
    }

    var cipher: OpaquePointer? { encryption.count == 16 ? Self.aes128 : Self.aes256 }

    // OpenSSL would look for what is not fetched beforehand anew with each ticket.
    nonisolated(unsafe) private static let aes128 = EVP_CIPHER_fetch(nil, "AES-128-CBC", nil)
    nonisolated(unsafe) private static let aes256 = EVP_CIPHER_fetch(nil, "AES-256-CBC", nil)
}

/// Where a server block's ticket keys come from. The first encrypts, all decrypt.
enum TicketKeys {
    case files([TicketKey])
    case made(TicketKeyChain)

    func keys(at now: Duration) -> [TicketKey] {
        switch self {
        case .files(let keys): keys
        case .made(let chain): chain.keys(at: now)
        }
    }
}

/// Ticket keys that nobody has written down. From one random secret follow, period for period, a key and
/// the secret of the next period; nothing leads back. So master and workers, each for itself and by the one
/// clock of the machine, come to the same keys, and none can tell those of two periods ago.
///
/// A period is as long as a session may live: the present key and the one before it open every ticket that
/// is still good.
final class TicketKeyChain {
    private let period: Duration
    private var secret: [UInt8]
    private var current: TicketKey
    private var previous: TicketKey?
    private var end: Duration

    init(period: Duration, from now: Duration, secret: [UInt8]) {
        self.period = period
        self.secret = secret
        current = Self.key(of: secret)
        end = now + period
    }

    deinit { wipe(&secret) }

    func keys(at now: Duration) -> [TicketKey] {
        while now >= end { advance() }
        return [current] + (previous.map { [$0] } ?? [])
    }

    private func advance() {
        let next = Self.derive(secret, 0)
        wipe(&secret)
        secret = next
        previous = current
        current = Self.key(of: secret)
        end += period
    }

    private static func key(of secret: [UInt8]) -> TicketKey {
        let (keys, name) = (derive(secret, 1), derive(secret, 2))
        return TicketKey(
            name: Array(name.prefix(TicketKey.nameByteCount)), authentication: Array(keys.prefix(32)), encryption: Array(keys.suffix(32)))
    }

    /// One of the values that follow from a secret, and from which it does not.
    private static func derive(_ secret: [UInt8], _ label: UInt8) -> [UInt8] {
        var value = [UInt8](repeating: 0, count: Int(SHA512_DIGEST_LENGTH))
        HMAC(EVP_sha512(), secret, CInt(secret.count), [label], 1, &value, nil)
        return value
    }
}

/// Encrypts or decrypts a ticket: OpenSSL asks for the key.
func useTicketKey(
    _ connection: OpaquePointer?, _ name: UnsafeMutablePointer<UInt8>?, _ vector: UnsafeMutablePointer<UInt8>?,
    _ cipher: OpaquePointer?, _ authentication: OpaquePointer?, _ encrypts: CInt
) -> CInt {
    enum Answer { static let failed: CInt = -1, unknownKey: CInt = 0, ok: CInt = 1, okAndRenew: CInt = 2 }
    guard let keys = TLSServerContext.of(connection)?.ticketKeys, let name, let vector else { return Answer.failed }
    if encrypts == 1 {
        guard let key = keys.first, RAND_bytes(vector, EVP_CIPHER_get_iv_length(key.cipher)) == 1 else { return Answer.failed }
        name.update(from: key.name, count: TicketKey.nameByteCount)
        return EVP_EncryptInit_ex(cipher, key.cipher, nil, key.encryption, vector) == 1
            && openssl_set_ticket_mac(authentication, key.authentication, key.authentication.count) == 1 ? Answer.ok : Answer.failed
    }
    let wanted = UnsafeBufferPointer(start: name, count: TicketKey.nameByteCount)
    guard let index = keys.firstIndex(where: { $0.name.elementsEqual(wanted) }) else { return Answer.unknownKey }
    let key = keys[index]
    guard openssl_set_ticket_mac(authentication, key.authentication, key.authentication.count) == 1,
        EVP_DecryptInit_ex(cipher, key.cipher, nil, key.encryption, vector) == 1
    else { return Answer.failed }
    // Nobody uses a ticket of TLS 1.3 twice, who does not want to be known again by it (RFC 8446, appendix C.4).
    return index > 0 || SSL_version(connection) == TLS1_3_VERSION ? Answer.okAndRenew : Answer.ok
}
