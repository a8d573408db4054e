import Kernel
import Telemetry
import TestSupport
import Testing

@testable import Proxy

/// The name of an SMTP client (`mail-extras.md`, section 3).
@Suite(.ownWorkspace) struct ClientNameLookupTests {
    /// What name servers know, and what the client is called then.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var client = "192.0.2.1"
        var words = ""
        /// By type and name, `PTR` alone for the client's address; what is not here does not exist.
        let zone: [String: NameAnswer]
        let name: String
        /// How the log's lines begin behind their date, level and number.
        var records: [String] = []
    }

    private static let wayward = [UInt8](arrayLiteral: 4) + Array("a\r\nb".utf8) + [0]

    static let cases: [Case] = [
        Case(
            testDescription: "a name that leads back",
            zone: ["PTR": .records([.pointer("MX.example")]), "A mx.example": .records([.address("192.0.2.1")])], name: "mx.example"),
        Case(
            testDescription: "a name of several addresses", client: "2001:db8::1",
            zone: [
                "PTR": .records([.pointer("mx.example")]),
                "AAAA mx.example": .records([.address("2001:db8::2"), .address("2001:db8::1")]),
            ], name: "mx.example"),
        Case(
            testDescription: "an alias of the address, as for networks smaller than a byte",
            zone: [
                "PTR": .records([.alias("1.0-31.2.0.192.in-addr.arpa"), NameRecord(type: 12, name: "1.0-31.2.0.192.in-addr.arpa", data: NameRecord.wire("mx.example"))]),
                "A mx.example": .records([.address("192.0.2.1")]),
            ], name: "mx.example"),
        Case(
            testDescription: "the second of two names",
            zone: [
                "PTR": .records([.pointer("a.example"), .pointer("b.example")]), "A a.example": .records([.address("192.0.2.9")]),
                "A b.example": .records([.address("192.0.2.1")]),
            ], name: "b.example"),
        Case(
            testDescription: "one good name behind a bad one",
            zone: [
                "PTR": .records([NameRecord(type: 12, data: wayward), .pointer("b.example")]), "A b.example": .records([.address("192.0.2.1")]),
            ], name: "b.example", records: ["192.0.2.1 resolved to invalid host name \""]),
        Case(
            testDescription: "no name", zone: [:], name: "[UNAVAILABLE]",
            records: ["192.0.2.1 could not be resolved (3: Host not found) while in resolving client address, client: 192.0.2.1"]),
        Case(
            testDescription: "an empty answer", zone: ["PTR": .records([])], name: "[UNAVAILABLE]",
            records: ["192.0.2.1 could not be resolved (3: Host not found) while in resolving client address"]),
        Case(
            testDescription: "a failing server", zone: ["PTR": .records([], code: 2)], name: "[TEMPUNAVAIL]",
            records: ["192.0.2.1 could not be resolved (2: Server failure) while in resolving client address"]),
        Case(
            testDescription: "a silent server", zone: ["PTR": .silence], name: "[TEMPUNAVAIL]",
            records: ["192.0.2.1 could not be resolved (110: Operation timed out) while in resolving client address"]),
        Case(
            testDescription: "a name that leads elsewhere",
            zone: ["PTR": .records([.pointer("mx.example")]), "A mx.example": .records([.address("192.0.2.9")])], name: "[UNAVAILABLE]"),
        Case(
            testDescription: "a name that leads nowhere", zone: ["PTR": .records([.pointer("mx.example")])], name: "[UNAVAILABLE]",
            records: ["\"mx.example\" could not be resolved (3: Host not found) while in resolving client hostname, client: 192.0.2.1"]),
        Case(
            testDescription: "a name of which nobody can tell",
            zone: ["PTR": .records([.pointer("mx.example")]), "A mx.example": .records([], code: 5)], name: "[TEMPUNAVAIL]",
            records: ["\"mx.example\" could not be resolved (5: Operation refused) while in resolving client hostname"]),
        Case(
            testDescription: "a name with CR LF in it", zone: ["PTR": .records([NameRecord(type: 12, data: wayward)])], name: "[TEMPUNAVAIL]",
            records: ["192.0.2.1 resolved to invalid host name \"a"]),
        Case(
            testDescription: "a name that no host can have", zone: ["PTR": .records([.pointer("mx_1.example")])], name: "[TEMPUNAVAIL]",
            records: ["192.0.2.1 resolved to invalid host name \"mx_1.example\" while in resolving client hostname"]),
        Case(
            testDescription: "the root", zone: ["PTR": .records([.pointer("")])], name: "[TEMPUNAVAIL]",
            records: ["192.0.2.1 resolved to invalid host name \"\""]),
        Case(
            testDescription: "ipv4=off", words: "ipv4=off",
            zone: ["PTR": .records([.pointer("mx.example")]), "A mx.example": .records([.address("192.0.2.1")])], name: "[UNAVAILABLE]"),
        Case(testDescription: "a client that comes by a path", client: "unix:", zone: [:], name: "[TEMPUNAVAIL]"),
    ]

    @Test(arguments: cases) func `a client is called by a name that leads back to it`(_ case: Case) throws {
        let server = try StubNameServer { `case`.zone[$0.type == "PTR" ? "PTR" : "\($0.type) \($0.name)"] ?? .hostNotFound }
        try onLoop {
            let bench = try ResolvingBench(server, words: `case`.words)
            let (name, log) = try Self.lookUp(`case`.client, bench, within: .milliseconds(`case`.zone["PTR"].isSilence ? 100 : 10_000))
            #expect(name == `case`.name)
            let records = log.split(separator: "\n").map { $0.drop { $0 != "*" }.dropFirst(3) }
            try #require(records.count == `case`.records.count, "\(log)")
            for (record, start) in zip(records, `case`.records) { #expect(record.hasPrefix(start)) }
            try bench.close()
        }
    }

    @Test func `so many names are tried and no more, within the time of one`() throws {
        let many = try StubNameServer { $0.type == "PTR" ? .records((1...20).map { .pointer("n\($0).example") }) : .records([.address("192.0.2.9")]) }
        let slow = try StubNameServer { $0.type == "PTR" ? .records((1...8).map { .pointer("n\($0).example") }) : .silence }
        try onLoop {
            let bench = try ResolvingBench(many)
            #expect(try Self.lookUp("192.0.2.1", bench).name == "[UNAVAILABLE]")
            #expect(many.questions.count == 9)
            let other = try ResolvingBench(slow)
            let start = ContinuousClock.now
            #expect(try Self.lookUp("192.0.2.1", other, within: .milliseconds(200)).name == "[TEMPUNAVAIL]")
            #expect(ContinuousClock.now - start < .seconds(5))
            try bench.close()
            try other.close()
        }
    }

    @Test func `who goes before its name is known leaves nothing behind, and no line in the log`() throws {
        let server = try StubNameServer { _ in .silence }
        try onLoop {
            let bench = try ResolvingBench(server)
            let lookup = Self.lookup("192.0.2.1", bench, within: .seconds(30))
            lookup.begin()
            try runLoop { bench.worker.room == 99 }
            lookup.cancel()
            try bench.close()
            #expect(bench.log == "")
        }
    }

    @Test func `clients find room though no name server answers`() throws {
        let server = try StubNameServer { _ in .silence }
        try onLoop {
            let bench = try ResolvingBench(server, room: 80)
            let lookups = (1...40).map { Self.lookup("192.0.2.\($0)", bench, within: .seconds(30)) }
            for lookup in lookups { lookup.begin() }
            try runLoop { lookups.count { $0.hostName != nil } == 30 }
            #expect(bench.worker.room == 70)
            #expect(lookups.compactMap { $0.hostName.map { String(decoding: $0.bytes, as: UTF8.self) } } == Array(repeating: "[TEMPUNAVAIL]", count: 30))
            #expect(bench.log.contains("192.0.2.11 could not be resolved (16: worker_connections are not enough) while in resolving client address"))
            for lookup in lookups { lookup.cancel() }
            try bench.close()
        }
    }

    @Test func `in a worker that is nearly full only what is known already is found`() throws {
        let server = try StubNameServer { $0.type == "PTR" ? .records([.pointer("mx.example")]) : .records([.address("192.0.2.1")]) }
        try onLoop {
            let bench = try ResolvingBench(server, room: 80)
            #expect(try Self.lookUp("192.0.2.1", bench).name == "mx.example")
            for _ in 1...71 { #expect(bench.worker.takeConnection()) }
            #expect(try Self.lookUp("192.0.2.1", bench).name == "mx.example")
            #expect(try Self.lookUp("192.0.2.2", bench).name == "[TEMPUNAVAIL]")
            // Nobody does without where a server is.
            #expect(try bench.answer(.ipv4, "mail.example") == "192.0.2.1")
            #expect(server.asks.filter { $0.hasPrefix("PTR") }.count == 1)
        }
    }

    @LoopActor private static func lookup(_ client: String, _ bench: ResolvingBench, within limit: Duration) -> ClientNameLookup {
        let address = SocketAddress(literal: client, port: 4321) ?? .unix("")
        return ClientNameLookup(
            of: address, by: bench.resolver, within: limit, log: bench.errorLog,
            context: LogContext(connection: 1, client: client, server: "127.0.0.1:25"), waking: bench.waiter)
    }

    @LoopActor private static func lookUp(
        _ client: String, _ bench: ResolvingBench, within limit: Duration = .seconds(10)
    ) throws -> (name: String, log: String) {
        let lookup = lookup(client, bench, within: limit)
        lookup.begin()
        try runLoop { lookup.hostName != nil }
        return (String(decoding: lookup.hostName?.bytes ?? [], as: UTF8.self), bench.log)
    }
}

extension NameAnswer? {
    fileprivate var isSilence: Bool { if case .silence = self { true } else { false } }
}
