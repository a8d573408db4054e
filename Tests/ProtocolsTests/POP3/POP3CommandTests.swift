import TestSupport
import Testing

@testable import Protocols

@Suite struct POP3CommandTests {
    private static func secret(_ text: String) -> Secret { Secret(Array(text.utf8)) }
    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static let readable: [(String, POP3Command)] = [
        ("USER joe", .user(bytes("joe"))),
        ("user   joe", .user(bytes("joe"))),
        ("USER joe of here ", .user(bytes("joe of here "))),
        ("USER", .misused),
        ("USER   ", .misused),
        ("PASS  my pass ", .pass(secret("my pass "))),
        ("PASS a b c d e", .pass(secret("a b c d e"))),
        ("PASS p\u{1}\0\u{7F}é", .pass(secret("p\u{1}\0\u{7F}é"))),
        ("PASS", .misused),
        ("APOP joe 0123", .apop(user: bytes("joe"), digest: secret("0123"))),
        ("apop  joe   0123  ", .apop(user: bytes("joe"), digest: secret("0123"))),
        ("APOP joe", .misused),
        ("APOP joe 0 1", .misused),
        ("AUTH", .listMechanisms),
        ("AUTH ", .listMechanisms),
        ("aUTH plain", .auth(mechanism: bytes("plain"), initialResponse: nil)),
        ("AUTH PLAIN AGEAYg==", .auth(mechanism: bytes("PLAIN"), initialResponse: secret("AGEAYg=="))),
        ("AUTH PLAIN a b", .misused),
        ("CAPA", .capa), ("capa 1 2 3", .capa), ("NOOP", .noop), ("NOOP   ", .noop), ("QUIT now", .quit),
        ("XCLIENT", .xclient([])), ("xclient A=1  B=", .xclient([bytes("A=1"), bytes("B=")])),
        ("XCLIENT 1 2 3 4 5 6 7 8", .xclient((1...8).map { bytes("\($0)") })),
        ("stls", .stls), ("STLS please", .stls),
    ]

    private static let unreadable: [(String, ParseFault)] = [
        ("", .command), (" NOOP", .command), ("STAT", .command), ("LIST 1", .command), ("RETR 1", .command),
        ("NOO", .command), ("NOOPS", .command), ("N0OP", .command), ("NOOP\t", .command), ("*", .command),
        ("STARTTLSX", .command), ("ſTLS", .command),
        ("XCLIENT 1 2 3 4 5 6 7 8 9", .tooManyArguments), ("XCLIENT a\rb", .lineEnd),
        ("NOOP 1 2 3 4", .tooManyArguments), ("APOP a b c d", .tooManyArguments), ("AUTH a b c d", .tooManyArguments),
        ("NOOP\r1", .command), ("NOOP \r", .lineEnd), ("USER jo\re", .lineEnd), ("PASS \r", .lineEnd),
        ("NOOP\r", .command), ("\rNOOP", .command),
    ]

    @Test(arguments: readable, ["\r\n", "\n"])
    func `a command is read, whether CR LF ends it or LF alone`(_ command: (String, POP3Command), _ end: String) {
        let bytes = Array((command.0 + end).utf8)
        #expect(POP3Command.parse(bytes.span) == .complete(command.1, byteCount: bytes.count))
    }

    @Test(arguments: unreadable)
    func `a line that is no command is skipped whole`(_ line: String, _ fault: ParseFault) {
        let bytes = Array((line + "\r\nNOOP\r\n").utf8)
        #expect(POP3Command.parse(bytes.span) == .invalid(fault, byteCount: line.utf8.count + 2))
    }

    @Test(arguments: readable.map(\.0) + unreadable.map(\.0))
    func `a line cut short anywhere waits for the rest`(_ line: String) {
        for byteCount in 0...line.utf8.count {
            let start = Array((line + "\r").utf8.prefix(byteCount))
            #expect(POP3Command.parse(start.span) == .incomplete)
        }
    }

    @Test func `what is pipelined behind a command does not change it`() {
        let bytes = Array("USER joe\r\nPASS secret\r\n".utf8)
        #expect(POP3Command.parse(bytes.span) == .complete(.user(Self.bytes("joe")), byteCount: 10))
    }

    @Test func `no bytes whatever trap the parser`() {
        var random = SeededBytes(seed: 110)
        let lines = (Self.readable.map(\.0) + Self.unreadable.map(\.0)).map { Array(($0 + "\r\n").utf8) }
        for round in 0..<100_000 {
            let bytes = round % 4 == 0 ? random.bytes(count: random.below(40)) : random.mutate(lines[round % lines.count])
            switch POP3Command.parse(bytes.span) {
            case .complete(_, let byteCount), .invalid(_, let byteCount): #expect(bytes[byteCount - 1] == .lineFeed)
            case .incomplete: #expect(!bytes.contains(.lineFeed))
            }
        }
    }
}
