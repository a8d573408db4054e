/// xtext (RFC 3461, section 4), in which `XCLIENT` carries its values: what is not a plain printable
/// character becomes `+HH`, so nothing in a login can end the attribute or the line.
public enum XText {
    private static let hexDigits = Array("0123456789ABCDEF".utf8)

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte > .space && byte < 0x7F && byte != .plus && byte != .equalsSign
    }

    public static func encode(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.allSatisfy(isPlain) { return bytes }
        var text: [UInt8] = []
        for byte in bytes {
            if isPlain(byte) {
                text.append(byte)
            } else {
                text += [.plus, hexDigits[Int(byte >> 4)], hexDigits[Int(byte & 0x0F)]]
            }
        }
        return text
    }

    /// The bytes that a text stands for; nil where a plus is followed by something else than two digits.
    public static func decode(_ text: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        var index = 0
        while index < text.count {
            if text[index] != .plus {
                bytes.append(text[index])
                index += 1
                continue
            }
            guard index + 2 < text.count, let high = text[index + 1].hexDigitValue, let low = text[index + 2].hexDigitValue
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
            index += 3
        }
        return bytes
    }
}
