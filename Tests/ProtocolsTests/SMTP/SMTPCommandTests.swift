import TestSupport
import Testing

@testable import Protocols

@Suite struct SMTPCommandTests {
    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    private static func line(_ text: String, bare: Bool = false) -> SMTPCommand.EnvelopeLine {
        var words = LineWords()
        words.append(0..<4)
        if !bare { words.append(5..<text.utf8.count) }
        return SMTPCommand.EnvelopeLine(words, of: bytes(text).span)
    }

    private static let readable: [(String, SMTPCommand)] = [
        ("HELO me", .helo(bytes("me"))), ("helo   me  ", .helo(bytes("me"))), ("HELO", .helo(nil)),
        ("HELO a b", .helo(nil)), ("EHLO [127.0.0.1]", .ehlo(bytes("[127.0.0.1]"))), ("EHLO ", .ehlo(nil)),
        ("AUTH", .bareAuth), ("AUTH   ", .bareAuth),
        ("AUTH plain", .auth(mechanism: bytes("plain"), initialResponse: nil)),
        ("auth PLAIN =", .auth(mechanism: bytes("PLAIN"), initialResponse: Secret(bytes("=")))),
        ("AUTH PLAIN a b", .overfullAuth),
        ("MAIL FROM: <a@b>  SIZE=1  ", .mail(line("MAIL FROM: <a@b>  SIZE=1"))),
        ("mail from:<é\0\u{1}>", .mail(line("mail from:<é\0\u{1}>"))),
        ("MAIL", .mail(line("MAIL", bare: true))), ("MAIL  ", .mail(line("MAIL", bare: true))),
        ("RCPT TO:<x> FOO=1", .rcpt(line("RCPT TO:<x> FOO=1"))), ("RCPT", .rcpt(line("RCPT", bare: true))),
        ("NOOP 1 2 3 4 5 6 7 8 9 10 11", .noop), ("RSET", .rset), ("QUIT", .quit), ("quit now", .quit),
        ("STARTTLS", .startTLS), ("starttls x", .startTLS), ("VRFY joe", .vrfy), ("EXPN list", .expn), ("HELP", .help),
        ("XCLIENT", .xclient([])), ("xclient A=B  c", .xclient([bytes("A=B"), bytes("c")])),
    ]

    private static let unreadable = [
        "", " NOOP", "DATA", "BDAT 1", "XCLIENTS A=B", "ETRN x", "NOO", "NOOPS", "STARTTL", "STARTTLSS", "AUTH\tPLAIN",
        "NOOP 1 2 3 4 5 6 7 8 9 10 11 12", "MAIL\rFROM:<a>", "MAIL FROM:<a>\r", "NOOP\r", "EHLO a\rb",
    ]

    @Test(arguments: readable, ["\r\n", "\n"])
    func `a command is read, whether CR LF ends it or LF alone`(_ command: (String, SMTPCommand), _ end: String) {
        let bytes = Array((command.0 + end).utf8)
        #expect(SMTPCommand.parse(bytes.span) == .complete(command.1, byteCount: bytes.count))
    }

    @Test(arguments: unreadable)
    func `a line that is no command is skipped whole`(_ line: String) {
        let bytes = Array((line + "\r\nNOOP\r\n").utf8)
        guard case .invalid(_, let byteCount) = SMTPCommand.parse(bytes.span) else {
            Issue.record("\(line) was read")
            return
        }
        #expect(byteCount == line.utf8.count + 2)
    }

    @Test(arguments: readable.map(\.0) + unreadable)
    func `a line cut short anywhere waits for the rest`(_ line: String) {
        for byteCount in 0...line.utf8.count {
            let start = Array((line + "\r").utf8.prefix(byteCount))
            #expect(SMTPCommand.parse(start.span) == .incomplete)
        }
    }

    @Test func `no bytes whatever trap the parser`() {
        var random = SeededBytes(seed: 25)
        let lines = (Self.readable.map(\.0) + Self.unreadable).map { Array(($0 + "\r\n").utf8) }
        for round in 0..<100_000 {
            let bytes = round % 4 == 0 ? random.bytes(count: random.below(40)) : random.mutate(lines[round % lines.count])
            switch SMTPCommand.parse(bytes.span) {
            case .complete(_, let byteCount), .invalid(_, let byteCount): #expect(bytes[byteCount - 1] == .lineFeed)
            case .incomplete: #expect(!bytes.contains(.lineFeed))
            }
        }
    }
}
