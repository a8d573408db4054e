import COpenSSL
import TestSupport

/// What one side of TLS 1.3 sends, put into records by the test itself: OpenSSL would not cut a message in two.
/// Goes by `TLS_AES_128_GCM_SHA256`.
struct RawRecords {
    private var secret: [UInt8]
    private var sequence: UInt64 = 0

    static let suite = [("Ciphersuites", "TLS_AES_128_GCM_SHA256")]
    static let handshake: UInt8 = 22
    static let data: UInt8 = 23

    /// - Parameter secret: of the side's traffic after the handshake (RFC 8446, section 7.3).
    init(secret: [UInt8]) { self.secret = secret }

    /// What follows a change of keys goes by the next ones.
    mutating func changeKeys() throws {
        secret = try expand("traffic upd", count: secret.count)
        sequence = 0
    }

    /// One record (RFC 8446, section 5.2).
    mutating func record(_ type: UInt8, _ bytes: [UInt8]) throws -> [UInt8] {
        let text = bytes + [type]
        let header = [23, 3, 3, UInt8((text.count + 16) >> 8), UInt8((text.count + 16) & 0xFF)]
        var nonce = try expand("iv", count: 12)
        for index in 0..<8 { nonce[4 + index] ^= UInt8(truncatingIfNeeded: sequence >> (8 * UInt64(7 - index))) }
        sequence += 1
        return header + (try encrypt(text, nonce, header))
    }

    private func encrypt(_ text: [UInt8], _ nonce: [UInt8], _ header: [UInt8]) throws -> [UInt8] {
        let key = try expand("key", count: 16)
        let context = EVP_CIPHER_CTX_new()
        defer { EVP_CIPHER_CTX_free(context) }
        var (sealed, tag) = ([UInt8](repeating: 0, count: text.count), [UInt8](repeating: 0, count: 16))
        var count: CInt = 0
        guard EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nil, key, nonce) == 1,
            EVP_EncryptUpdate(context, nil, &count, header, CInt(header.count)) == 1,
            EVP_EncryptUpdate(context, &sealed, &count, text, CInt(text.count)) == 1,
            EVP_EncryptFinal_ex(context, nil, &count) == 1,
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, &tag) == 1
        else { throw TestFailure("no record") }
        return sealed + tag
    }

    /// HKDF-Expand-Label without context, for what fits into one block (RFC 8446, section 7.1).
    private func expand(_ label: String, count: Int) throws -> [UInt8] {
        let label = Array("tls13 \(label)".utf8)
        let info = [0, UInt8(count), UInt8(label.count)] + label + [0, 1]
        var block = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        guard HMAC(EVP_sha256(), secret, CInt(secret.count), info, info.count, &block, nil) != nil else { throw TestFailure("no key") }
        return Array(block.prefix(count))
    }
}
