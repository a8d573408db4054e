/// What a name server is asked: the records of one type that a name has.
public struct DNSQuestion: Sendable, Hashable {
    public enum RecordType: UInt16, Sendable {
        case ipv4 = 1, alias = 5, pointer = 12, ipv6 = 28

        /// As RFC 1035 and RFC 3596 call it.
        var name: String {
            switch self {
            case .ipv4: "A"
            case .alias: "CNAME"
            case .pointer: "PTR"
            case .ipv6: "AAAA"
            }
        }
    }

    public let name: DNSName
    public let type: RecordType

    public init(_ type: RecordType, of name: DNSName) {
        self.name = name
        self.type = type
    }

    /// The message that asks it, and has the name server ask others (RFC 1035, section 4.1).
    public func encode(id: UInt16) -> [UInt8] {
        let header: [UInt16] = [id, Self.recursionDesired, 1, 0, 0, 0]
        return (header.flatMap(Self.bytes) + name.wire + Self.bytes(type.rawValue) + Self.bytes(Self.internet))
    }

    /// The same as TCP carries it: behind its length (RFC 1035, section 4.2.2).
    public func encodeForStream(id: UInt16) -> [UInt8] {
        let message = encode(id: id)
        return Self.bytes(UInt16(message.count)) + message
    }

    static let internet: UInt16 = 1
    private static let recursionDesired: UInt16 = 0x0100

    private static func bytes(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xFF)] }
}
