import Glibc
import TestSupport
import Testing

@testable import Protocols

@Suite struct InternetAddressTests {
    private static func parse(_ text: String) -> InternetAddress? { InternetAddress(Array(text.utf8).span) }

    /// The same as the C library reads it.
    private static func reference(_ text: String) -> InternetAddress? {
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return .ipv4(UInt32(bigEndian: four.s_addr)) }
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        return withUnsafeBytes(of: six) { bytes in
            func half(_ start: Int) -> UInt64 { bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) } }
            return .ipv6(half(0), half(8))
        }
    }

    private static let addresses = [
        "0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1:0:0:1", "1:0:0:2:0:0:0:3",
        "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::ffff:192.0.2.1", "::192.0.2.1", "64:ff9b::192.0.2.33",
        "ABCD:ef01::", "1:2:3:4:5:6:1.2.3.4", "::ffff:0:1", "1::", "1::8",
    ]
    private static let others = [
        "", ".", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04", "1..2.3", "1.2.3.4 ", " 1.2.3.4", "a.b.c.d",
        "1.2.3.0x1", "1.2.3.-1", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1::2", "12345::",
        "g::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:1", "1:", ":1", "::1%lo", "[::1]", "1.2.3.4:5", "::1.2.3",
        "...", "1.2.3.4.", "127.1", "2130706433", "999999999999999999999.1.1.1", "::1:", ":1::", "1.2.3.4::", "1:2:3:4::5:6:7:8",
    ]

    @Test(arguments: addresses + others)
    func `an address is what the C library takes for one`(_ text: String) {
        #expect(Self.parse(text) == Self.reference(text))
        #expect((Self.parse(text) != nil) == Self.addresses.contains(text))
    }

    @Test func `an address is written as the C library writes it, and read again`() throws {
        var random = SeededBytes(seed: 791)
        var samples = Self.addresses.compactMap { Self.parse($0) }
        for _ in 0..<5000 {
            samples.append(.ipv4(UInt32(truncatingIfNeeded: random.next())))
            // Rows of zeros anywhere.
            func half() -> UInt64 { (0..<4).reduce(0) { (half, _) in half << 16 | (random.below(2) == 0 ? 0 : random.next() & 0xFFFF) } }
            samples.append(.ipv6(half(), half()))
        }
        for address in samples {
            #expect(String(decoding: address.text, as: UTF8.self) == Self.text(of: address))
            #expect(InternetAddress(address.text.span) == address)
        }
    }

    private static func text(of address: InternetAddress) -> String {
        var buffer = [CChar](repeating: 0, count: 64)
        switch address {
        case .ipv4(let bits):
            var four = in_addr(s_addr: bits.bigEndian)
            inet_ntop(AF_INET, &four, &buffer, 64)
        case .ipv6(let high, let low):
            var six = (high.bigEndian, low.bigEndian)
            inet_ntop(AF_INET6, &six, &buffer, 64)
        }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    @Test func `any text is an address to us where it is to the C library, without a trap`() {
        var random = SeededBytes(seed: 4291)
        let samples = (Self.addresses + Self.others).map { Array($0.utf8) }
        for round in 0..<50_000 {
            let bytes = random.mutate(samples[round % samples.count]).filter { $0 != 0 }
            let text = String(decoding: bytes, as: UTF8.self)
            guard Array(text.utf8) == bytes else { continue }
            if Self.parse(text) != Self.reference(text) { Issue.record("\(text)") }
        }
    }

    @Test func `an IPv4 address has its place among IPv6 ones`() {
        #expect(InternetAddress.ipv4(0xC000_0201).mapped.text == Array("::ffff:192.0.2.1".utf8))
        #expect(InternetAddress.ipv6(1, 2).mapped == .ipv6(1, 2))
    }
}
