import TestSupport
import Testing

@testable import Protocols

/// Both versions of the header: what each form means, cut anywhere, and what becomes of lies and faults.
@Suite struct ProxyHeaderTests {
    private static func addresses(_ source: String, _ port: UInt16, _ destination: String, _ toPort: UInt16) -> ProxyHeader {
        ProxyHeader(
            .init(source: .init(text: Array(source.utf8), port: port), destination: .init(text: Array(destination.utf8), port: toPort)))
    }

    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]
    private static let ipv4: [UInt8] = [192, 0, 2, 1, 192, 0, 2, 2, 0x9C, 0x40, 0, 143]
    private static let ipv6: [UInt8] =
        [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 15) + [2, 0x9C, 0x40, 0, 25]

    private static func version2(_ command: UInt8, _ family: UInt8, _ rest: [UInt8]) -> [UInt8] {
        signature + [command, family, UInt8(rest.count >> 8), UInt8(rest.count & 0xFF)] + rest
    }

    /// That of a client of IPv4.
    private static func version2(_ rest: [UInt8]) -> [UInt8] { version2(0x21, 0x11, rest) }

    private static func field(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
        [type, UInt8(value.count >> 8), UInt8(value.count & 0xFF)] + value
    }

    private static let known4 = addresses("192.0.2.1", 40000, "192.0.2.2", 143)
    private static let known6 = addresses("2001:db8::1", 40000, "::2", 25)

    private static func withTLS(_ change: (inout ClientTLS) -> Void) -> ProxyHeader {
        var tls = ClientTLS()
        change(&tls)
        return ProxyHeader(known4.addresses, tls: tls)
    }

    private static let tlsFields = field(0x20, [7, 0, 0, 0, 0] + field(0x21, Array("TLSv1.3".utf8)) + field(0x22, Array("joe".utf8)))

    private static let headers: [([UInt8], ProxyHeader)] = [
        (Array("PROXY TCP4 192.0.2.1 192.0.2.2 40000 143\r\n".utf8), known4),
        (Array("PROXY TCP6 2001:db8::1 ::2 40000 25\r\n".utf8), known6),
        (Array("PROXY TCP4 2001:db8::1 ::2 40000 25\r\n".utf8), known6),
        (Array("PROXY TCP4 192.0.2.300 192.0.2.2 0 65535\r\n".utf8), addresses("192.0.2.300", 0, "192.0.2.2", 65535)),
        (Array("PROXY UNKNOWN\r\n".utf8), ProxyHeader()),
        (Array("PROXY UNKNOWN 2001:db8::1 whatever\n\r\r\n".utf8), ProxyHeader()),
        (version2(ipv4), known4),
        (version2(0x21, 0x21, ipv6), known6),
        (version2(0x20, 0x00, []), ProxyHeader()),
        (version2(0x20, 0x11, [1, 2, 3]), ProxyHeader()),
        (version2(0x21, 0x00, [1, 2, 3]), ProxyHeader()),
        (version2(0x21, 0x12, ipv4), ProxyHeader()),
        (version2(0x21, 0x31, [UInt8](repeating: 47, count: 216)), ProxyHeader()),
        (version2(0x21, 0x71, [1]), ProxyHeader()),
        (version2(0x22, 0x11, ipv4), ProxyHeader()),
        (version2(ipv4 + field(0x04, [0, 0]) + field(0x05, [1]) + field(0xEE, [])), known4),
        (version2(ipv4 + field(0xEE, [UInt8](repeating: 0, count: 4096 - 16 - 12 - 3))), known4),
        (version2(ipv4 + tlsFields), withTLS {
            $0.protocolVersion = Array("TLSv1.3".utf8)
            $0.verification = 0
            $0.certificate = .init(commonName: Array("joe".utf8))
        }),
        (version2(ipv4 + field(0x02, [97]) + field(0x01, [98]) + field(0x20, [1, 0, 0, 0, 1])), withTLS {
            $0.serverName = [97]
            $0.applicationProtocol = [98]
        }),
        (version2(ipv4 + field(0x20, [5, 0, 0, 0, 18])), withTLS {
            $0.verification = 18
            $0.certificate = .init(isOfThisConnection: false)
        }),
        (version2(ipv4 + field(0x20, [0, 0, 0, 0, 1])), known4),
    ]

    @Test(arguments: headers)
    func `a header means what its sender says`(_ bytes: [UInt8], _ header: ProxyHeader) {
        #expect(ProxyHeader.parse(bytes.span) == .header(header, byteCount: bytes.count))
    }

    @Test(arguments: headers)
    func `a header cut short anywhere waits for the rest, and what follows it is not its own`(_ bytes: [UInt8], _ header: ProxyHeader) {
        for count in bytes.indices {
            let start = Array(bytes.prefix(count))
            if ProxyHeader.parse(start.span) != .incomplete { Issue.record("\(count)") }
        }
        let more = bytes + Array("a LOGIN x y\r\n".utf8)
        #expect(ProxyHeader.parse(more.span) == .header(header, byteCount: bytes.count))
    }

    private static let broken: [(String, String)] = [
        ("a LOGIN joe secret\r\n", ""), ("X", ""), ("\u{16}\u{3}\u{1}", ""), ("\r\nQUIT", ""), ("PROXX", ""), ("PROXY\r\n", ""),
        ("PROXY TCP5", "PROXY TCP5"), ("PROXY TCP4\t", "PROXY TCP4"), ("PROXY  TCP4", "PROXY  TCP4"), ("proxy TCP4 ", ""),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2"),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2"),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1"),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 "),
        ("PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n", "PROXY TCP4 1.1.1.1  2.2.2.2 1 2"),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2"),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 -2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 -2"),
        ("PROXY TCP4 1.1.1.1 host 1 2\r\n", "PROXY TCP4 1.1.1.1 host 1 2"),
        ("PROXY TCP4  2.2.2.2 1 2\r\n", "PROXY TCP4  2.2.2.2 1 2"),
        ("PROXY TCP4 1.1.1.1 2.2.2.2  2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2  2"),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 18446744073709551617 2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 18446744073709551617 2"),
    ]

    @Test(arguments: broken)
    func `what is no header is told of only as far as it begins as one`(_ text: String, _ shown: String) {
        #expect(ProxyHeader.parse(Array(text.utf8).span) == .broken(.broken(text: Array(shown.utf8))))
    }

    @Test func `a line without an end is one until the bound, and is not shown in full`() throws {
        let line = Array("PROXY TCP4 ".utf8) + [UInt8](repeating: 49, count: ProxyHeader.maxByteCount - 11)
        #expect(ProxyHeader.parse(Array(line.dropLast()).span) == .incomplete)
        guard case .broken(.broken(let text)) = ProxyHeader.parse(line.span) else {
            Issue.record("is taken")
            return
        }
        #expect(text.count == 107)
        let unknown = Array("PROXY UNKNOWN".utf8) + [UInt8](repeating: 49, count: ProxyHeader.maxByteCount - 13)
        #expect(ProxyHeader.parse(Array(unknown.dropLast()).span) == .incomplete)
        #expect(ProxyHeader.parse(unknown.span) != .incomplete)
    }

    @Test(arguments: [
        (signature + [0x11, 0x11, 0, 12], ProxyHeaderFault.unknownVersion(1)), (signature + [0xF1, 0x11, 0, 12], .unknownVersion(15)),
        (signature + [0x21, 0x11, 0x0F, 0xF1], .tooLarge), (signature + [0x20, 0, 0xFF, 0xFF], .tooLarge),
        (version2(Array(ipv4.dropLast())), .wrongLength), (version2([]), .wrongLength), (version2(0x21, 0x21, ipv4), .wrongLength),
        (version2(0x21, 0x31, ipv6), .wrongLength), (version2(ipv4 + [4]), .wrongLength), (version2(ipv4 + [4, 0]), .wrongLength),
        (version2(ipv4 + [4, 0, 1]), .wrongLength), (version2(ipv4 + [4, 0xFF, 0xFF, 0]), .wrongLength),
        (version2(ipv4 + field(0x20, [1, 0, 0, 0])), .wrongLength), (version2(ipv4 + field(0x20, [1, 0, 0, 0, 0, 0x21])), .wrongLength),
        (version2(ipv4 + field(0x20, [1, 0, 0, 0, 0, 0x21, 0, 9, 1])), .wrongLength),
        (version2(ipv4 + field(0x03, [0, 0, 0])), .wrongLength), (version2(ipv4 + field(0x03, [0, 0, 0, 0, 0])), .wrongLength),
        (version2(ipv4 + field(0x03, [0, 0, 0, 0])), .wrongChecksum),
    ])
    func `lengths and checksums of version 2 have to be right`(_ bytes: [UInt8], _ fault: ProxyHeaderFault) {
        #expect(ProxyHeader.parse(bytes.span) == .broken(fault))
    }

    @Test func `the checksum is Castagnoli's`() {
        var checksum = CRC32C()
        for byte in "123456789".utf8 { checksum.add(byte) }
        #expect(checksum.value == 0xE306_9283)
    }

    // MARK: Writing

    private static let client4 = Endpoint(.ipv4(0xC000_0201), port: 40000), server4 = Endpoint(.ipv4(0xC000_0202), port: 143)
    private static let client6 = Endpoint(.ipv6(0x2001_0DB8 << 32, 1), port: 40000), server6 = Endpoint(.ipv6(0, 2), port: 25)

    @Test(arguments: [
        (client4, server4, "PROXY TCP4 192.0.2.1 192.0.2.2 40000 143\r\n"),
        (client6, server6, "PROXY TCP6 2001:db8::1 ::2 40000 25\r\n"),
        (client6, server4, "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 40000 143\r\n"),
        (client4, server6, "PROXY TCP6 ::ffff:192.0.2.1 ::2 40000 25\r\n"),
        (nil, server4, "PROXY UNKNOWN\r\n"), (client4, nil, "PROXY UNKNOWN\r\n"),
    ] as [(Endpoint?, Endpoint?, String)])
    func `version 1 is a line of one family`(_ source: Endpoint?, _ destination: Endpoint?, _ line: String) {
        #expect(String(decoding: ProxyHeader.version1(from: source, to: destination), as: UTF8.self) == line)
    }

    @Test(arguments: [(client4, server4, "192.0.2.1", "192.0.2.2"), (client6, server6, "2001:db8::1", "::2"), (client6, server4, "2001:db8::1", "::ffff:192.0.2.2")])
    func `version 2 is read again as what was said, checksum and all`(_ source: Endpoint, _ destination: Endpoint, _ from: String, _ to: String) {
        var tls = ClientTLS()
        tls.protocolVersion = Array("TLSv1.2".utf8)
        tls.cipher = Array("ECDHE".utf8)
        tls.serverName = Array("mail.test".utf8)
        tls.applicationProtocol = Array("imap".utf8)
        tls.verification = 0
        tls.certificate = .init(commonName: Array("joe".utf8), isOfThisConnection: false)
        tls.signatureAlgorithm = Array("RSA-SHA256".utf8)
        tls.keyAlgorithm = Array("RSA2048".utf8)
        for tls in [tls, nil] {
            let bytes = ProxyHeader.version2(from: source, to: destination, tls: tls)
            let header = ProxyHeader(Self.addresses(from, source.port, to, destination.port).addresses, tls: tls)
            #expect(ProxyHeader.parse(bytes.span) == .header(header, byteCount: bytes.count))
            // A fault in any byte shows, but in the one that says that a checksum follows.
            for index in bytes.indices.dropFirst(16) where index != bytes.count - 7 {
                var mutant = bytes
                mutant[index] ^= 0x10
                if case .header(let read, _) = ProxyHeader.parse(mutant.span), read.addresses == header.addresses, read.tls == tls {
                    Issue.record("a fault in byte \(index) is not seen")
                }
            }
        }
    }

    @Test func `version 2 has nginx's order, and speaks for us alone where an end has no address`() {
        var tls = ClientTLS()
        tls.protocolVersion = [1]
        tls.cipher = [2]
        tls.serverName = [3]
        tls.keyAlgorithm = [UInt8](repeating: 4, count: 256)
        let bytes = ProxyHeader.version2(from: Self.client4, to: Self.server4, tls: tls)
        #expect(
            Array(bytes.dropLast(4)) == Self.signature + [0x21, 0x11, 0, 12 + 4 + 16 + 7] + Self.ipv4 + [2, 0, 1, 3] + [0x20, 0, 13, 1, 0, 0, 0, 1]
                + [0x21, 0, 1, 1, 0x23, 0, 1, 2] + [3, 0, 4])
        let local = ProxyHeader.version2(from: nil, to: Self.server4, tls: nil)
        #expect(Array(local.prefix(16)) == Self.signature + [0x20, 0, 0, 7])
        #expect(ProxyHeader.parse(local.span) == .header(ProxyHeader(), byteCount: 23))
    }

    // MARK: Fuzzing

    @Test func `any bytes are answered without a trap, and what is used up is there`() {
        let samples = Self.headers.map(\.0) + Self.broken.map { Array($0.0.utf8) }
        var random = SeededBytes(seed: 2014)
        for round in 0..<100_000 {
            let bytes = random.mutate(samples[round % samples.count])
            switch ProxyHeader.parse(bytes.span) {
            case .header(_, let byteCount): if byteCount > bytes.count || byteCount > ProxyHeader.maxByteCount { Issue.record("\(bytes)") }
            case .incomplete: if bytes.count >= ProxyHeader.maxByteCount { Issue.record("\(bytes)") }
            case .broken(.broken(let text)): if text.contains(where: \.isControl) || !bytes.starts(with: text) { Issue.record("\(bytes)") }
            case .broken: break
            }
        }
    }
}
