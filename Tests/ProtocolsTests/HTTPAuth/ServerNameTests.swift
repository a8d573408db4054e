import Testing

@testable import Protocols

@Suite struct ServerNameTests {
    private static let label = String(repeating: "a", count: 63)

    @Test(arguments: ["imap", "mail.example", "MX-1.Example", "imap_1", "a.b.c.d", "1.mail", label, [label, label, label, String(repeating: "b", count: 61)].joined(separator: ".")])
    func `the name of a host is one`(_ text: String) {
        let isName = ServerName.isOne(Array(text.utf8).span)
        #expect(isName)
    }

    @Test(arguments: [
        "", ".", "a.", ".a", "a..b", "a b", "a/b", "a:1", "a\r\nb", "a\0", "é", "[::1]", "::1", "1.2.3", "127.1", "2130706433", "0x7f.0x1",
        "1.2.3.04", "a.0x1", label + "a", String(repeating: "a.", count: 126) + "aa",
    ])
    func `an address, a number, a path and other bytes are none`(_ text: String) {
        let isName = ServerName.isOne(Array(text.utf8).span)
        #expect(!isName)
    }
}
