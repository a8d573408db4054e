/// A name of the DNS: labels that may hold any bytes (RFC 1035, section 3.1). Names that differ in the case of
/// their letters are the same name, so it is kept in small ones.
public struct DNSName: Sendable, Hashable {
    /// As on the wire: each label behind its length, and the root's empty one at the end.
    public let wire: [UInt8]

    private static let maximumByteCount = 255
    private static let maximumLabelLength = 63
    /// How many pointers one name may follow. Each leads further back, but a long message could hold thousands,
    /// and thousands of names that begin with them.
    private static let maximumJumps = 64

    private init(wire: [UInt8]) { self.wire = wire }

    /// The name that a text spells, with or without a final dot; nil where it is none.
    public init?(_ text: [UInt8]) {
        var labels = text.split(separator: Self.dot, omittingEmptySubsequences: false)
        if labels.last?.isEmpty == true { labels.removeLast() }
        guard !labels.isEmpty, text.allSatisfy({ $0.isPrintableASCII && $0 != .space }) else { return nil }
        var wire: [UInt8] = []
        for label in labels {
            guard 1...Self.maximumLabelLength ~= label.count else { return nil }
            wire.append(UInt8(label.count))
            wire += label.map(\.lowercased)
        }
        wire.append(0)
        guard wire.count <= Self.maximumByteCount else { return nil }
        self.wire = wire
    }

    /// The name under which the names of an address are kept (RFC 1035, section 3.5; RFC 3596, section 2.5).
    /// - Parameter octets: four of them, or the sixteen of IPv6, in the order that people write them.
    public init(reversing octets: [UInt8]) {
        let labels: [String]
        if octets.count == 4 {
            labels = octets.reversed().map { String($0) } + ["in-addr", "arpa"]
        } else {
            labels = octets.reversed().flatMap { [$0 & 0x0F, $0 >> 4] }.map { String($0, radix: 16) } + ["ip6", "arpa"]
        }
        wire = labels.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    /// The labels with dots between them, whatever bytes they hold: for the log.
    public var text: [UInt8] { Array(labels.joined(separator: [Self.dot])) }

    /// The same, if it is the name of a host: letters, digits and hyphens in each label, and one label at least.
    /// What else a label may hold, dots among it, could be taken for something that it is not.
    public var hostText: [UInt8]? {
        let labels = labels
        guard !labels.isEmpty, labels.allSatisfy({ $0.allSatisfy { $0.isLetter || $0.isDigit || $0 == .hyphen } }) else { return nil }
        return Array(labels.joined(separator: [Self.dot]))
    }

    private var labels: [ArraySlice<UInt8>] {
        var labels: [ArraySlice<UInt8>] = []
        var rest = wire[...]
        while let length = rest.popFirst(), length > 0 {
            labels.append(rest.prefix(Int(length)))
            rest = rest.dropFirst(Int(length))
        }
        return labels
    }

    private static let dot = UInt8(ascii: ".")

    /// Reads the name that stands at `start` of a message, with what its pointers lead to (RFC 1035, section
    /// 4.1.4). A pointer has to lead to before all that has been read of the name, so there is no loop.
    /// - Returns: the name, and where it ends in its own place.
    static func parse(_ message: Span<UInt8>, at start: Int) throws(DNSFault) -> (name: DNSName, end: Int) {
        var wire: [UInt8] = []
        var (place, earliest, end) = (start, start, Int?.none)
        var jumps = 0
        while true {
            guard place < message.count else { throw .unexpectedEnd }
            let length = Int(message[place])
            switch length {
            case 0:
                wire.append(0)
                return (DNSName(wire: wire), end ?? place + 1)
            case 1...maximumLabelLength:
                guard place + 1 + length <= message.count else { throw .unexpectedEnd }
                guard wire.count + 1 + length < maximumByteCount else { throw .name }
                for index in place...(place + length) { wire.append(message[index].lowercased) }
                place += 1 + length
            case 0xC0...:
                guard place + 1 < message.count else { throw .unexpectedEnd }
                let target = (length & 0x3F) << 8 | Int(message[place + 1])
                jumps += 1
                guard target < earliest, jumps <= maximumJumps else { throw .compression }
                end = end ?? place + 2
                (place, earliest) = (target, target)
            default: throw .name
            }
        }
    }
}
