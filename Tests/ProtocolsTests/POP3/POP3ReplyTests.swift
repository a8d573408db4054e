import TestSupport
import Testing

@testable import Protocols

@Suite struct POP3ReplyTests {
    private static let replies: [(String, POP3Reply)] = [
        ("+OK", .ok), ("+OK POP3 ready <1.2@host>", .ok),
        ("-ERR", .error(isTemporary: false)), ("-ERR [AUTH] wrong password", .error(isTemporary: false)),
        ("-ERR [SYS/TEMP] later", .error(isTemporary: true)), ("-ERR [SYS/PERM] never", .error(isTemporary: true)),
        ("-ERR [in-use] locked", .error(isTemporary: true)), ("-ERR [LOGIN-DELAY] slow down", .error(isTemporary: true)),
        ("-ERR no [IN-USE] here", .error(isTemporary: false)),
        ("+", .challenge([])), ("+ ", .challenge([])), ("+ AQ==", .challenge(Array("AQ==".utf8))),
        ("", .other), ("OK", .other), ("+ok", .other), ("220 mx", .other), ("* OK", .other), ("+X", .other),
    ]

    @Test(arguments: replies, ["\r\n", "\n"])
    func `a reply is known by how it begins`(_ reply: (String, POP3Reply), _ end: String) {
        let bytes = Array((reply.0 + end).utf8)
        #expect(POP3Reply.parse(bytes.span) == .complete(reply.1, byteCount: bytes.count))
    }

    @Test(arguments: replies.map(\.0))
    func `a reply cut short anywhere waits for the rest`(_ reply: String) {
        for byteCount in 0...reply.utf8.count {
            #expect(POP3Reply.parse(Array((reply + "\r").utf8.prefix(byteCount)).span) == .incomplete)
        }
    }

    @Test func `no bytes whatever trap the parser`() {
        var random = SeededBytes(seed: 995)
        for round in 0..<100_000 {
            let bytes = random.mutate(Array((Self.replies[round % Self.replies.count].0 + "\r\n").utf8))
            if case .invalid = POP3Reply.parse(bytes.span) { Issue.record("every line is a reply of some kind") }
        }
    }
}
