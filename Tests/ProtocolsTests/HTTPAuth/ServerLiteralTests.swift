import Testing

@testable import Protocols

@Suite struct ServerLiteralTests {
    @Test(arguments: [
        "192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "::1", "1::", "2001:db8::1", "1:2:3:4:5:6:7:8", "1::8",
        "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::ffff:192.0.2.1", "1:2:3:4:5:6:192.0.2.1", "ABCD:ef01::", "::192.0.2.1",
    ])
    func `an address of either family is one`(_ text: String) {
        let bytes = Array(text.utf8)
        #expect(ServerLiteral.parse(bytes.span) == 0..<bytes.count)
    }

    @Test(arguments: ["[::1]", "[2001:db8::1]"])
    func `brackets around IPv6 are taken off`(_ text: String) {
        let bytes = Array(text.utf8)
        #expect(ServerLiteral.parse(bytes.span) == 1..<bytes.count - 1)
    }

    @Test(arguments: [
        "", ".", "...", "1.2.3", "1.2.3.4.", "1.2.3.4.5", "256.1.1.1", "1.2.3.04", "0x7f.0.0.1", "1.2.3.4 ", "-1.2.3.4",
        "127.1", "2130706433", "999999999999999999999.1.1.1", "mail.example", "unix:/tmp/s", "[", "[]", "[1.2.3.4]", "[::1", "::1]",
        ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "::1:", ":1::", "12345::", "g::", "fe80::1%eth0",
        "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:1", "::1.2.3", "1:2:3:4::5:6:7:8", "::1\0",
    ])
    func `a name, a short form, a zone, a path are none`(_ text: String) {
        #expect(ServerLiteral.parse(Array(text.utf8).span) == nil)
    }
}
