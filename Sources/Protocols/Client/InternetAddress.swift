/// An IPv4 or IPv6 address, as one peer tells it of another.
public enum InternetAddress: Sendable, Hashable {
    /// The bits in the order that people write them.
    case ipv4(UInt32)
    /// The two halves, high one first.
    case ipv6(UInt64, UInt64)
}

/// An address with a port: one end of a connection.
public struct Endpoint: Sendable, Hashable {
    public var address: InternetAddress
    public var port: UInt16

    public init(_ address: InternetAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}

// MARK: Reading

extension InternetAddress {
    /// Reads `192.0.2.1` or `2001:db8::1` (RFC 4291, section 2.2), without brackets and without a zone.
    public init?(_ text: Span<UInt8>) {
        if let bits = Self.ipv4(in: 0..<text.count, of: text) {
            self = .ipv4(bits)
        } else {
            guard let groups = Self.groups(of: text) else { return nil }
            func half(_ place: Int) -> UInt64 { groups[place..<place + 4].reduce(0) { $0 << 16 | UInt64($1) } }
            self = .ipv6(half(0), half(4))
        }
    }

    /// Four numbers without leading zeros, which some would read as octal.
    private static func ipv4(in range: Range<Int>, of text: Span<UInt8>) -> UInt32? {
        var (bits, number): (UInt32, UInt32) = (0, 0)
        var (dotCount, digitCount) = (0, 0)
        for index in range {
            if let digit = text[index].digitValue {
                if digitCount > 0 && number == 0 { return nil }
                number = number * 10 + UInt32(digit)
                digitCount += 1
                if number > 255 { return nil }
            } else {
                guard text[index] == .dot, digitCount > 0, dotCount < 3 else { return nil }
                bits = bits << 8 | number
                dotCount += 1
                (number, digitCount) = (0, 0)
            }
        }
        return dotCount == 3 && digitCount > 0 ? bits << 8 | number : nil
    }

    /// The eight groups of an IPv6 address. `::` stands for one at least.
    private static func groups(of text: Span<UInt8>) -> [UInt16]? {
        var groups: [UInt16] = []
        var gap: Int?
        var start = 0
        if text.hasBytes([.colon, .colon]) { (gap, start) = (0, 2) }
        while start < text.count {
            let end = text.firstIndex(of: .colon, from: start) ?? text.count
            if end == text.count, let bits = ipv4(in: start..<end, of: text) {
                groups += [UInt16(truncatingIfNeeded: bits >> 16), UInt16(truncatingIfNeeded: bits)]
            } else {
                guard let group = group(in: start..<end, of: text) else { return nil }
                groups.append(group)
            }
            if groups.count > 8 { return nil }
            if end == text.count { break }
            start = end + 1
            // Nothing may follow a single colon but a group.
            if start == text.count { return nil }
            if text[start] == .colon {
                if gap != nil { return nil }
                gap = groups.count
                start += 1
            }
        }
        guard let gap else { return groups.count == 8 ? groups : nil }
        guard groups.count < 8 else { return nil }
        groups.insert(contentsOf: Array(repeating: 0, count: 8 - groups.count), at: gap)
        return groups
    }

    private static func group(in range: Range<Int>, of text: Span<UInt8>) -> UInt16? {
        guard (1...4).contains(range.count) else { return nil }
        var group: UInt16 = 0
        for index in range {
            guard let digit = text[index].hexDigitValue else { return nil }
            group = group << 4 | UInt16(digit)
        }
        return group
    }
}

// MARK: Writing

extension InternetAddress {
    /// As people write it: `192.0.2.1`, `2001:db8::1`, `::ffff:192.0.2.1`.
    public var text: [UInt8] {
        switch self {
        case .ipv4(let bits): Self.dotted(bits)
        case .ipv6(let high, let low): Array(Self.text(Self.groups(high) + Self.groups(low)).utf8)
        }
    }

    /// An IPv4 address among IPv6 ones (RFC 4291, section 2.5.5.2).
    public var mapped: InternetAddress {
        if case .ipv4(let bits) = self { .ipv6(0, 0xFFFF << 32 | UInt64(bits)) } else { self }
    }

    public var isIPv6: Bool { if case .ipv6 = self { true } else { false } }

    private static func dotted(_ bits: UInt32) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(15)
        for shift in stride(from: 24, through: 0, by: -8) {
            if !text.isEmpty { text.append(.dot) }
            text.append(decimal: UInt(bits >> UInt32(shift) & 0xFF))
        }
        return text
    }

    private static func groups(_ half: UInt64) -> [UInt16] {
        [48, 32, 16, 0].map { UInt16(truncatingIfNeeded: half >> $0) }
    }

    /// The first of the longest rows of zeros becomes `::` (RFC 5952, section 4.2).
    private static func text(_ groups: [UInt16]) -> String {
        let gap = longestRowOfZeros(in: groups)
        let holdsIPv4 = gap == 0..<5 && groups[5] == 0xFFFF || gap == 0..<6
        let tail = holdsIPv4 ? [String(decoding: dotted(UInt32(groups[6]) << 16 | UInt32(groups[7])), as: UTF8.self)] : []
        let words = groups.map { String($0, radix: 16) }
        let end = holdsIPv4 ? 6 : 8
        guard let gap else { return words.joined(separator: ":") }
        return words[..<gap.lowerBound].joined(separator: ":") + "::"
            + (words[gap.upperBound..<end] + tail).joined(separator: ":")
    }

    private static func longestRowOfZeros(in groups: [UInt16]) -> Range<Int>? {
        var longest: Range<Int>?
        var start = 0
        while start < groups.count {
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start >= 2 && end - start > (longest?.count ?? 0) { longest = start..<end }
            start = end + 1
        }
        return longest
    }
}
