import Testing

@testable import Protocols

/// What tests may do with a secret, and nobody else.
extension Secret {
    init(_ bytes: [UInt8]) { self.init(bytes.span) }

    var bytes: [UInt8] { span.bytes() }
}

@Suite struct SecretTests {
    private static let text = Array("password".utf8)

    @Test func `a secret tells nobody what it holds`() {
        let secret = Secret(Self.text)
        var dumped = ""
        dump(secret, to: &dumped)
        for shown in ["\(secret)", String(reflecting: secret), dumped] {
            #expect(shown.contains("<secret>") && !shown.contains("password") && !shown.contains("112"))
        }
    }

    @Test(arguments: [0, 1, 31, 32, 33, 64, 65, 1000, 70_000])
    func `whatever is appended stands behind what was there`(_ count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        var oneByOne = Secret()
        for byte in bytes { oneByOne.append(byte) }
        var atOnce = Secret()
        atOnce.append(bytes.span)
        var asWords = Secret(bytes)
        asWords.append(bytes)
        #expect(oneByOne.bytes == bytes)
        #expect(atOnce == oneByOne && atOnce == Secret(bytes))
        #expect(asWords.bytes == bytes + bytes)
        #expect(oneByOne.count == count && oneByOne.isEmpty == (count == 0))
    }

    @Test(arguments: [0, 1, 32, 33, 1000])
    func `what is written in place stands behind what was there, as far as it was written`(_ count: Int) {
        var secret = Secret(Self.text)
        let copy = secret
        let written = secret.append(atMost: count) { output in
            for byte in 0..<count / 2 { output.append(UInt8(truncatingIfNeeded: byte)) }
            return output.count
        }
        #expect(written == count / 2)
        #expect(secret.bytes == Self.text + (0..<count / 2).map { UInt8(truncatingIfNeeded: $0) })
        secret.append(Self.text)
        #expect(secret.bytes.suffix(Self.text.count) == Self.text[...])
        #expect(copy.bytes == Self.text)
    }

    @Test func `a copy does not see what is appended to the other`() {
        let first = Secret(Self.text)
        var second = first
        second.append(UInt8(ascii: "!"))
        #expect(first.bytes == Self.text)
        #expect(second.bytes == Self.text + [UInt8(ascii: "!")])
        #expect(first != second)
    }

    @Test func `secrets are equal when all of their bytes are`() {
        #expect(Secret(Self.text) == Secret(Self.text))
        #expect(Secret(Self.text) != Secret(Array("passwore".utf8)))
        #expect(Secret(Self.text) != Secret(Array(Self.text.dropLast())))
    }
}
