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

    private func read(_ lines: [String], into reply: inout SMTPReply) -> [SMTPReply.Progress] {
        lines.map { line in
            let bytes = Array((line + "\r\n").utf8)
            let (progress, byteCount) = reply.read(bytes.span)
            #expect(byteCount == bytes.count)
            return progress
        }
    }

    @Test func `a reply is whole with the line that has no hyphen`() {
        var reply = SMTPReply()
        #expect(read(["250-mx.example", "250-SIZE", "250 AUTH PLAIN"], into: &reply) == [.partial, .partial, .whole])
        #expect(reply.code == 250)
        #expect(reply.text == Array("AUTH PLAIN".utf8))
        #expect(reply.bytes == Array("250-mx.example\r\n250-SIZE\r\n250 AUTH PLAIN\r\n".utf8))
    }

    @Test func `lines that have come are read together, and none beyond the reply's end`() {
        let text = "250-mx.example\r\n250-SIZE\r\n250 AUTH PLAIN\r\n"
        for byteCount in 0..<text.utf8.count {
            let (start, rest) = (Array(text.utf8.prefix(byteCount)), Array((text + "220 next\r\n").utf8.dropFirst(byteCount)))
            var reply = SMTPReply()
            let first = reply.read(start.span)
            #expect(first.progress == .partial)
            let left = start.dropFirst(first.byteCount) + rest
            let second = reply.read(Array(left).span)
            #expect(second == (.whole, text.utf8.count - first.byteCount))
            #expect(reply.bytes == Array(text.utf8) && reply.text == Array("AUTH PLAIN".utf8))
        }
    }

    @Test func `a reply of two codes says nothing`() {
        var reply = SMTPReply()
        #expect(read(["250-fine", "550 not so"], into: &reply) == [.partial, .malformed])
    }

    @Test func `a reply grows to 64 KiB and no further`() {
        var reply = SMTPReply()
        let line = "250-" + String(repeating: "x", count: 1018)
        #expect(read(Array(repeating: line, count: 64), into: &reply) == Array(repeating: .partial, count: 64))
        #expect(reply.bytes.count == SMTPReply.maxByteCount)
        #expect(read(["250 x"], into: &reply) == [.tooLong])
    }

    @Test func `a line that has not come whole is waited for, but not beyond 64 KiB`() {
        var reply = SMTPReply()
        #expect(read(["250-mx.example"], into: &reply) == [.partial])
        let rest = Array(repeating: UInt8(ascii: "2"), count: SMTPReply.maxByteCount - reply.bytes.count)
        #expect(reply.read(rest.span) == (.partial, 0))
        #expect(reply.read((rest + [0x32]).span) == (.tooLong, 0))
    }

    @Test func `the next reply begins with nothing of the last`() {
        var reply = SMTPReply()
        #expect(read(["250 fine"], into: &reply) == [.whole])
        reply.begin()
        #expect(reply == SMTPReply())
        #expect(read(["550 no"], into: &reply) == [.whole])
        #expect(reply.bytes == Array("550 no\r\n".utf8))
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
