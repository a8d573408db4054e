/// The name of a host as `Auth-Server` may give it: labels of letters, digits, hyphens and underscores. What looks
/// like a number at its end is none: somewhere it would be read as an address.
enum ServerName {
    private static let maximumByteCount = 253
    private static let maximumLabelLength = 63

    static func isOne(_ bytes: Span<UInt8>) -> Bool {
        guard 1...maximumByteCount ~= bytes.count else { return false }
        var start = 0
        while true {
            let end = bytes.firstIndex(of: UInt8(ascii: "."), from: start) ?? bytes.count
            guard isLabel(bytes.extracting(start..<end)) else { return false }
            if end == bytes.count { return !bytes[start].isDigit }
            start = end + 1
        }
    }

    private static func isLabel(_ bytes: Span<UInt8>) -> Bool {
        1...maximumLabelLength ~= bytes.count && bytes.indices.allSatisfy { index in
            let byte = bytes[index]
            return byte.isLetter || byte.isDigit || byte == .hyphen || byte == UInt8(ascii: "_")
        }
    }
}
