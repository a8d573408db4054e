import Configuration
import Testing

@Suite struct DirectiveListsTests {
    @Test func `words accumulate in place of the default`() {
        let group = Trial("words a b", "words c", "raw_words x", "raw_words y").group
        #expect(group.words == ["a", "b", "c"])
        #expect(group.rawWords == [[0x78], [0x79]])
        #expect(Trial().group.words == ["default"])
    }

    @Test func `pairs accumulate`() {
        let pairs = Trial("pair X-Auth yes", "pair X-Auth yes").group.pairs
        #expect(pairs == [NamedValue(name: "X-Auth", value: "yes"), NamedValue(name: "X-Auth", value: "yes")])
    }

    @Test func `keywords add up, in the order of the table`() {
        let trial = Trial("mask CRAM-MD5", "mask login", "colors green RED")
        #expect(trial.group.mask == ["login", "cram-md5"])
        #expect(trial.group.colors == [.red, .green])
        #expect(trial.warnings == [])
    }

    @Test func `a keyword given twice is warned of, the default's does not count`() {
        let trial = Trial("mask plain Plain", "mask PLAIN")
        #expect(trial.group.mask == ["plain"])
        #expect(trial.warnings == [#"duplicate value "Plain""#, #"duplicate value "PLAIN""#])
    }

    @Test func `what is no keyword is refused`() {
        #expect(Trial("mask plain apop").refusal == #"invalid value "apop" in command line"#)
    }
}
