/// Version 2 is binary: a signature, four bytes that say what follows and how long it is, addresses, and fields
/// of type, length and value.
extension ProxyHeader {
    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    /// The signature and what tells the length of the rest.
    private static let fixedByteCount = 16

    /// Types of fields.
    private enum Field {
        static let applicationProtocol: UInt8 = 0x01
        static let authority: UInt8 = 0x02
        static let checksum: UInt8 = 0x03
        static let tls: UInt8 = 0x20
        // Those within the field of TLS.
        static let version: UInt8 = 0x21
        static let commonName: UInt8 = 0x22
        static let cipher: UInt8 = 0x23
        static let signatureAlgorithm: UInt8 = 0x24
        static let keyAlgorithm: UInt8 = 0x25
    }

    /// Bits of the first byte in the field of TLS.
    private enum TLSBit {
        static let speaksTLS: UInt8 = 1
        static let certificateOfConnection: UInt8 = 2
        static let certificateOfSession: UInt8 = 4
    }
}

// MARK: Reading

extension ProxyHeader {
    static func parseVersion2(_ bytes: Span<UInt8>) throws(ProxyHeaderStop) -> (ProxyHeader, byteCount: Int) {
        for index in 0..<min(bytes.count, signature.count) where bytes[index] != signature[index] {
            throw .fault(.broken(text: []))
        }
        guard bytes.count >= fixedByteCount else { throw .incomplete }
        let version = bytes[12] >> 4
        guard version == 2 else { throw .fault(.unknownVersion(version)) }
        let byteCount = fixedByteCount + Int(bytes.bigEndian16(at: 14))
        guard byteCount <= maxByteCount else { throw .fault(.tooLarge) }
        guard bytes.count >= byteCount else { throw .incomplete }
        return (try parse(bytes.extracting(0..<byteCount), isProxied: bytes[12] & 0xF == 1), byteCount)
    }

    /// Reads a whole header. A balancer that speaks for itself may fill it with anything.
    private static func parse(_ bytes: Span<UInt8>, isProxied: Bool) throws(ProxyHeaderStop) -> ProxyHeader {
        let (family, transport) = (bytes[13] >> 4, bytes[13] & 0xF)
        let widths: [UInt8: Int] = [1: 4, 2: 16, 3: 108]
        guard isProxied, let width = widths[family] else { return ProxyHeader() }
        let portsStart = fixedByteCount + 2 * width
        let end = family == 3 ? portsStart : portsStart + 4
        guard bytes.count >= end else { throw .fault(.wrongLength) }
        let fields = try fields(in: end..<bytes.count, of: bytes)
        try check(fields, of: bytes)
        let tls = try tls(fields, of: bytes)
        guard family != 3, transport == 1 else { return ProxyHeader(nil, tls: tls) }
        func party(_ number: Int) -> Party {
            let start = fixedByteCount + number * width
            let address: InternetAddress = width == 4
                ? .ipv4(bytes.bigEndian32(at: start)) : .ipv6(bytes.bigEndian64(at: start), bytes.bigEndian64(at: start + 8))
            return Party(text: address.text, port: bytes.bigEndian16(at: portsStart + 2 * number))
        }
        return ProxyHeader(Addresses(source: party(0), destination: party(1)), tls: tls)
    }

    /// The values of the fields, by type; of a type that comes twice, the last.
    private static func fields(in range: Range<Int>, of bytes: Span<UInt8>) throws(ProxyHeaderStop) -> [UInt8: Range<Int>] {
        var fields: [UInt8: Range<Int>] = [:]
        var start = range.lowerBound
        while start < range.upperBound {
            guard range.upperBound - start >= 3 else { throw .fault(.wrongLength) }
            let end = start + 3 + Int(bytes.bigEndian16(at: start + 1))
            guard end <= range.upperBound else { throw .fault(.wrongLength) }
            fields[bytes[start]] = start + 3..<end
            start = end
        }
        return fields
    }

    /// The checksum is that of the header with zeros where itself stands.
    private static func check(_ fields: [UInt8: Range<Int>], of bytes: Span<UInt8>) throws(ProxyHeaderStop) {
        guard let place = fields[Field.checksum] else { return }
        guard place.count == 4 else { throw .fault(.wrongLength) }
        var checksum = CRC32C()
        for index in bytes.indices { checksum.add(place.contains(index) ? 0 : bytes[index]) }
        guard checksum.value == bytes.bigEndian32(at: place.lowerBound) else { throw .fault(.wrongChecksum) }
    }

    private static func tls(_ fields: [UInt8: Range<Int>], of bytes: Span<UInt8>) throws(ProxyHeaderStop) -> ClientTLS? {
        guard let place = fields[Field.tls] else { return nil }
        guard place.count >= 5 else { throw .fault(.wrongLength) }
        let bits = bytes[place.lowerBound]
        let inner = try Self.fields(in: place.lowerBound + 5..<place.upperBound, of: bytes)
        guard bits & TLSBit.speaksTLS != 0 else { return nil }
        func value(_ range: Range<Int>?) -> [UInt8]? { range.map { bytes.bytes(in: $0) } }
        var tls = ClientTLS()
        tls.protocolVersion = value(inner[Field.version])
        tls.cipher = value(inner[Field.cipher])
        tls.signatureAlgorithm = value(inner[Field.signatureAlgorithm])
        tls.keyAlgorithm = value(inner[Field.keyAlgorithm])
        tls.serverName = value(fields[Field.authority])
        tls.applicationProtocol = value(fields[Field.applicationProtocol])
        tls.verification = bytes.bigEndian32(at: place.lowerBound + 1)
        if bits & (TLSBit.certificateOfConnection | TLSBit.certificateOfSession) != 0 {
            tls.certificate = ClientTLS.Certificate(
                commonName: value(inner[Field.commonName]),
                isOfThisConnection: bits & TLSBit.certificateOfConnection != 0)
        }
        return tls
    }
}

extension Span where Element == UInt8 {
    fileprivate func bigEndian16(at start: Int) -> UInt16 { UInt16(self[start]) << 8 | UInt16(self[start + 1]) }

    fileprivate func bigEndian32(at start: Int) -> UInt32 {
        UInt32(bigEndian16(at: start)) << 16 | UInt32(bigEndian16(at: start + 2))
    }

    fileprivate func bigEndian64(at start: Int) -> UInt64 {
        UInt64(bigEndian32(at: start)) << 32 | UInt64(bigEndian32(at: start + 4))
    }
}

// MARK: Writing

extension ProxyHeader {
    /// A longer value is left out: it would not fit the headers that others take.
    private static let maxValueByteCount = 255

    /// The header of version 2 for a connection between these two; nil stands for an end that has no address.
    public static func version2(from source: Endpoint?, to destination: Endpoint?, tls: ClientTLS?) -> [UInt8] {
        let (family, addresses) = block(from: source, to: destination)
        let checksumField: [UInt8] = [Field.checksum, 0, 4, 0, 0, 0, 0]
        let rest = addresses + (tls.map { fields(of: $0) } ?? []) + checksumField
        let command: UInt8 = family == 0 ? 0x20 : 0x21
        var header = signature + [command, family] + UInt16(rest.count).bigEndianBytes + rest
        var checksum = CRC32C()
        for byte in header { checksum.add(byte) }
        header.replaceSubrange(header.count - 4..<header.count, with: checksum.value.bigEndianBytes)
        return header
    }

    /// The byte that says what the addresses are, and the addresses.
    private static func block(from source: Endpoint?, to destination: Endpoint?) -> (family: UInt8, [UInt8]) {
        guard let source, let destination else { return (0, []) }
        let ports = source.port.bigEndianBytes + destination.port.bigEndianBytes
        if case (.ipv4(let from), .ipv4(let to)) = (source.address, destination.address) {
            return (0x11, from.bigEndianBytes + to.bigEndianBytes + ports)
        }
        return (0x21, [source, destination].flatMap { bits(of: $0.address.mapped) } + ports)
    }

    private static func bits(of address: InternetAddress) -> [UInt8] {
        switch address {
        case .ipv4(let bits): bits.bigEndianBytes
        case .ipv6(let high, let low): high.bigEndianBytes + low.bigEndianBytes
        }
    }

    private static func fields(of tls: ClientTLS) -> [UInt8] {
        var bits = TLSBit.speaksTLS
        if let certificate = tls.certificate {
            bits |= TLSBit.certificateOfSession
            if certificate.isOfThisConnection { bits |= TLSBit.certificateOfConnection }
        }
        let inner = field(Field.version, tls.protocolVersion) + field(Field.commonName, tls.certificate?.commonName)
            + field(Field.cipher, tls.cipher) + field(Field.signatureAlgorithm, tls.signatureAlgorithm)
            + field(Field.keyAlgorithm, tls.keyAlgorithm)
        let value = [bits] + tls.verification.bigEndianBytes + inner
        return field(Field.authority, tls.serverName) + field(Field.applicationProtocol, tls.applicationProtocol)
            + [Field.tls] + UInt16(value.count).bigEndianBytes + value
    }

    /// A field with its value, or nothing where there is none.
    private static func field(_ type: UInt8, _ value: [UInt8]?) -> [UInt8] {
        guard let value, !value.isEmpty, value.count <= maxValueByteCount else { return [] }
        return [type] + UInt16(value.count).bigEndianBytes + value
    }
}

extension FixedWidthInteger {
    fileprivate var bigEndianBytes: [UInt8] {
        (0..<Self.bitWidth / 8).reversed().map { UInt8(truncatingIfNeeded: self >> ($0 * 8)) }
    }
}
