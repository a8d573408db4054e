import Protocols
import TestSupport
import Testing

@Suite struct IMAPUpstreamReplyTests {
    private static let lines: [(String, IMAPUpstreamReply)] = [
        ("* OK ready\r\n", .untagged(.ok, code: [])),
        ("* OK\r\n", .untagged(.ok, code: [])),
        ("* ok [capability IMAP4rev1 LITERAL+] hi\n", .untagged(.ok, code: ["CAPABILITY", "IMAP4REV1", "LITERAL+"])),
        ("* OK [CAPABILITY x\r\n", .untagged(.ok, code: [])),
        ("* OK not a [CODE]\r\n", .untagged(.ok, code: [])),
        ("* OK []\r\n", .untagged(.ok, code: [])),
        ("* OKAY\r\n", .data),
        ("* NO slow\r\n", .untagged(.no, code: [])),
        ("* BAD what\r\n", .untagged(.bad, code: [])),
        ("* BYE\r\n", .untagged(.bye, code: [])),
        ("* PREAUTH hi\r\n", .untagged(.preauth, code: [])),
        ("* CAPABILITY IMAP4rev1\r\n", .data),
        ("*\r\n", .data),
        ("* \r\n", .data),
        ("+ OK\r\n", .continuation(Array("OK".utf8))),
        ("+ \r\n", .continuation([])),
        ("+\r\n", .continuation([])),
        ("+OK\r\n", .unknown),
        ("a1 OK done\r\n", .tagged(.ok, code: [])),
        ("a1 NO [UNAVAILABLE] later\r\n", .tagged(.no, code: ["UNAVAILABLE"])),
        ("a1 bad\r\n", .tagged(.bad, code: [])),
        ("a1 OKAY\r\n", .unknown),
        ("a1\r\n", .unknown),
        ("A1 OK done\r\n", .unknown),
        ("a12 OK done\r\n", .unknown),
        ("a OK done\r\n", .unknown),
        ("\r\n", .unknown),
        ("220 mx.example\r\n", .unknown),
    ]

    @Test(arguments: lines)
    func `a line is known by its first words`(_ text: String, _ expected: IMAPUpstreamReply) {
        let bytes = Array(text.utf8)
        let tag = Array("a1".utf8)
        let alone = IMAPUpstreamReply.parse(bytes.span, tag: tag)
        #expect(alone == .complete(expected, byteCount: bytes.count))
        let joined = bytes + Array("a1 OK ]\r\n".utf8)
        let first = IMAPUpstreamReply.parse(joined.span, tag: tag)
        #expect(first == .complete(expected, byteCount: bytes.count))
    }

    @Test(arguments: lines)
    func `a line cut anywhere waits for the rest`(_ text: String, _: IMAPUpstreamReply) {
        let bytes = Array(text.utf8)
        for count in bytes.indices {
            let start = Array(bytes.prefix(count))
            let parsed = IMAPUpstreamReply.parse(start.span, tag: Array("a1".utf8))
            #expect(parsed == .incomplete)
        }
    }

    @Test func `a client without a tag has its replies known by the space`() {
        let bytes = Array(" OK done\r\n".utf8)
        let parsed = IMAPUpstreamReply.parse(bytes.span, tag: [])
        #expect(parsed == .complete(.tagged(.ok, code: []), byteCount: bytes.count))
    }

    @Test func `any bytes are read without a trap`() {
        var random = SeededBytes(seed: 5)
        for round in 0..<100_000 {
            let bytes = random.mutate(Array(Self.lines[round % Self.lines.count].0.utf8))
            if case .complete(_, let byteCount) = IMAPUpstreamReply.parse(bytes.span, tag: [0x61]),
                byteCount > bytes.count || bytes[byteCount - 1] != 10
            {
                Issue.record("\(bytes)")
            }
        }
    }
}
