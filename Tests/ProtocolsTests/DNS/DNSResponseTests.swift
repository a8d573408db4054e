import TestSupport
import Testing

@testable import Protocols

@Suite struct DNSResponseTests {
    private static func name(_ text: String) -> DNSName { DNSName(Array(text.utf8))! }
    private static let question = DNSQuestion(.ipv4, of: name("mx.example"))

    private static func asked(_ question: DNSQuestion = question) -> NameQuestion {
        NameQuestion(bytes: question.encode(id: 0xABCD))
    }

    private static func message(_ records: NameRecord..., to question: DNSQuestion = question, code: UInt8 = 0) -> [UInt8] {
        NameAnswer.message(records, to: asked(question), code: code)
    }

    private static func parse(_ message: [UInt8]) -> Result<DNSResponse, DNSFault> {
        Result { () throws(DNSFault) in try DNSResponse.parse(message.span) }
    }

    private static func answer(_ records: NameRecord..., aliasCount: Int = 0) throws -> DNSResponse.Answer {
        try parse(NameAnswer.message(records, to: asked())).get().answer(to: question, aliasCount: aliasCount)
    }

    @Test func `a question is one name, with recursion`() {
        let name: [UInt8] = [2] + Array("mx".utf8) + [7] + Array("example".utf8) + [0]
        #expect(Self.question.encode(id: 0x1234) == [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name + [0, 1, 0, 1])
        #expect(DNSQuestion(.ipv6, of: Self.question.name).encode(id: 0).suffix(4) == [0, 28, 0, 1])
        #expect(Self.question.encodeForStream(id: 0x1234) == [0, 28] + Self.question.encode(id: 0x1234))
    }

    @Test func `an answer has the question in it, and records of both families, aliases and names`() throws {
        let response = try Self.parse(
            Self.message(
                .alias("Real.example"), .address("192.0.2.1", of: "real.example", lifetime: 60),
                .address("2001:db8::1", of: "real.example"), NameRecord(type: 16, data: [1, 0x61]), .pointer("x"))
        ).get()
        #expect(response.id == 0xABCD && response.code == 0 && !response.isTruncated && response.question == Self.question)
        #expect(
            response.records.map(\.value) == [
                .alias(Self.name("real.example")), .ipv4(0xC000_0201), .ipv6(0x2001_0DB8_0000_0000, 1), .pointer(Self.name("x")),
            ])
        #expect(response.records.map(\.lifetime) == [300, 60, 300, 300])
    }

    @Test func `a lifetime with its first bit set is none`() throws {
        for (lifetime, seconds) in [(0x7FFF_FFFF, 0x7FFF_FFFF), (0x8000_0000, 0), (0xFFFF_FFFF, 0)] as [(UInt32, Int)] {
            #expect(try Self.answer(.address("192.0.2.1", lifetime: lifetime)) == .values([.ipv4(0xC000_0201)], lifetime: seconds))
        }
    }

    @Test func `of a truncated message and of an error only the header and the question count`() throws {
        let truncated = try Self.parse(NameAnswer.message([.address("192.0.2.1")], to: Self.asked(), isTruncated: true)).get()
        #expect(truncated.isTruncated && truncated.records.isEmpty)
        let refused = try Self.parse(Self.message(.address("192.0.2.1"), code: 5)).get()
        #expect(refused.code == 5 && refused.records.isEmpty && refused.question == Self.question)
        // A server that could not even read the question may leave it out.
        #expect(try Self.parse([0, 7, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]).get().question == nil)
    }

    // MARK: Aliases

    @Test func `aliases in a message are followed to the records, whichever comes first`() throws {
        let answer = try Self.answer(
            .address("192.0.2.1", of: "c.example", lifetime: 50), .alias("c.example", of: "b.example", lifetime: 20),
            .alias("B.example"), .address("192.0.2.2", of: "c.example", lifetime: 40), .address("192.0.2.3", of: "other.example"))
        #expect(answer == .values([.ipv4(0xC000_0201), .ipv4(0xC000_0202)], lifetime: 20))
    }

    @Test func `an alias of which the message says nothing is to be asked for`() throws {
        #expect(
            try Self.answer(.alias("b.example"), .alias("c.example", of: "b.example", lifetime: 7), aliasCount: 3)
                == .alias(Self.name("c.example"), lifetime: 7, aliasCount: 5))
        #expect(try Self.answer(.address("192.0.2.1", of: "other.example")) == .none)
        #expect(try Self.answer(.address("2001:db8::1")) == .none)
    }

    @Test func `aliases are followed so far and no further`() throws {
        #expect(try Self.answer(.alias("mx.example")) == .endless)
        #expect(try Self.answer(.alias("b.example"), .alias("mx.example", of: "b.example")) == .endless)
        #expect(try Self.answer(.alias("b.example"), aliasCount: 49) == .alias(Self.name("b.example"), lifetime: 300, aliasCount: 50))
        #expect(try Self.answer(.alias("b.example"), aliasCount: 50) == .endless)
    }

    // MARK: Faults

    /// A header of an answer to one question, with `flags`.
    private static func header(_ flags: UInt16 = 0x8180, questions: UInt8 = 1, answers: UInt8 = 0) -> [UInt8] {
        [0, 7, UInt8(flags >> 8), UInt8(flags & 0xFF), 0, questions, 0, answers, 0, 0, 0, 0]
    }
    private static let asks: [UInt8] = [1, 0x61, 0, 0, 1, 0, 1]

    @Test(arguments: [
        ([], DNSFault.short, "short DNS response"),
        (Array(header().dropLast()), .short, "short DNS response"),
        (header(0x0100) + asks, .noResponse(id: 7, flags: 0x0100), "invalid UDP DNS response 7 fl:0100"),
        (header(0xA980) + asks, .noResponse(id: 7, flags: 0xA980), "invalid UDP DNS response 7 fl:A980"),
        (header(questions: 0), .questionCount, "invalid number of questions in DNS response"),
        (header(0x8183, questions: 2) + asks, .questionCount, "invalid number of questions in DNS response"),
        (header(), .unexpectedEnd, "unexpected end of DNS response"),
        (header() + [0xC0, 12, 0, 1, 0, 1], .compression, "unexpected compression pointer in DNS response"),
        (header() + [0x41, 0, 0, 1, 0, 1], .name, "invalid name in DNS response"),
        (header() + [1, 0x61, 0, 0, 99, 0, 1], .queryType(99), "unknown query type 99 in DNS response"),
        (header() + [1, 0x61, 0, 0, 1, 0, 3], .queryClass(3), "unknown query class 3 in DNS response"),
        (header(answers: 1) + asks, .unexpectedEnd, "unexpected end of DNS response"),
        (message(NameRecord(type: 1, data: [1, 2, 3])), .record(.ipv4), "invalid A record in DNS response"),
        (message(NameRecord(type: 28, data: [1, 2, 3, 4])), .record(.ipv6), "invalid AAAA record in DNS response"),
        (message(NameRecord(type: 12, data: [1, 0x61, 0, 0])), .record(.pointer), "invalid PTR record in DNS response"),
        (message(NameRecord(type: 5, data: [0xC0, 12, 0])), .record(.alias), "invalid CNAME record in DNS response"),
    ] as [([UInt8], DNSFault, String)])
    func `what is no answer is known as what it is`(_ message: [UInt8], _ fault: DNSFault, _ text: String) {
        #expect(Self.parse(message) == .failure(fault))
        #expect(fault.text(over: "UDP") == text)
    }

    @Test func `an answer cut short anywhere is none`() throws {
        let message = Self.message(.alias("b.example"), .address("192.0.2.1", of: "b.example"), .address("2001:db8::1"))
        for count in message.indices {
            #expect((try? Self.parse(Array(message.prefix(count))).get()) == nil, "\(count) bytes")
        }
    }

    @Test func `records beyond those that are looked at change nothing`() throws {
        let records = (0..<300).map { _ in NameRecord.address("192.0.2.1") }
        #expect(try Self.parse(NameAnswer.message(records, to: Self.asked())).get().records.count == 256)
    }

    @Test func `whatever comes instead of an answer, reading it ends`() {
        var random = SeededBytes(seed: 5)
        let names = (0..<20).map { Self.message(.alias("a\($0).example"), .pointer("b\($0)"), .address("192.0.2.1")) }
        for round in 0..<20_000 {
            let message = round.isMultiple(of: 4) ? random.bytes(count: random.below(80)) : random.mutate(names[round % names.count])
            guard case .success(let response) = Self.parse(message) else { continue }
            _ = response.answer(to: Self.question)
        }
    }

    @Test func `a message of pointers to pointers is read in a moment`() {
        // Each record's name jumps as often as it may, to the root's name at 28.
        let pointers: [[UInt8]] = (0..<63).map { [0xC0, UInt8(28 + $0 * 2)] }
        let chain: [UInt8] = [0, 0] + pointers.joined()
        let record: [UInt8] = [0xC0, 154, 0, 99, 0, 1, 0, 0, 0, 0, 0, 0]
        var message = Self.header(answers: 255) + [0, 0, 1, 0, 1]
        message += [0, 0, 99, 0, 1, 0, 0, 0, 0, 0, UInt8(chain.count)] + chain
        while message.count < DNSResponse.maximumByteCount - record.count { message += record }
        var outcome: Result<DNSResponse, DNSFault>?
        let time = ContinuousClock().measure { outcome = Self.parse(message) }
        #expect((try? outcome?.get()) != nil)
        #expect(time < .milliseconds(500))
    }
}
