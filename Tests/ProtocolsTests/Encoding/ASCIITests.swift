import Protocols
import Testing

@Suite struct ASCIITests {
    private func decimal(_ text: String, maximum: Int = .max) -> Int? {
        let bytes = Array(text.utf8)
        return bytes.span.decimal(in: 0..<bytes.count, maximum: maximum)
    }

    @Test(arguments: [
        ("", nil), ("abc", nil), ("abc\r", nil),
        ("abc\r\n", Line(content: 0..<3, end: 5)), ("abc\n", Line(content: 0..<3, end: 4)),
        ("\n", Line(content: 0..<0, end: 1)), ("\r\n", Line(content: 0..<0, end: 2)),
        ("a\rb\r\r\nc\n", Line(content: 0..<4, end: 6)),
    ])
    func `a line ends with a line feed and at most one carriage return before it`(_ text: String, _ line: Line?) {
        let found = Array(text.utf8).span.line()
        #expect(found == line)
    }

    @Test(arguments: UInt8.min ... .max) func `letters are those of ASCII`(_ byte: UInt8) {
        let letters = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        #expect(byte.isLetter == letters.contains(byte))
    }

    @Test func `a carriage return before the start is not part of the line`() {
        let line = Array("\r\n".utf8).span.line(from: 1)
        #expect(line == Line(content: 1..<1, end: 2))
    }

    @Test(arguments: [0, 0x0A, 0x20, 0x7F, 0x80, 0xFF] as [UInt8])
    func `a byte is found at its first place, among whatever others`(_ byte: UInt8) {
        // Those that differ from it in one bit, or by one, and those that its bits could be taken for.
        let others = [byte ^ 0x80, byte ^ 0x01, byte &+ 1, byte &- 1, ~byte]
        for count in 0...20 {
            for other in others {
                var bytes = [UInt8](repeating: other, count: count)
                let absent = bytes.span.firstIndex(of: byte)
                #expect(absent == nil)
                for place in bytes.indices.reversed() {
                    bytes[place] = byte
                    let found = bytes.span.firstIndex(of: byte)
                    #expect(found == place)
                }
            }
        }
    }

    @Test func `a byte is looked for in a range and not beside it`() {
        let bytes = Array("x.......y.......x".utf8)
        let places = [0..<17, 1..<17, 1..<16, 16..<17, 17..<17].map { bytes.span.firstIndex(of: UInt8(ascii: "x"), in: $0) }
        #expect(places == [0, 16, nil, 16, nil])
        let (behind, beyond) = (bytes.span.firstIndex(of: UInt8(ascii: "x"), from: 1), bytes.span.firstIndex(of: 0, from: 20))
        #expect(behind == 16 && beyond == nil)
    }

    @Test(arguments: [
        ("0", 0), ("007", 7), ("9223372036854775807", Int.max), ("9223372036854775808", nil),
        ("18446744073709551617", nil), ("92233720368547758070", nil), ("", nil), ("-1", nil), ("+1", nil),
        ("1a", nil), (" 1", nil),
    ])
    func `a number is digits only and never wraps around`(_ text: String, _ value: Int?) {
        #expect(decimal(text) == value)
    }

    @Test func `a number above its maximum is none`() {
        #expect(decimal("65535", maximum: 65535) == 65535)
        #expect(decimal("65536", maximum: 65535) == nil)
    }

    @Test(arguments: [
        ("login", true), ("LOGIN", true), ("LoGiN", true), ("logi", false), ("logins", false), ("l0gin", false),
        // 0x4C | 0x20 is not the only way to a small L: 0x0C must not become one.
        ("\u{0C}ogin", false),
    ])
    func `a keyword is known in any case and as a whole`(_ text: String, _ isKeyword: Bool) {
        let bytes = Array(text.utf8)
        let answer = bytes.span.isKeyword("LOGIN", in: 0..<bytes.count)
        #expect(answer == isKeyword)
    }

    @Test func `a prefix is never looked for beyond the end`() {
        let bytes = Array("xyz".utf8)
        let keywords = [1, 2, 4].map { bytes.span.hasKeyword("YZ", at: $0) }
        #expect(keywords == [true, false, false])
        let prefixes = [1, 2, 4].map { bytes.span.hasBytes(Array("yz".utf8), at: $0) }
        #expect(prefixes == [true, false, false])
        let otherCase = bytes.span.hasBytes(Array("YZ".utf8), at: 1)
        #expect(!otherCase)
    }

    @Test func `control characters become spaces, and nothing else changes`() {
        let text = "a\r\nb\u{0}c\u{1B}[2J\u{7F}\té"
        #expect(text.utf8.withoutControls == Array("a  b c [2J  é".utf8))
    }

    @Test func `a login in xtext cannot end its attribute`() {
        #expect(XText.encode(Array("u ser+=".utf8)) == Array("u+20ser+2B+3D".utf8))
        #expect(XText.encode([0, 10, 13, 0x21, 0x7E, 0x7F, 0xFF]) == Array("+00+0A+0D!~+7F+FF".utf8))
    }
}
