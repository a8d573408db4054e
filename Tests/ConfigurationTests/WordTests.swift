import Configuration
import Testing

@Suite struct WordTests {
    @Test(arguments: [
        ("plain", "plain"), ("größe λ", "größe λ"), ("a b", "a b"),
        ("\u{a0}events", "<U+00A0>events"), ("\u{feff}a", "<U+FEFF>a"), ("a\u{200b}b", "a<U+200B>b"),
        ("a\r\nb", "a<U+000D><U+000A>b"), ("\u{1b}[0m\u{7f}", "<U+001B>[0m<U+007F>"),
        ("\u{e0001}", "<U+E0001>"),
    ])
    func `what cannot be seen is spelled out`(_ text: String, _ printed: String) {
        #expect(Word(Array(text.utf8)).printed == printed)
    }

    @Test func `a parameter is known by its start`() {
        #expect(Word("backlog=5").value(after: "backlog=") == "5")
        #expect(Word("backlog=").value(after: "backlog=") == "")
        #expect(Word("Backlog=5").value(after: "backlog=") == nil)
        #expect(Word("back").value(after: "backlog=") == nil)
    }

    @Test func `keywords have no case, other bytes do`() {
        #expect(Word("ON").isKeyword("on"))
        #expect(Word("cram-MD5").isKeyword("CRAM-md5"))
        #expect(!Word("on ").isKeyword("on"))
        #expect(!Word("o").isKeyword("on"))
        #expect(!Word("@").isKeyword("`"))
        #expect(!Word("[").isKeyword("{"))
    }
}
