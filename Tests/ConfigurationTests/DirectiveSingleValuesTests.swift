import Configuration
import Testing

@Suite struct DirectiveSingleValuesTests {
    @Test func `each kind sets its property`() {
        let group = Trial(
            "flag ON", "string s", "bytes b", "name n", "number 9", "limit 2", "size 1k", "offset 1g", "duration 1m30",
            "pause 5ms", "seconds 1M", "color GREEN", "other G", "path x/y", "file ssl/a").group
        #expect(group.flag && group.string == "s" && group.bytes == [0x62] && group.name == "n")
        #expect(group.number == 9 && group.limit == 2 && group.size == 1024 && group.offset == 1 << 30)
        #expect(group.duration == .seconds(90) && group.pause == .milliseconds(5))
        #expect(group.seconds == .seconds(30 * 86_400))
        #expect(group.color == .green && group.other == .green)
        #expect(group.path == "/p/x/y" && group.file == "/etc/ssl/a")
    }

    @Test func `an absolute path stays as it is`() {
        let group = Trial("path /x", "file /y").group
        #expect(group.path == "/x" && group.file == "/y")
    }

    @Test(arguments: [
        ("flag yes", #"invalid value "yes" in "flag" directive, it must be "on" or "off""#),
        ("number x", #""number" directive invalid number"#),
        ("number 0", "value must be between 1 and 9"),
        ("number 10", "value must be between 1 and 9"),
        ("limit 1", "value must be equal to or greater than 2"),
        ("limit -1", #""limit" directive invalid number"#),
        ("size 1g", #""size" directive invalid value"#),
        ("size 63", "value must be equal to or greater than 64"),
        ("offset 1t", #""offset" directive invalid value"#),
        ("duration 1y", #""duration" directive invalid value"#),
        ("pause x", #""pause" directive invalid value"#),
        ("seconds 1ms", #""seconds" directive invalid value"#),
        ("color blue", #"invalid value "blue""#),
        ("other red", #"invalid value "red""#),
    ])
    func `a word of the wrong kind is refused in nginx's words`(_ line: String, _ text: String) {
        #expect(Trial(line).refusal == text + " in command line")
    }

    @Test(arguments: [
        "flag on", "string s", "bytes b", "number 1", "limit 2", "size 64", "offset 1", "duration 1", "pause 1",
        "seconds 1", "color red", "path x", "file x",
    ])
    func `a second one is a duplicate, even of a bad value`(_ line: String) throws {
        let name = try #require(line.split(separator: " ").first)
        #expect(Trial(line, line).refusal == "\"\(name)\" directive is duplicate in command line")
        #expect(Trial(line, "\(name) -").refusal == "\"\(name)\" directive is duplicate in command line")
    }

    @Test func `of a repeatable one the last wins`() {
        let group = Trial("name a", "name b", "other g", "other r").group
        #expect(group.name == "b" && group.other == .red)
    }
}
