/// xtext (RFC 3461, section 4), in which `XCLIENT` carries a login: what is not a plain printable
/// character becomes `+HH`, so nothing in a login can end the attribute or the line.
package enum XText {
    private static let hexDigits = Array("0123456789ABCDEF".utf8)

    package static func encode(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        for byte in bytes {
            if byte > .space && byte < 0x7F && byte != .plus && byte != .equalsSign {
                text.append(byte)
            } else {
                text += [.plus, hexDigits[Int(byte >> 4)], hexDigits[Int(byte & 0x0F)]]
            }
        }
        return text
    }
}
