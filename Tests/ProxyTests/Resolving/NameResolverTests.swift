import Protocols
import TestSupport
import Testing

@testable import Proxy

/// What the resolver makes of name servers, honest and other ones (`security.md`).
@Suite(.ownWorkspace) struct NameResolverTests {
    private typealias Bench = ResolvingBench

    @Test func `addresses and names are asked for, and known until their time is over`() throws {
        let server = try StubNameServer {
            switch $0.type {
            case "A": .records([.address("192.0.2.1"), .address("192.0.2.2")])
            case "AAAA": .records([.address("2001:db8::1", lifetime: 1)])
            default: .records([.pointer("Mx.example"), .pointer("b.example")])
            }
        }
        try onLoop {
            let bench = try Bench(server)
            for _ in 1...3 {
                #expect(try bench.answer(.ipv4, "mx.example") == "192.0.2.1 192.0.2.2")
                #expect(try bench.answer(.pointer, "1.2.0.192.in-addr.arpa") == "mx.example b.example")
            }
            #expect(try bench.answer(.ipv6, "MX.example") == "2001:db8::1")
            #expect(server.asks == ["A mx.example", "PTR 1.2.0.192.in-addr.arpa", "AAAA mx.example"])
            try bench.rest(.milliseconds(1100))
            #expect(try bench.answer(.ipv6, "mx.example") == "2001:db8::1" && server.asks.count == 4)
            try bench.close()
        }
    }

    @Test func `each question has a number and a port of its own`() throws {
        let server = try StubNameServer { _ in .records([.address("192.0.2.1")]) }
        try onLoop {
            let bench = try Bench(server)
            for number in 0..<32 { #expect(try bench.answer(.ipv4, "n\(number)") == "192.0.2.1") }
            try bench.close()
        }
        #expect(Set(server.questions.map(\.id)).count > 28)
        #expect(Set(server.questions.map(\.port)).count > 24)
    }

    @Test func `those who ask the same wait for the same answer`() throws {
        let server = try StubNameServer { _ in .records([.address("192.0.2.1")]) }
        try onLoop {
            let bench = try Bench(server)
            let inquiries = (0..<50).map { _ in bench.ask(.ipv4, "mx.example") }
            inquiries[0].cancel()
            try runLoop { inquiries.dropFirst().allSatisfy { $0.answer != nil } }
            #expect(inquiries.map(bench.text) == ["none yet"] + Array(repeating: "192.0.2.1", count: 49))
            #expect(server.questions.count == 1 && bench.worker.room == 100)
        }
    }

    @Test func `valid= beats what answers say, and a lifetime of 0 is not kept`() throws {
        for (words, lifetime, asks) in [("valid=1h", 0, 1), ("valid=0", 3600, 2), ("", 0, 2), ("", 0xFFFF_FFFF, 2), ("", 0x7FFF_FFFF, 1)] as [(String, UInt32, Int)] {
            let server = try StubNameServer { _ in .records([.address("192.0.2.1", lifetime: lifetime)]) }
            try onLoop {
                let bench = try Bench(server, words: words)
                for _ in 1...2 { #expect(try bench.answer(.ipv4, "mx.example") == "192.0.2.1") }
                #expect(server.questions.count == asks, "\(words) \(lifetime)")
                try bench.close()
            }
        }
    }

    @Test func `that there is no such name is remembered, that nobody can tell is not`() throws {
        let server = try StubNameServer { $0.name == "none" ? .hostNotFound : $0.name == "empty" ? .records([]) : .records([], code: 2) }
        try onLoop {
            let bench = try Bench(server)
            for _ in 1...2 {
                #expect(try bench.answer(.ipv4, "none") == "3: Host not found")
                #expect(try bench.answer(.ipv4, "empty") == "3: Host not found")
                #expect(try bench.answer(.ipv4, "broken") == "2: Server failure")
            }
            #expect(server.asks == ["A none", "A empty", "A broken", "A broken"])
            try bench.close()
        }
    }

    @Test(arguments: [
        (1, "1: Format error"), (2, "2: Server failure"), (4, "4: Unimplemented"), (5, "5: Operation refused"), (9, "9: Unknown error"),
    ] as [(UInt8, String)])
    func `a server that cannot tell is passed over for the next, and counts where none can`(_ code: UInt8, _ text: String) throws {
        let broken = try StubNameServer { _ in .records([], code: code) }
        let good = try StubNameServer { $0.name == "mx.example" ? .records([.address("192.0.2.1")]) : .records([], code: code) }
        try onLoop {
            let bench = try Bench(broken, good)
            #expect(try bench.answer(.ipv4, "mx.example") == "192.0.2.1")
            #expect(try bench.answer(.ipv4, "other") == text)
            #expect(broken.questions.count == 2 && good.questions.count == 2)
            let isLogged = code == 1 || code > 5
            #expect(bench.log.contains("DNS error (\(text)), query id:") == isLogged)
            try bench.close()
        }
    }

    @Test func `a server that is not there is passed over at once`() throws {
        let gone = try Ports.free()
        let good = try StubNameServer { _ in .records([.address("192.0.2.1")]) }
        try onLoop {
            let bench = try Bench(good, words: "127.0.0.1:\(gone)")
            let start = ContinuousClock.now
            for number in 0..<4 { #expect(try bench.answer(.ipv4, "n\(number)") == "192.0.2.1") }
            #expect(ContinuousClock.now - start < .seconds(4))
            try bench.close()
        }
    }

    @Test func `a server that is silent costs its patience once, and then is asked last for a while`() throws {
        let silent = try StubNameServer { _ in .silence }
        let good = try StubNameServer { _ in .records([.address("192.0.2.1")]) }
        try onLoop {
            let bench = try Bench(silent, good, patience: .milliseconds(100))
            for number in 0..<6 { #expect(try bench.answer(.ipv4, "n\(number)") == "192.0.2.1") }
            #expect(silent.questions.count == 1)
            try bench.close()
        }
    }

    @Test func `a server that is silent is known for it also where nobody waits as long as it may be`() throws {
        let silent = try StubNameServer { _ in .silence }
        let good = try StubNameServer { _ in .records([.address("192.0.2.1")]) }
        try onLoop {
            let bench = try Bench(silent, good, patience: .seconds(1))
            #expect(try bench.answer(.ipv4, "n0", within: .milliseconds(200)) == "110: Operation timed out")
            for number in 1..<6 { #expect(try bench.answer(.ipv4, "n\(number)", within: .milliseconds(200)) == "192.0.2.1") }
            #expect(silent.questions.count == 1)
            try bench.close()
        }
    }

    @Test func `a server is not called silent by those who go at once`() throws {
        let slow = try StubNameServer { $0.number == 1 ? .silence : .records([.address("192.0.2.1")]) }
        let other = try StubNameServer { _ in .records([.address("192.0.2.2")]) }
        try onLoop {
            let bench = try Bench(slow, other)
            #expect(try bench.answer(.ipv4, "n0", within: .milliseconds(50)) == "110: Operation timed out")
            #expect(try bench.answer(.ipv4, "n1") == "192.0.2.2")
            #expect(try bench.answer(.ipv4, "n2") == "192.0.2.1")
            try bench.close()
        }
    }

    @Test func `thousands who stop waiting for one answer hold up nobody`() throws {
        let server = try StubNameServer { _ in .silence }
        try onLoop {
            let bench = try Bench(server)
            let inquiries = (0..<20_000).map { _ in bench.ask(.ipv4, "mx.example") }
            let start = ContinuousClock.now
            for inquiry in inquiries.reversed() { inquiry.cancel() }
            #expect(ContinuousClock.now - start < .seconds(1))
            try bench.close()
            #expect(server.questions.count == 1)
        }
    }

    @Test func `where nobody answers, each is told when its own time is over`() throws {
        let server = try StubNameServer { _ in .silence }
        try onLoop {
            let bench = try Bench(server)
            let patient = bench.ask(.ipv4, "mx.example", within: .milliseconds(400))
            let hasty = bench.ask(.ipv4, "mx.example", within: .milliseconds(50))
            try runLoop { hasty.answer != nil }
            #expect(patient.answer == nil && bench.text(hasty) == "110: Operation timed out")
            try runLoop { patient.answer != nil }
            #expect(bench.text(patient) == "110: Operation timed out")
            try bench.close()
            #expect(server.questions.count == 1)
        }
    }

    @Test func `a worker without room asks nobody, and goes on`() throws {
        let server = try StubNameServer { _ in .records([.address("192.0.2.1")]) }
        try onLoop {
            let bench = try Bench(server, room: 0)
            #expect(try bench.answer(.ipv4, "mx.example", within: .milliseconds(100)) == "110: Operation timed out")
            #expect(bench.log.contains("0 worker_connections are not enough") && server.questions.isEmpty)
        }
    }

    // MARK: Faults (`security.md`)

    /// A message that is wrong in one way.
    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let messages: @Sendable (NameQuestion) -> [[UInt8]]
        /// What the log says; nil for nothing.
        let record: String?
    }

    private static let forged = NameRecord.address("203.0.113.66")

    private static func forge(_ question: NameQuestion, _ change: (inout [UInt8]) -> Void) -> [[UInt8]] {
        var message = NameAnswer.message([forged], to: question)
        change(&message)
        return [message]
    }

    static let faults: [Fault] = [
        Fault(testDescription: "another number", messages: { forge($0) { $0[0] ^= 1 } }, record: "wrong ident "),
        Fault(testDescription: "another name", messages: { forge($0) { $0[13] ^= 1 } }, record: "unexpected DNS response for mx.example"),
        Fault(testDescription: "another type", messages: { forge($0) { $0[25] = 28 } }, record: "unexpected DNS response for mx.example"),
        Fault(testDescription: "another class", messages: { forge($0) { $0[27] = 3 } }, record: "unknown query class 3 in DNS response"),
        Fault(testDescription: "a question", messages: { forge($0) { $0[2] = 1 } }, record: "invalid UDP DNS response "),
        Fault(testDescription: "a name that leads to itself", messages: { forge($0) { $0[29] = 28 } }, record: "unexpected compression pointer in DNS response"),
        Fault(testDescription: "half a record", messages: { [Array(forge($0) { _ in }[0].dropLast(3))] }, record: "unexpected end of DNS response"),
        Fault(testDescription: "half a header", messages: { [Array($0.bytes.prefix(5))] }, record: "short DNS response"),
        Fault(testDescription: "nothing", messages: { _ in [[]] }, record: "short DNS response"),
        Fault(testDescription: "no question", messages: { [Array($0.bytes.prefix(2)) + [0x81, 0x80, 0, 0, 0, 1, 0, 0, 0, 0] + [0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 1, 2, 3, 4]] }, record: "invalid number of questions in DNS response"),
    ]

    @Test(arguments: faults) func `a wrong answer is no answer, and the right one behind it is`(_ fault: Fault) throws {
        let server = try StubNameServer { .raw(fault.messages($0) + [NameAnswer.message([.address("192.0.2.1")], to: $0)]) }
        try onLoop {
            let bench = try Bench(server)
            #expect(try bench.answer(.ipv4, "mx.example") == "192.0.2.1")
            if let record = fault.record { #expect(bench.log.contains("[error] ") && bench.log.contains(record)) }
            #expect(bench.log.contains(" while resolving, resolver: \(server.address)"))
            #expect(server.questions.count == 1)
            try bench.close()
        }
    }

    @Test(arguments: faults) func `a wrong answer alone leaves the question open`(_ fault: Fault) throws {
        let server = try StubNameServer { .raw(fault.messages($0)) }
        try onLoop {
            let bench = try Bench(server)
            #expect(try bench.answer(.ipv4, "mx.example", within: .milliseconds(150)) == "110: Operation timed out")
            try bench.close()
        }
    }

    @Test func `an answer from elsewhere is not even seen`() throws {
        let server = try StubNameServer { _ in .fromElsewhere([Self.forged]) }
        try onLoop {
            let bench = try Bench(server)
            #expect(try bench.answer(.ipv4, "mx.example", within: .milliseconds(150)) == "110: Operation timed out")
            #expect(bench.log == "")
            try bench.close()
        }
    }

    @Test func `somebody who guesses is soon guessing at another number and another port`() throws {
        let server = try StubNameServer { question in
            question.number == 1
                ? .raw((1...40).map { guess in Self.forge(question) { $0[0] ^= UInt8(guess) }[0] })
                : .records([.address("192.0.2.1")])
        }
        try onLoop {
            let bench = try Bench(server)
            #expect(try bench.answer(.ipv4, "mx.example") == "192.0.2.1")
            #expect(bench.log.split(separator: "\n").count == 16)
            #expect(server.questions.count == 2 && server.questions[0].port != server.questions[1].port)
            try bench.close()
        }
    }

    @Test(arguments: ["A", "AAAA", "PTR"]) func `a truncated answer of any type is asked for again by TCP`(_ type: String) throws {
        let records: [String: [NameRecord]] = [
            "A": (0..<100).map { .address("192.0.2.\($0)") }, "AAAA": (0..<100).map { .address("2001:db8::\($0)") },
            "PTR": (0..<100).map { .pointer("host\($0).example") },
        ]
        let server = try StubNameServer { $0.isByStream ? .records(records[$0.type] ?? []) : .truncated }
        try onLoop {
            let bench = try Bench(server)
            let asked: DNSQuestion.RecordType = type == "A" ? .ipv4 : type == "AAAA" ? .ipv6 : .pointer
            let words = try bench.answer(asked, "many.example").split(separator: " ")
            #expect(words.count == (type == "PTR" ? 8 : 64))
            #expect(words.last == (type == "A" ? "192.0.2.63" : type == "AAAA" ? "2001:db8::63" : "host7.example"))
            #expect(server.questions.map(\.isByStream) == [false, true])
            #expect(server.questions[0].id != server.questions[1].id || server.questions[0].bytes == server.questions[1].bytes)
            try bench.close()
        }
    }

    @Test func `a truncated answer by TCP, a wrong one and none are none`() throws {
        for answer in [NameAnswer.truncated, .raw([[0, 1, 2]]), .raw([[]])] {
            let server = try StubNameServer { $0.isByStream ? answer : .truncated }
            try onLoop {
                let bench = try Bench(server)
                #expect(try bench.answer(.ipv4, "mx.example", within: .milliseconds(200)) == "110: Operation timed out")
                try bench.close()
            }
        }
    }

    @Test func `aliases are followed, over several answers where it takes them`() throws {
        let server = try StubNameServer {
            switch $0.name {
            case "www.example": .records([.alias("a.example", lifetime: 60), .alias("b.example", of: "a.example")])
            case "b.example": .records([.alias("c.example"), .address("192.0.2.7", of: "c.example")])
            default: .hostNotFound
            }
        }
        try onLoop {
            let bench = try Bench(server)
            #expect(try bench.answer(.ipv4, "www.example") == "192.0.2.7")
            #expect(server.asks == ["A www.example", "A b.example"])
            try bench.close()
        }
    }

    @Test func `aliases without an end are followed so far and no further`() throws {
        let endless = try StubNameServer { .records([.alias("a\($0.number).example")]) }
        let loop = try StubNameServer { _ in .records([.alias("b.example"), .alias("mx.example", of: "b.example")]) }
        try onLoop {
            let bench = try Bench(endless)
            #expect(try bench.answer(.ipv4, "mx.example") == "3: Host not found")
            #expect(endless.questions.count == 51)
            let other = try Bench(loop)
            #expect(try other.answer(.ipv4, "mx.example") == "3: Host not found")
            #expect(loop.questions.count == 1)
            try bench.close()
            try other.close()
        }
    }
}
