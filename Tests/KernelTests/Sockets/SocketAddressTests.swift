import Testing

@testable import Kernel

@Suite struct SocketAddressTests {
    @Test(arguments: [
        ("127.0.0.1", 143, "127.0.0.1:143", "127.0.0.1"),
        ("0.0.0.0", 110, "0.0.0.0:110", "0.0.0.0"),
        ("::1", 25, "[::1]:25", "::1"),
        ("::", 993, "[::]:993", "::"),
        ("2001:DB8:0:0::7", 1, "[2001:db8::7]:1", "2001:db8::7"),
        ("::ffff:192.0.2.1", 65535, "[::ffff:192.0.2.1]:65535", "::ffff:192.0.2.1"),
    ])
    func `a literal is read and printed as logs show it`(_ literal: String, _ port: UInt16, _ text: String, _ host: String) throws {
        let address = try #require(SocketAddress(literal: literal, port: port))
        #expect(address.description == text)
        #expect(address.host == host)
        #expect(address.port == port)
    }

    @Test(arguments: ["", "localhost", "1.2.3", "1.2.3.256", "[::1]", "::1%eth0", "12345::", "1.2.3.4 "])
    func `what is no literal is none`(_ text: String) {
        #expect(SocketAddress(literal: text, port: 1) == nil)
    }

    @Test(arguments: [
        ("::ffff:192.0.2.1", "192.0.2.1"), ("::1", "::1"), ("127.0.0.1", "127.0.0.1"), ("::fffe:192.0.2.1", "::fffe:c000:201"),
    ])
    func `an IPv4 client of an IPv6 socket is an IPv4 client`(_ literal: String, _ host: String) throws {
        #expect(try #require(SocketAddress(literal: literal, port: 1)).unmapped.host == host)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.255.0.9", true), ("::1", true), ("::ffff:127.0.0.1", true), ("128.0.0.1", false),
        ("0.0.0.0", false), ("::", false), ("::2", false), ("1::1", false), ("::ffff:10.0.0.1", false),
    ])
    func `some addresses are for the machine alone`(_ literal: String, _ isLoopback: Bool) throws {
        #expect(try #require(SocketAddress(literal: literal, port: 1)).isLoopback == isLoopback)
        #expect(!SocketAddress.unix("/tmp/s").isLoopback)
    }

    @Test(arguments: [SocketAddress.ipv4(0x7F00_0001, port: 4711), .ipv6(0x2001_0db8_0000_0000, 7, port: 80), .unix("/tmp/s")])
    func `the kernel's form means the same address`(_ address: SocketAddress) {
        let copy = address.withKernelForm { form, length in
            SocketAddress.ask { storage, size in
                storage.withMemoryRebound(to: UInt8.self, capacity: Int(length)) { target in
                    form.withMemoryRebound(to: UInt8.self, capacity: Int(length)) { target.update(from: $0, count: Int(length)) }
                }
                size.pointee = length
                return 0
            }
        }
        #expect(copy == address)
    }

    @Test(arguments: [
        ("127.0.0.1", 1, "0.0.0.0", 1, true), ("0.0.0.0", 1, "127.0.0.1", 1, true), ("127.0.0.1", 1, "127.0.0.1", 1, true),
        ("127.0.0.1", 1, "127.0.0.2", 1, false), ("127.0.0.1", 1, "0.0.0.0", 2, false), ("127.0.0.1", 1, "::", 1, false),
        ("::1", 1, "::", 1, true),
    ] as [(String, UInt16, String, UInt16, Bool)])
    func `addresses overlap that are the same, or of which one covers the other`(
        _ one: String, _ port: UInt16, _ other: String, _ otherPort: UInt16, _ overlap: Bool
    ) throws {
        let (one, other) = (try #require(SocketAddress(literal: one, port: port)), try #require(SocketAddress(literal: other, port: otherPort)))
        #expect(one.overlaps(other) == overlap)
    }

    @Test func `sockets in the file system overlap only themselves`() {
        #expect(SocketAddress.unix("/a").overlaps(.unix("/a")) && !SocketAddress.unix("/a").overlaps(.unix("/b")))
    }

    @Test func `a unix address shows its path`() {
        #expect(SocketAddress.unix("/run/m.sock").description == "unix:/run/m.sock")
        #expect(SocketAddress.unix("").host == "unix:")
    }

    @Test func `localhost is found, with the port asked for`() {
        #expect(NameLookup.addresses(of: "localhost", port: 25).contains(.ipv4(0x7F00_0001, port: 25)))
        #expect(NameLookup.addresses(of: "no such host.invalid", port: 25).isEmpty)
    }
}
