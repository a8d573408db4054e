import Configuration
import Kernel
import TestSupport
import Testing

@testable import Proxy

@Suite struct AccessMemoryTests {
    private static let key = SharedKey("who")

    /// The memory of a configuration with these zones, after that of another.
    @LoopActor private func memory(_ zones: String, continuing old: AccessMemory? = nil) throws -> AccessMemory {
        let schema = Schema(groups: [LimitSettings.self, FailureSettings.self])
        let memory = AccessMemory(continuing: old)
        try memory.open(for: try schema.load("events {} mail { \(zones) server { } }"))
        return memory
    }

    @Test(arguments: [
        ("limit_conn_zone $remote_addr zone=one:64k;", true), ("limit_conn_zone $remote_addr zone=one:128k;", false),
        ("limit_conn_zone $remote_user zone=one:64k;", false), ("limit_conn_zone $remote_addr zone=two:64k;", false),
    ])
    func `a zone goes on over a reload where name, key and size agree`(_ zones: String, _ goesOn: Bool) throws {
        try onLoop {
            let old = try memory("limit_conn_zone $remote_addr zone=one:64k;")
            _ = try old.zone("one").tally.count(Self.key, atMost: 1)
            let new = try memory(zones, continuing: old)
            let name = zones.contains("two") ? "two" : "one"
            #expect((try new.zone(name).tally.count(Self.key, atMost: 1) == .full) == goesOn)
        }
    }

    @Test(arguments: [
        ("auth_failure_limit 3;", true), ("auth_failure_limit 5 window=1d;", true), ("auth_failure_limit 5; auth_failure_memory 64k;", false),
    ])
    func `failures are remembered over a reload where their memory has its size`(_ directives: String, _ goesOn: Bool) throws {
        try onLoop {
            let limit = SharedThrottle.Limit(count: 1, window: .seconds(60), pause: .seconds(60))
            let old = try memory("auth_failure_limit 1;")
            _ = old.failures?.note(Self.key, limit, at: .seconds(1))
            let new = try memory(directives, continuing: old)
            #expect(new.failures?.isBarred(Self.key, at: .seconds(2)) == goesOn)
            #expect(try memory("", continuing: old).failures == nil)
        }
    }

    @Test func `what a process held is given back in every zone`() throws {
        try onLoop {
            let memory = try memory("limit_conn_zone $remote_addr zone=one:64k; limit_conn_zone $remote_user zone=two:64k;")
            for name in ["one", "two"] { _ = try memory.zone(name).tally.count(Self.key, atMost: 1) }
            memory.forget(process: OwnProcess.id)
            for name in ["one", "two"] { #expect(try memory.zone(name).tally.count(Self.key, atMost: 1) != .full) }
        }
    }

    @Test func `a zone that nobody declares is refused in nginx's words`() throws {
        try onLoop {
            let expected = ConfigurationError("zero size shared memory zone \"none\"", isAfterParsing: true)
            #expect(throws: expected) { try memory("").zone("none") }
        }
    }
}

@Suite struct SharedKeyOfClientTests {
    private func key(_ text: String) throws -> SharedKey? {
        SharedKey(clientAt: try #require(SocketAddress(literal: text, port: 4711)))
    }

    @Test(arguments: [
        ("192.0.2.1", "::ffff:192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false), ("2001:db8::1", "2001:db8::ffff:1:2:3", true),
        ("2001:db8::1", "2001:db8:0:1::1", false), ("::1", "0.0.0.1", false),
    ])
    func `clients are told apart by their IPv4 address, or by the network of 64 bits`(_ one: String, _ other: String, _ areSame: Bool) throws {
        #expect((try key(one) == key(other)) == areSame)
    }

    @Test func `a client without an address is none that can be counted`() {
        #expect(SharedKey(clientAt: .unix("/run/s")) == nil)
    }
}
