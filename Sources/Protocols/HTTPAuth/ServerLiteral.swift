/// An IP address as `Auth-Server` may give it. Its syntax is checked by hand, because system parsers
/// also take names, zones and numbers in octal.
enum ServerLiteral {
    /// Where the address stands without brackets, or nil where there is none.
    static func parse(_ bytes: Span<UInt8>) -> Range<Int>? {
        let whole = 0..<bytes.count
        if whole.count > 2, bytes[0] == UInt8(ascii: "["), bytes[whole.upperBound - 1] == UInt8(ascii: "]") {
            let inner = 1..<whole.upperBound - 1
            return isIPv6(bytes, inner) ? inner : nil
        }
        return isIPv4(bytes, whole) || isIPv6(bytes, whole) ? whole : nil
    }

    /// Four decimal bytes. A leading zero is refused: some readers take such a number as octal.
    private static func isIPv4(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        var (count, start) = (0, range.lowerBound)
        for index in range.lowerBound...range.upperBound
        where index == range.upperBound || bytes[index] == UInt8(ascii: ".") {
            guard isByte(bytes, start..<index) else { return false }
            count += 1
            start = index + 1
        }
        return count == 4
    }

    private static func isByte(_ bytes: Span<UInt8>, _ part: Range<Int>) -> Bool {
        guard 1...3 ~= part.count, let value = HTTPText(bytes, part).number() else { return false }
        return value <= 255 && (part.count == 1 || bytes[part.lowerBound] != UInt8(ascii: "0"))
    }

    /// Eight groups, of which `::` stands for one or more (RFC 4291, section 2.2).
    private static func isIPv6(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard let gap = range.first(where: { $0 + 1 < range.upperBound && isColon(bytes[$0]) && isColon(bytes[$0 + 1]) })
        else { return groupCount(bytes, range, endsInIPv4: true) == 8 }
        guard let before = groupCount(bytes, range.lowerBound..<gap, endsInIPv4: false),
            let after = groupCount(bytes, gap + 2..<range.upperBound, endsInIPv4: true)
        else { return false }
        return before + after < 8
    }

    /// How many groups of one to four hexadecimal digits there are, between colons; nil where one is not.
    /// The last may be an IPv4 address, which is worth two.
    private static func groupCount(_ bytes: Span<UInt8>, _ range: Range<Int>, endsInIPv4: Bool) -> Int? {
        guard !range.isEmpty else { return 0 }
        var groups = split(bytes, range, at: UInt8(ascii: ":"))
        var count = groups.count
        if endsInIPv4, let last = groups.last, isIPv4(bytes, last) {
            groups.removeLast()
            count += 1
        }
        let areHexadecimal = groups.allSatisfy { group in
            1...4 ~= group.count && HTTPText(bytes, group).number(radix: 16) != nil
        }
        return areHexadecimal ? count : nil
    }

    private static func isColon(_ byte: UInt8) -> Bool { byte == UInt8(ascii: ":") }

    private static func split(_ bytes: Span<UInt8>, _ range: Range<Int>, at separator: UInt8) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var start = range.lowerBound
        for index in range where bytes[index] == separator {
            parts.append(start..<index)
            start = index + 1
        }
        return parts + [start..<range.upperBound]
    }
}
