import Configuration
import Synchronization
import Testing

/// A property of every kind.
struct EveryKind: SettingsGroup {
    enum Color: Equatable { case red, green }

    @Setting var flag = false
    @Setting var string = ""
    @Setting var bytes: [UInt8] = []
    @Setting var name: String?
    @Setting var number = 1
    @Setting var limit: Int?
    @Setting var size = 1
    @Setting var offset = 1
    @Setting var duration = Duration.zero
    @Setting var pause: Duration?
    @Setting var seconds = Duration.zero
    @Setting var color = Color.red
    @Setting var other = Color.red
    @Setting var path = ""
    @Setting var file: String?
    @Setting var words = ["default"]
    @Setting var rawWords: [[UInt8]] = []
    @Setting var pairs: [NamedValue] = []
    @Setting var mask = ["plain"]
    @Setting var colors: [Color] = []
    @Setting var total = 0
    @Setting var count = 0

    init() {}

    static let blocks: [Block] = [.mail, .server]
    static let directives: [Directive<Self>] = [
        .flag("flag", in: blocks, sets: \.$flag),
        .flag("old_flag", in: blocks, sets: \.$flag).deprecated(inFavorOf: "flag"),
        .flag("odd_flag", in: blocks, sets: \.$flag).warning("this is odd"),
        .string("string", in: blocks, sets: \.$string),
        .string("bytes", in: blocks, sets: \.$bytes),
        .string("name", in: blocks, sets: \.$name, isRepeatable: true),
        .number("number", in: blocks, sets: \.$number, atLeast: 1, atMost: 9),
        .number("limit", in: blocks, sets: \.$limit, atLeast: 2),
        .size("size", in: blocks, sets: \.$size, atLeast: 64),
        .offset("offset", in: blocks, sets: \.$offset),
        .duration("duration", in: blocks, sets: \.$duration),
        .duration("pause", in: blocks, sets: \.$pause),
        .seconds("seconds", in: blocks, sets: \.$seconds),
        .choice("color", of: ["red": .red, "green": .green], in: blocks, sets: \.$color),
        .choice("other", of: [("r", .red), ("g", .green)], in: blocks, sets: \.$other, isRepeatable: true),
        .path("path", in: blocks, sets: \.$path),
        .path("file", in: blocks, sets: \.$file, relativeTo: .configuration),
        .words("words", in: blocks, sets: \.$words),
        .words("raw_words", in: blocks, takes: .exactly(1), sets: \.$rawWords),
        .pairs("pair", in: blocks, sets: \.$pairs),
        .bitmask("mask", of: ["plain", "login", "cram-md5"], in: blocks, sets: \.$mask),
        .bitmask("colors", of: ["red": .red, "green": .green], in: blocks, sets: \.$colors),
        .custom("total", in: blocks, takes: .between(1, 2), sets: \.$total) { (call) throws(DirectiveFault) in
            var total = 0
            for word in call.words {
                guard let number = word.number else { throw .invalidNumber }
                total += number
            }
            return total
        },
        .custom("count", in: blocks, takes: .any, inherits: \.$count) { (group, call) throws(DirectiveFault) in
            if call.words.count > 8 { throw .message("too much of \(call.name)") }
            group.$count.set(group.count + call.words.count)
        },
        .custom("reset", in: [.server], takes: .none) { (group, _) throws(DirectiveFault) in group.count = -1 },
        .ignored("lock_file", in: blocks),
    ]
}

/// A group to which directives are given as lines, with what comes of them.
struct Trial {
    private(set) var group = EveryKind()
    private(set) var warnings: [String] = []
    /// The whole message of the first refusal.
    private(set) var refusal: String?

    init(_ lines: String...) {
        for line in lines where refusal == nil { perform(line) }
    }

    private mutating func perform(_ line: String) {
        let words = line.split(separator: " ").map { Word(Array($0.utf8)) }
        guard let row = EveryKind.directives.first(where: { $0.name == words[0].text }) else {
            refusal = "no such row"
            return
        }
        let texts = WarningSink()
        let call = DirectiveCall(
            name: row.name, words: Array(words.dropFirst()), block: .server, position: .commandLine,
            paths: ConfigurationPaths(prefix: "/p/", directory: "/etc/")) { texts.append($0) }
        do throws(DirectiveFault) { try row.apply(&group, call) } catch {
            refusal = ConfigurationError(error, in: row.name, at: .commandLine).message
        }
        warnings += texts.all
    }
}

final class WarningSink: Sendable {
    private let texts = Mutex<[String]>([])
    func append(_ text: String) { texts.withLock { $0.append(text) } }
    var all: [String] { texts.withLock { $0 } }
}

@Suite struct DirectiveTests {
    @Test func `a row keeps its name, blocks and arity`() throws {
        let row = try #require(EveryKind.directives.first { $0.name == "total" })
        #expect(row.blocks == [.mail, .server])
        #expect(row.arity == .between(1, 2))
    }

    @Test func `a deprecated name works, with a warning`() {
        let trial = Trial("old_flag on")
        #expect(trial.group.flag)
        #expect(trial.warnings == [#"the "old_flag" directive is deprecated, use the "flag" directive instead"#])
        #expect(Trial("old_flag on", "flag on").refusal == #""flag" directive is duplicate in command line"#)
    }

    @Test func `a row may warn of its use`() {
        #expect(Trial("odd_flag on").warnings == ["this is odd"])
        #expect(Trial("odd_flag on").group.flag)
    }

    @Test func `an ignored directive does nothing, however often`() {
        let trial = Trial("lock_file a", "lock_file b")
        #expect(trial.refusal == nil && trial.warnings == [])
    }

    @Test func `a custom value is refused the second time`() {
        #expect(Trial("total 1 2").group.total == 3)
        #expect(Trial("total x").refusal == #""total" directive invalid number in command line"#)
        #expect(Trial("total 1", "total 2").refusal == #""total" directive is duplicate in command line"#)
    }

    @Test func `a custom handler does as it likes`() {
        #expect(Trial("count a b", "count c").group.count == 3)
        #expect(Trial("count 1 2 3 4 5 6 7 8 9").refusal == "too much of count in command line")
        #expect(Trial("count a", "reset").group.count == -1)
    }

    @Test func `every row with a setting inherits it`() throws {
        let outer = Trial(
            "flag on", "string s", "bytes b", "name n", "number 2", "limit 5", "size 64", "offset 2g", "duration 2s",
            "pause 1s", "seconds 1y", "color green", "other g", "path x", "file y", "words a b", "raw_words c", "pair a b",
            "mask login", "colors green", "total 4", "count a")
        #expect(outer.refusal == nil)
        var inner = EveryKind()
        for row in EveryKind.directives { row.inherit(&inner, outer.group) }
        for row in EveryKind.directives { row.inherit(&inner, EveryKind()) }
        let values = { (group: EveryKind) in Mirror(reflecting: group).children.map { "\($0.value)" } }
        #expect(values(inner) == values(outer.group))
    }
}
