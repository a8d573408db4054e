/// The checksum of PROXY headers: the CRC with Castagnoli's polynomial (RFC 9260, appendix A).
struct CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { (sum, _) in sum & 1 == 0 ? sum >> 1 : sum >> 1 ^ 0x82F6_3B78 }
    }

    private var sum = UInt32.max

    var value: UInt32 { ~sum }

    mutating func add(_ byte: UInt8) {
        sum = sum >> 8 ^ Self.table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)]
    }
}
