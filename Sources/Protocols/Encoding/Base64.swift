/// Base64 (RFC 4648, section 4), read with nginx's leniency (`mail-imap.md`, section 6).
package enum Base64 {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The bytes as base64, padded.
    package static func encode(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        forEachDigit(of: bytes.span) { text.append($0) }
        return text
    }

    /// Of a secret, base64 is one too.
    package static func encode(_ secret: Secret) -> Secret {
        var text = Secret()
        forEachDigit(of: secret.span) { text.append($0) }
        return text
    }

    private static func forEachDigit(of bytes: Span<UInt8>, _ write: (UInt8) -> Void) {
        var index = 0
        while index < bytes.count {
            let length = min(3, bytes.count - index)
            var group: UInt32 = 0
            for offset in 0..<3 {
                group = group << 8 | (offset < length ? UInt32(bytes[index + offset]) : 0)
            }
            for digit in 0..<4 {
                let value = Int(group >> UInt32(18 - 6 * digit)) & 0x3F
                write(digit <= length ? alphabet[value] : .equalsSign)
            }
            index += length
        }
    }

    /// The bytes that this text stands for: a password, for all one can know. It ends at the first `=`,
    /// whatever follows; padding may be absent. Nil where another byte is not of the alphabet, or where
    /// a single digit is left over.
    package static func decode(_ text: Span<UInt8>) -> Secret? {
        let end = text.firstIndex(of: .equalsSign) ?? text.count
        if end % 4 == 1 { return nil }
        var bytes = Secret()
        var group: UInt32 = 0
        for index in 0..<end {
            guard let value = digitValue(text[index]) else { return nil }
            group = group << 6 | value
            if index % 4 > 0 { bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(6 - index % 4 * 2))) }
        }
        return bytes
    }

    private static func digitValue(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
        case .plus: 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
