import Protocols
import TestSupport
import Testing

/// Parses as a client would be served: every literal it has to be asked for is asked for. Also gives
/// the places of those literals.
private func parse(_ bytes: [UInt8]) -> (input: IMAPInput, literals: [Int]) {
    var literals: [Int] = []
    while true {
        let input = IMAPCommand.parse(bytes.span, continuedAt: literals.last ?? 0)
        guard case .awaitsContinuation(let position) = input else { return (input, literals) }
        literals.append(position)
    }
}

private func command(_ tag: String, _ name: IMAPCommand.Name, _ arguments: [String] = []) -> IMAPCommand {
    IMAPCommand(tag: Array(tag.utf8), name, arguments.map { Secret(Array($0.utf8)) })
}

private func rejection(_ fault: ParseFault, _ tag: String?, losesLiteral: Bool = false) -> IMAPRejection {
    IMAPRejection(fault, tag: tag.map { Array($0.utf8) }, losesLiteral: losesLiteral)
}

private let longestTag = String(repeating: "x", count: 32)

/// Each text is one whole command.
private let commands: [(String, IMAPCommand)] = [
    ("a NOOP\r\n", command("a", .noop)),
    ("a noop\n", command("a", .noop)),
    ("a NOOP   \r\n", command("a", .noop)),
    ("a.B-c_9   NoOp\r\n", command("a.B-c_9", .noop)),
    (" NOOP\r\n", command("", .noop)),
    ("\(longestTag) NOOP\r\n", command(longestTag, .noop)),
    ("a NOOP 1 2 3\r\n", command("a", .noop, ["1", "2", "3"])),
    ("a LOGOUT\r\n", command("a", .logout)),
    ("a CAPABILITY\r\n", command("a", .capability)),
    ("a STARTTLS\r\n", command("a", .startTLS)),
    ("a AUTHENTICATE PLAIN =\r\n", command("a", .authenticate, ["PLAIN", "="])),
    // Atoms: anything after the first byte.
    ("a LOGIN u p\r\n", command("a", .login, ["u", "p"])),
    ("a LOGIN   u\"{}\\   p\0é  \r\n", command("a", .login, ["u\"{}\\", "p\0é"])),
    // Quoted strings.
    ("a LOGIN \"u v\" \"\"\r\n", command("a", .login, ["u v", ""])),
    ("a LOGIN \"a\"\"b\"\r\n", command("a", .login, ["a", "b"])),
    ("a LOGIN \"a\"b\r\n", command("a", .login, ["a", "b"])),
    ("a LOGIN \"\\\"\\\\\\x{\" p\r\n", command("a", .login, ["\"\\x{", "p"])),
    ("a LOGIN \"\\\\\" \"\\\\\\\\\"\r\n", command("a", .login, ["\\", "\\\\"])),
    // Literals, with and without being asked for.
    ("a LOGIN {4}\r\nuser {4}\r\npass\r\n", command("a", .login, ["user", "pass"])),
    ("a LOGIN {4+}\r\nuser {4+}\npass\n", command("a", .login, ["user", "pass"])),
    ("a LOGIN {3+}\r\r\n\r\n  p\r\n", command("a", .login, ["\r\n ", "p"])),
    ("a LOGIN {4}\r\n{1+} p\r\n", command("a", .login, ["{1+}", "p"])),
    ("a LOGIN {007}\r\nseven77 p\r\n", command("a", .login, ["seven77", "p"])),
    ("a LOGIN {0}\r\n {0+}\r\n\r\n", command("a", .login, ["", ""])),
    ("a LOGIN {0+}\r\n {1+}\r\nx\r\n", command("a", .login, ["", "x"])),
    ("a AUTHENTICATE {5+}\r\nPLAIN\r\n", command("a", .authenticate, ["PLAIN"])),
]

/// Each text is one whole line that is no command.
private let rejections: [(String, IMAPRejection)] = [
    ("\r\n", rejection(.tag, nil)),
    ("\n", rejection(.tag, nil)),
    ("a\r\n", rejection(.tag, nil)),
    ("+a NOOP\r\n", rejection(.tag, nil)),
    ("*** x y\r\n", rejection(.tag, nil)),
    ("a% NOOP\n", rejection(.tag, nil)),
    ("\(longestTag)x NOOP\r\n", rejection(.tag, nil)),
    ("\u{16}\u{3}\u{1}\0\n", rejection(.tag, nil)),
    ("a \r\n", rejection(.command, "a")),
    ("a FOO\r\n", rejection(.command, "a")),
    ("a NOOPS\r\n", rejection(.command, "a")),
    ("a NO-OP\r\n", rejection(.command, "a")),
    ("a IDLE\r\n", rejection(.command, "a")),
    ("a LOGIN {1}\r\nu)\r\n", rejection(.literal, "a")),
    (" \r\n", rejection(.command, "")),
    ("a NOOP 1 2 3 4\r\n", rejection(.tooManyArguments, "a")),
    ("a NOOP \"1\"\"2\"\"3\"\"4\"\r\n", rejection(.tooManyArguments, "a")),
    ("a NOOP\r x\r\n", rejection(.lineEnd, "a")),
    ("a LOGIN u\rv p\r\n", rejection(.lineEnd, "a")),
    ("a LOGIN u p\r\r\n", rejection(.lineEnd, "a")),
    ("a LOGIN \"abc\r\n", rejection(.argument, "a")),
    ("a LOGIN \"abc\\\r\n", rejection(.argument, "a")),
    ("a LOGIN \"abc\\\n", rejection(.argument, "a")),
    ("a LOGIN \"abc\r\" p\r\n", rejection(.argument, "a")),
    ("a LOGIN {}\r\n", rejection(.literal, "a")),
    ("a LOGIN {+}\r\n", rejection(.literal, "a", losesLiteral: true)),
    ("a LOGIN {x}\r\n", rejection(.literal, "a")),
    ("a LOGIN {-1}\r\n", rejection(.literal, "a")),
    ("a LOGIN {1\r\n", rejection(.literal, "a")),
    ("a LOGIN {1+\r\n", rejection(.literal, "a")),
    ("a LOGIN {1++}\r\n", rejection(.literal, "a", losesLiteral: true)),
    ("a LOGIN {1}x\r\n", rejection(.literal, "a")),
    ("a LOGIN {1} \r\n", rejection(.literal, "a")),
    ("a LOGIN {9223372036854775808}\r\n", rejection(.literal, "a")),
    ("a LOGIN {18446744073709551617+}\r\n", rejection(.literal, "a", losesLiteral: true)),
    ("a LOGIN {1}\r\nuv p\r\n", rejection(.literal, "a")),
    ("a LOGIN {1+}\r\nu{1+}\r\n", rejection(.literal, "a", losesLiteral: true)),
    // The data of a literal in a skipped line cannot be told from commands.
    ("a FOO {5+}\r\n", rejection(.command, "a", losesLiteral: true)),
    ("* FOO {5+}\n", rejection(.tag, nil, losesLiteral: true)),
    ("a NOOP 1 2 3 {5+}\r\n", rejection(.tooManyArguments, "a", losesLiteral: true)),
    ("a FOO {5}\r\n", rejection(.command, "a")),
    ("a FOO {5+} \r\n", rejection(.command, "a")),
]

@Suite struct IMAPCommandTests {
    @Test(arguments: commands)
    func `a command is its tag, its name and its arguments`(_ text: String, _ expected: IMAPCommand) {
        let bytes = Array(text.utf8)
        #expect(parse(bytes).input == .command(expected, byteCount: bytes.count))
    }

    @Test(arguments: commands)
    func `a command ends where it ends, whatever follows`(_ text: String, _ expected: IMAPCommand) {
        let bytes = Array(text.utf8)
        #expect(parse(bytes + Array("\r\nb NOOP {9+}".utf8)).input == .command(expected, byteCount: bytes.count))
    }

    @Test(arguments: commands)
    func `a command cut anywhere waits for the rest`(_ text: String, _: IMAPCommand) {
        let bytes = Array(text.utf8)
        for count in bytes.indices { #expect(parse(Array(bytes.prefix(count))).input == .incomplete) }
    }

    @Test(arguments: rejections)
    func `a line that is no command is skipped as a whole`(_ text: String, _ expected: IMAPRejection) {
        let bytes = Array(text.utf8)
        #expect(parse(bytes).input == .invalid(expected, byteCount: bytes.count))
        #expect(parse(bytes + Array("b NOOP\r\n".utf8)).input == .invalid(expected, byteCount: bytes.count))
    }

    @Test(arguments: rejections)
    func `a bad line is not judged before its end`(_ text: String, _: IMAPRejection) {
        let bytes = Array(text.utf8)
        for count in bytes.indices { #expect(parse(Array(bytes.prefix(count))).input == .incomplete) }
    }

    @Test(arguments: [
        ("a LOGIN {4}\r\nuser {4}\r\npass\r\n", [13, 23]),
        ("a LOGIN {4}\r\nuser {4+}\r\npass\r\n", [13]),
        ("a LOGIN {4+}\r\nuser {4}\r\npass\r\n", [24]),
        ("a LOGIN {4+}\r\nuser {4+}\r\npass\r\n", []),
        ("a LOGIN {0}\r\n {0}\r\n\r\n", [13, 19]),
        ("a LOGIN \"{4}\" p\r\n", []),
        ("a FOO {4}\r\n", []),
    ])
    func `a client is asked for each literal that waits to be asked for`(_ text: String, _ positions: [Int]) {
        let bytes = Array(text.utf8)
        #expect(parse(bytes).literals == positions)
        for count in bytes.indices {
            #expect(parse(Array(bytes.prefix(count))).literals == positions.filter { $0 <= count })
        }
    }

    @Test func `a literal longer than any buffer waits for ever, and traps nobody`() {
        let bytes = Array("a LOGIN {\(Int.max)}\r\nuser".utf8)
        #expect(parse(bytes).input == .incomplete)
    }

    @Test(arguments: [
        ("a LOGIN {9999}", "a", IMAPCommand.Name.login), ("a authenticate plain ", "a", .authenticate),
        ("a FOO", "a", nil), ("a ", "a", nil), ("* LOGIN ", nil, nil), ("abc", nil, nil), ("", nil, nil),
    ])
    func `the opening of a command that is too long is told as far as it can be read`(
        _ text: String, _ tag: String?, _ name: IMAPCommand.Name?
    ) {
        let bytes = Array(text.utf8)
        let opening = IMAPCommand.opening(of: bytes.span)
        #expect(opening.tag == tag.map { Array($0.utf8) })
        #expect(opening.name == name)
    }

    @Test func `any bytes are answered without a trap, and what is used up is there`() {
        let samples = (commands.map(\.0) + rejections.map(\.0)).map { Array($0.utf8) }
        var random = SeededBytes(seed: 3)
        for round in 0..<100_000 {
            let bytes = random.mutate(samples[round % samples.count])
            switch parse(bytes).input {
            case .command(let command, let byteCount):
                if byteCount > bytes.count || bytes[byteCount - 1] != 10 || command.arguments.count > 3 {
                    Issue.record("\(bytes)")
                }
            case .invalid(_, let byteCount):
                if byteCount > bytes.count || bytes[byteCount - 1] != 10 { Issue.record("\(bytes)") }
            case .incomplete, .awaitsContinuation:
                break
            }
        }
    }
}
