import TestSupport
import Testing

@testable import Protocols

@Suite struct SMTPReplyTests {
    @Test(arguments: [
        ("220 mx.example ready\r\n", SMTPReplyLine(code: 220, isLast: true, text: 4..<20), 22),
        ("250-SIZE\r\n", SMTPReplyLine(code: 250, isLast: false, text: 4..<8), 10),
        ("250\r\n", SMTPReplyLine(code: 250, isLast: true, text: 3..<3), 5),
        ("250-\n", SMTPReplyLine(code: 250, isLast: false, text: 4..<4), 5),
        ("599 no\n220 x\r\n", SMTPReplyLine(code: 599, isLast: true, text: 4..<6), 7),
    ])
    func `a line is known by its code and by what stands behind it`(
        _ text: String, _ line: SMTPReplyLine, _ byteCount: Int
    ) {
        #expect(SMTPReplyLine.parse(Array(text.utf8).span) == .complete(line, byteCount: byteCount))
    }

    @Test(arguments: ["2x0 no", "", "25", "+OK", "150 early", "600 late", "-50 x", " 250 x"])
    func `a line without a code is none`(_ text: String) {
        let bytes = Array((text + "\r\n").utf8)
        #expect(SMTPReplyLine.parse(bytes.span) == .invalid(.replyCode, byteCount: bytes.count))
    }

    @Test(arguments: ["250-mx.example", "2x0"])
    func `a line cut short anywhere waits for the rest`(_ text: String) {
        for byteCount in 0...text.utf8.count {
            #expect(SMTPReplyLine.parse(Array((text + "\r").utf8.prefix(byteCount)).span) == .incomplete)
        }
    }

    private func add(_ lines: [String], to reply: inout SMTPReply) -> [SMTPReply.Progress] {
        lines.map { reply.add(Array(($0 + "\r\n").utf8).span) }
    }

    @Test func `a reply is whole with the line that has no hyphen`() {
        var reply = SMTPReply()
        #expect(add(["250-mx.example", "250-SIZE", "250 AUTH PLAIN"], to: &reply) == [.partial, .partial, .whole])
        #expect(reply.code == 250)
        #expect(reply.text == Array("AUTH PLAIN".utf8))
        #expect(reply.bytes == Array("250-mx.example\r\n250-SIZE\r\n250 AUTH PLAIN\r\n".utf8))
    }

    @Test func `a reply of two codes says nothing`() {
        var reply = SMTPReply()
        #expect(add(["250-fine", "550 not so"], to: &reply) == [.partial, .malformed])
    }

    @Test func `a reply grows to 64 KiB and no further`() {
        var reply = SMTPReply()
        let line = "250-" + String(repeating: "x", count: 1018)
        #expect(add(Array(repeating: line, count: 64), to: &reply) == Array(repeating: .partial, count: 64))
        #expect(reply.bytes.count == SMTPReply.maxByteCount)
        #expect(add(["250 x"], to: &reply) == [.tooLong])
    }

    @Test func `no bytes whatever trap the parser`() {
        var random = SeededBytes(seed: 250)
        let line = Array("250-mx.example\r\n".utf8)
        for round in 0..<100_000 {
            let bytes = round % 4 == 0 ? random.bytes(count: random.below(20)) : random.mutate(line)
            if case .complete(let reply, let byteCount) = SMTPReplyLine.parse(bytes.span) {
                #expect(reply.text.upperBound < byteCount)
            }
        }
    }
}
