import Testing

@testable import Protocols

@Suite struct DNSNameTests {
    private static func name(_ text: String) -> DNSName? { DNSName(Array(text.utf8)) }
    private static let longLabel = String(repeating: "a", count: 63)
    /// The longest name there may be: 255 bytes with the lengths of its labels and the root's.
    private static let longest = [longLabel, longLabel, longLabel, String(repeating: "b", count: 61)].joined(separator: ".")

    @Test func `a name is its labels, each behind its length`() {
        #expect(Self.name("Mail.Example")?.wire == [4] + Array("mail".utf8) + [7] + Array("example".utf8) + [0])
        #expect(Self.name("mail.example.") == Self.name("MAIL.example"))
        #expect(Self.name(Self.longest)?.wire.count == 255)
    }

    @Test(arguments: ["", ".", "..", "a..b", ".a", "a b", "a\r\nb", "é", "\0", longLabel + "a", longest + "b", longest + ".b"])
    func `what has an empty or a long label, or other bytes, is none`(_ text: String) {
        #expect(Self.name(text) == nil)
    }

    @Test func `the names of an address are kept under its parts in reverse`() {
        #expect(DNSName(reversing: [192, 0, 2, 17]) == Self.name("17.2.0.192.in-addr.arpa"))
        let octets: [UInt8] = [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xA1]
        #expect(
            DNSName(reversing: octets)
                == Self.name("1.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"))
    }

    @Test(arguments: [
        (["mx1", "example"], "mx1.example" as String?), (["MX-1"], "mx-1"), ([], nil), (["mx_1"], nil), (["a.b", "example"], nil),
        (["a b"], nil), (["a\r\nb"], nil), (["a\0"], nil), (["é"], nil), (["*"], nil),
    ])
    func `the name of a host has letters, digits and hyphens in its labels, and nothing else`(_ labels: [String], _ text: String?) throws {
        let parts: [[UInt8]] = labels.map { [UInt8($0.utf8.count)] + Array($0.utf8) }
        let wire: [UInt8] = parts.joined() + [0]
        let (name, end) = try DNSName.parse(wire.span, at: 0)
        #expect(name.hostText.map { String(decoding: $0, as: UTF8.self) } == text && end == wire.count)
        #expect(String(decoding: name.text, as: UTF8.self) == labels.joined(separator: ".").lowercased())
    }

    // MARK: Compression

    private static func parse(_ message: [UInt8], at start: Int) -> Result<[UInt8], DNSFault> {
        Result { () throws(DNSFault) in try DNSName.parse(message.span, at: start).name.wire }
    }

    @Test func `a pointer stands for what it leads to`() throws {
        //             0  1   2  3  4   5  6   7     8  9  10    11
        let message: [UInt8] = [1, 0x61, 0, 1, 0x62, 0xC0, 0, 1, 0x63, 0xC0, 3, 9]
        #expect(Self.parse(message, at: 3) == .success([1, 0x62, 1, 0x61, 0]))
        let (name, end) = try DNSName.parse(message.span, at: 7)
        #expect(name.wire == [1, 0x63, 1, 0x62, 1, 0x61, 0] && end == 11)
    }

    @Test(arguments: [
        ("itself", [0xC0, 0], 0), ("what follows", [0xC0, 2, 0], 0), ("each other", [0xC0, 2, 0xC0, 0], 2),
        ("a label before itself", [1, 0x61, 0xC0, 0], 0), ("the middle of what leads here", [1, 1, 0xC0, 1], 0),
        ("what is not there", [0xFF, 0xFF], 0),
    ] as [(String, [UInt8], Int)])
    func `a pointer to anything but what came before is a fault`(_ what: String, _ message: [UInt8], _ start: Int) {
        #expect(Self.parse(message, at: start) == .failure(.compression))
    }

    @Test func `pointers are followed so often and no oftener`() {
        func chain(_ count: Int) -> [UInt8] {
            let pointers: [[UInt8]] = (0..<count).map { [0xC0, UInt8($0 * 2)] }
            return [0, 0] + pointers.joined()
        }
        #expect(Self.parse(chain(64), at: 128) == .success([0]))
        #expect(Self.parse(chain(65), at: 130) == .failure(.compression))
    }

    @Test func `pointers make no name longer than it may be`() {
        let label = [63] + [UInt8](repeating: 0x61, count: 63)
        let message = label + label + label + [0] + label + [0xC0, 0]
        #expect(Self.parse(message, at: 193) == .failure(.name))
        #expect(Self.parse(message, at: 0) == .success(label + label + label + [0]))
    }

    @Test(arguments: [0x40, 0x80, 0xBF] as [UInt8])
    func `a label of a kind that nobody uses is a fault`(_ length: UInt8) {
        #expect(Self.parse([length, 0, 0], at: 0) == .failure(.name))
    }
}
