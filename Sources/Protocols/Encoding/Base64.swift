/// Base64 (RFC 4648, section 4), read with nginx's leniency (`mail-imap.md`, section 6).
public enum Base64 {
    /// The bytes as base64, padded.
    public static func encode(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](capacity: encodedByteCount(bytes.count)) { write(bytes.span, to: &$0) }
    }

    /// Of a secret, base64 is one too.
    public static func encode(_ secret: Secret) -> Secret {
        var text = Secret(capacity: encodedByteCount(secret.count))
        text.append(atMost: encodedByteCount(secret.count)) { write(secret.span, to: &$0) }
        return text
    }

    private static func encodedByteCount(_ byteCount: Int) -> Int { (byteCount + 2) / 3 * 4 }

    private static func write(_ bytes: Span<UInt8>, to text: inout OutputSpan<UInt8>) {
        var index = 0
        while index < bytes.count {
            let length = min(3, bytes.count - index)
            var group: UInt32 = 0
            for offset in 0..<3 {
                group = group << 8 | (offset < length ? UInt32(bytes[index + offset]) : 0)
            }
            for place in 0..<4 {
                text.append(place <= length ? digit(group >> UInt32(18 - 6 * place) & 0x3F) : .equalsSign)
            }
            index += length
        }
    }

    /// The bytes that this text stands for: a password, for all one can know. It ends at the first `=`,
    /// whatever follows; padding may be absent. Nil where another byte is not of the alphabet, or where
    /// a single digit is left over.
    public static func decode(_ text: Span<UInt8>) -> Secret? {
        let end = text.firstIndex(of: .equalsSign) ?? text.count
        if end % 4 == 1 { return nil }
        let byteCount = end * 3 / 4
        var bytes = Secret(capacity: byteCount)
        let isWhole = bytes.append(atMost: byteCount) { bytes in
            var group: UInt32 = 0
            for index in 0..<end {
                guard let value = digitValue(text[index]) else { return false }
                group = group << 6 | value
                if index % 4 > 0 { bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(6 - index % 4 * 2))) }
            }
            return true
        }
        return isWhole ? bytes : nil
    }

    private static func digit(_ value: UInt32) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: value)
        return switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + (value - 26)
        case 52..<62: UInt8(ascii: "0") + (value - 52)
        case 62: .plus
        default: UInt8(ascii: "/")
        }
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
