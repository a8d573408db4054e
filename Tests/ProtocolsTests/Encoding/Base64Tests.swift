import Protocols
import TestSupport
import Testing

@Suite struct Base64Tests {
    private func encoded(_ plain: String) -> String {
        String(decoding: Base64.encode(Array(plain.utf8)), as: UTF8.self)
    }

    private func decoded(_ text: String) -> String? {
        Base64.decode(Array(text.utf8).span).map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"),
        ("Username:", "VXNlcm5hbWU6"), ("Password:", "UGFzc3dvcmQ6"),
    ])
    func `bytes become padded text, and the text becomes the bytes again`(_ plain: String, _ text: String) {
        #expect(encoded(plain) == text)
        #expect(decoded(text) == plain)
    }

    @Test(arguments: [
        ("Zg", "f"), ("Zm8", "fo"), ("=", ""), ("=*\u{0}", ""), ("Zg=junk", "f"), ("Zg==Zg==", "f"),
        ("Zm9v=", "foo"), ("Zh==", "f"),
    ])
    func `padding may be absent, and whatever follows it is ignored`(_ text: String, _ plain: String) {
        #expect(decoded(text) == plain)
    }

    @Test(arguments: ["Z", "Zm9vZ", "Z=", "*", "Zm 9v", "Zm9v\r", "Zm9v-_", "Zm9\u{0}", "Zé"])
    func `a byte outside the alphabet or a digit left over is a failure`(_ text: String) {
        #expect(decoded(text) == nil)
    }

    @Test func `any bytes survive the way there and back`() {
        var random = SeededBytes(seed: 1)
        for count in 0..<300 {
            let bytes = random.bytes(count: count)
            let text = Base64.encode(bytes)
            let back = Base64.decode(text.span)
            #expect(back == Secret(bytes))
        }
    }
}
