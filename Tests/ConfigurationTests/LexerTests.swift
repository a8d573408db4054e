import Configuration
import Testing

@Suite struct LexerTests {
    typealias Statement = Lexer.Statement

    /// Every statement up to the end, or the message of the fault that comes first.
    private static func statements(_ text: String, from source: Lexer.Source = .file("F")) -> ([Statement], String?) {
        statements(Array(text.utf8), from: source)
    }

    private static func statements(_ bytes: [UInt8], from source: Lexer.Source = .file("F")) -> ([Statement], String?) {
        var lexer = Lexer(bytes, from: source)
        var found: [Statement] = []
        do throws(ConfigurationError) {
            while true {
                let statement = try lexer.next()
                if statement == .end { return (found, nil) }
                found.append(statement)
            }
        } catch {
            return (found, error.message)
        }
    }

    private static let good: [(String, [Statement])] = [
        ("", []),
        (" \t\r\n", []),
        ("# a comment; with { everything }", []),
        ("a;", [.simple(["a"])]),
        ("a b c;", [.simple(["a", "b", "c"])]),
        ("a\r\n\tb\r\n;\r\n", [.simple(["a", "b"])]),
        ("a { b c; }", [.opening(["a"]), .simple(["b", "c"]), .closing]),
        ("a{b;}c;", [.opening(["a"]), .simple(["b"]), .closing, .simple(["c"])]),
        ("}", [.closing]),
        ("a # b ;\n c;", [.simple(["a", "c"])]),
        ("a b#c;", [.simple(["a", "b#c"])]),
        ("a b};", [.simple(["a", "b}"])]),
        ("a b\"c;", [.simple(["a", "b\"c"])]),
        ("a b'c d';", [.simple(["a", "b'c", "d'"])]),
        ("a \"\" '';", [.simple(["a", "", ""])]),
        ("\"a\" 'b;{}#c';", [.simple(["a", "b;{}#c"])]),
        ("a \"'\" '\"';", [.simple(["a", "'", "\""])]),
        ("a \"b\nc\";", [.simple(["a", "b\nc"])]),
        ("a \"b\"{", [.opening(["a", "b"])]),
        ("a \"b\");", [.simple(["a", "b", ")"])]),
        ("if (\"$a\" = \"b\") {", [.opening(["if", "(\"$a\"", "=", "b", ")"])]),
        ("a $b{", [.opening(["a", "$b"])]),
        ("a ${b};", [.simple(["a", "${b}"])]),
        ("a ${b}c{", [.opening(["a", "${b}c"])]),
        ("a ${{b};", [.simple(["a", "${{b}"])]),
        ("a b${c}d;", [.simple(["a", "b${c}d"])]),
        ("a \"${b\";", [.simple(["a", "${b"])]),
        ("a b$ {", [.opening(["a", "b$"])]),
        ("a $$ ;", [.simple(["a", "$$"])]),
        // A backslash keeps what follows in the word, and mostly stays there itself.
        (#"a\ b;"#, [.simple([#"a\ b"#])]),
        (#"a b\;c;"#, [.simple(["a", #"b\;c"#])]),
        (#"a b\{c;"#, [.simple(["a", #"b\{c"#])]),
        (##"a \#b;"##, [.simple(["a", ##"\#b"##])]),
        (#"a \$b \z;"#, [.simple(["a", #"\$b"#, #"\z"#])]),
        ("a\\\nb;", [.simple(["a\\\nb"])]),
        (#"a \"b\" \'c\';"#, [.simple(["a", "\"b\"", "'c'"])]),
        (#"a "b\"c" 'd\'e';"#, [.simple(["a", "b\"c", "d'e"])]),
        (#"a \t\r\n;"#, [.simple(["a", "\t\r\n"])]),
        (#"a "b\\nc";"#, [.simple(["a", #"b\nc"#])]),
        (#"a b\\;"#, [.simple(["a", #"b\"#])]),
        (#"dae\mon on;"#, [.simple([#"dae\mon"#, "on"])]),
        // Neither form feed nor vertical tab nor no-break space is blank.
        ("a\u{0c}b\u{0b}c\u{a0}d;", [.simple(["a\u{0c}b\u{0b}c\u{a0}d"])]),
        ("größe λ;", [.simple(["größe", "λ"])]),
    ]

    @Test(arguments: good)
    func `words are cut as nginx cuts them`(_ text: String, _ expected: [Statement]) {
        let (statements, fault) = Self.statements(text)
        #expect(statements == expected)
        #expect(fault == nil)
        #expect(Self.statements(text, from: .commandLine).0 == expected)
    }

    @Test func `bytes that are not UTF-8 stay as they are`() {
        #expect(Self.statements([0x61, 0x20, 0x80, 0xff, 0x3b]).0 == [.simple(["a", Word([0x80, 0xff])])])
    }

    private static let bad: [(String, String)] = [
        (";", #"unexpected ";" in F:1"#),
        ("\n {", #"unexpected "{" in F:2"#),
        ("a; ;", #"unexpected ";" in F:1"#),
        ("use epoll }", #"unexpected "}" in F:1"#),
        (#""a"b;"#, #"unexpected "b" in F:1"#),
        ("'a'}", #"unexpected "}" in F:1"#),
        (#""a"'b';"#, #"unexpected "'" in F:1"#),
        ("\"a\"#b;", "unexpected \"#\" in F:1"),
        (#""a"\;"#, #"unexpected "\" in F:1"#),
        ("'a\n'\u{1b}", #"unexpected "<U+001B>" in F:2"#),
        ("daemon", #"unexpected end of file, expecting ";" or "}" in F:1"#),
        ("\ndaemon on", #"unexpected end of file, expecting ";" or "}" in F:2"#),
        ("\ndaemon on\n", #"unexpected end of file, expecting ";" or "}" in F:3"#),
        ("a #b", #"unexpected end of file, expecting ";" or "}" in F:1"#),
        (#"a ""#, #"unexpected end of file, expecting ";" or "}" in F:1"#),
        (#""a""#, #"unexpected end of file, expecting ";" or "}" in F:1"#),
        ("'", #"unexpected end of file, expecting ";" or "}" in F:1"#),
        ("a \\", #"unexpected end of file, expecting ";" or "}" in F:1"#),
        ("\na\0b;", "a NUL byte in the configuration, which must be plain text, not UTF-16 or binary in F:2"),
        ("\0", "a NUL byte in the configuration, which must be plain text, not UTF-16 or binary in F:1"),
        ("'a'\0", "a NUL byte in the configuration, which must be plain text, not UTF-16 or binary in F:1"),
        ("a \\\0;", "a NUL byte in the configuration, which must be plain text, not UTF-16 or binary in F:1"),
    ]

    @Test(arguments: bad)
    func `what is no statement is refused in nginx's words`(_ text: String, _ message: String) {
        #expect(Self.statements(text).1 == message)
    }

    @Test(arguments: [
        ("daemon on", #"unexpected end of parameter, expecting ";" in command line"#),
        ("'", #"unexpected end of parameter, expecting ";" in command line"#),
        ("a\n;;", #"unexpected ";" in command line"#),
        (#""a"b;"#, #"unexpected "b" in command line"#),
    ])
    func `the text of -g has no lines`(_ text: String, _ message: String) {
        #expect(Self.statements(text, from: .commandLine).1 == message)
    }

    @Test(arguments: [
        ([0xef, 0xbb, 0xbf, 0x61, 0x3b], "UTF-8"), ([0xff, 0xfe, 0x61, 0x00], "UTF-16"),
        ([0xfe, 0xff, 0x00, 0x61], "UTF-16"),
    ] as [([UInt8], String)])
    func `a byte order mark is named as such`(_ bytes: [UInt8], _ encoding: String) {
        #expect(
            Self.statements(bytes).1
                == "the text starts with a byte order mark (\(encoding)), save it as plain UTF-8 without one in F:1")
    }

    @Test func `a NUL in a comment harms nobody`() {
        #expect(Self.statements("#\0\na;").0 == [.simple(["a"])])
    }

    @Test(arguments: [
        ("", 4095, nil), ("\"", 4095, nil), ("'", 4095, nil),
        ("", 4096, #"too long parameter "aaaaaaaaaa..." started in F:2"#),
        ("\"", 4096, #"too long parameter, probably missing terminating """ character in F:2"#),
        ("'", 4096, #"too long parameter, probably missing terminating "'" character in F:2"#),
    ] as [(String, Int, String?)])
    func `a word in a file has 4095 bytes at most`(_ quote: String, _ length: Int, _ message: String?) {
        let word = String(repeating: "a", count: length)
        #expect(Self.statements("x\n\(quote)\(word)\(quote);").1 == message)
        #expect(Self.statements("x\n\(quote)\(word)\(quote);", from: .commandLine).0 == [.simple(["x", Word(Array(word.utf8))])])
    }

    @Test func `the length is counted before unescaping, and blamed on the line where the word starts`() {
        let escaped = String(repeating: #"\""#, count: 2047)
        #expect(Self.statements("x \"\(escaped)\";").1 == nil)
        #expect(Self.statements("\nx \"\(escaped)\n\\\";").1 == #"too long parameter, probably missing terminating """ character in F:2"#)
    }

    @Test func `a comment may be of any length`() {
        #expect(Self.statements("#" + String(repeating: "c", count: 10_000) + "\na;").0 == [.simple(["a"])])
    }

    @Test func `a statement's position is the line of its last byte`() throws {
        var lexer = Lexer(Array("a\n\nb\n;c\n{\n\n}".utf8), from: .file("F"))
        var lines: [Position] = []
        while try lexer.next() != .end { lines.append(lexer.position) }
        #expect(lines == [.file("F", line: 4), .file("F", line: 5), .file("F", line: 7)])
    }

    @Test(arguments: [
        (#"a b\ c;"#, " "), (#"a b\;c;"#, ";"), (#"a "\$b";"#, "$"), (##"a \#b;"##, "#"), (#"a \{;"#, "{"),
    ])
    func `a backslash that stays is warned of once`(_ text: String, _ character: String) throws {
        var lexer = Lexer(Array(text.utf8), from: .file("F"))
        _ = try lexer.next()
        #expect(lexer.takeWarnings() == ["the backslash before \"\(character)\" stays a part of the word in F:1"])
        #expect(lexer.takeWarnings() == [])
    }

    @Test(arguments: [#"a \z;"#, #"a "b\"c\\d\n";"#])
    func `a backslash that does what it seems to is not warned of`(_ text: String) throws {
        var lexer = Lexer(Array(text.utf8), from: .file("F"))
        _ = try lexer.next()
        #expect(lexer.takeWarnings() == [])
    }

    @Test(arguments: good.map(\.0) + bad.map(\.0))
    func `a text cut short anywhere gives its first statements, then its end`(_ text: String) {
        let whole = Self.statements(text).0
        for byteCount in 0..<text.utf8.count {
            #expect(whole.starts(with: Self.statements(Array(text.utf8.prefix(byteCount))).0))
        }
    }
}
