import COpenSSL
import Configuration
import Foundation
import Kernel
import TestSupport
import Testing

@testable import TLS

@Suite struct SessionPolicyTests {
    /// A connection of one client: whether it was resumed, and the session that it takes away.
    @LoopActor private static func visit(
        _ context: TLSServerContext, _ version: String = "TLSv1.3", with session: TestSession? = nil
    ) throws -> (isResumed: Bool, session: TestSession?) {
        let pair = try TLSPair(context, ClientHabits(commands: [("MaxProtocol", version)], session: session))
        defer { pair.close() }
        let (server, client) = try pair.shakeHands()
        guard server == .done, client == .done else { throw TestFailure("no handshake: \(server), \(client)") }
        let new = try pair.greet()
        #expect(pair.server.isResumed == pair.client.isResumed)
        return (pair.server.isResumed, new)
    }

    /// Whether a client of one context is taken back by another.
    @LoopActor private static func returns(_ version: String, from first: TLSServerContext, to second: TLSServerContext) throws -> Bool {
        let session = try visit(first, version).session
        return try visit(second, version, with: session).isResumed
    }

    private static let versions = ["TLSv1.2", "TLSv1.3"]
    private static let noTickets = "ssl_session_tickets off;"

    private static let caches: [(String, Bool)] = [
        ("", true), ("ssl_session_cache off;", true), ("ssl_session_cache builtin;", true),
        (noTickets, false), (noTickets + "ssl_session_cache none;", false), (noTickets + "ssl_session_cache off;", false),
        (noTickets + "ssl_session_cache builtin;", true), (noTickets + "ssl_session_cache builtin:100;", true),
        (noTickets + "ssl_session_cache shared:S:1m;", true), (noTickets + "ssl_session_cache builtin shared:S:1m;", true),
    ]

    @Test(arguments: caches, versions)
    func `clients come back by ticket, or by what the cache holds`(_ rule: (directives: String, isResumed: Bool), _ version: String) throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let context = try TLSServerContext(authority.directives("ecdsa") + rule.directives)
            #expect(try Self.returns(version, from: context, to: context) == rule.isResumed)
        }
    }

    /// Workers are two contexts here, as after a fork: what they do not share is not found.
    @Test(arguments: [
        ("", true), (noTickets + "ssl_session_cache builtin;", false), (noTickets + "ssl_session_cache shared:S:1m;", true),
    ], versions)
    func `clients come back to another worker, and after a reload`(_ rule: (directives: String, isResumed: Bool), _ version: String) throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let directives = authority.directives("ecdsa") + rule.directives
            let before = TLSResumption()
            let (one, two) = (try TLSServerContext(directives, resumption: before), try TLSServerContext(directives, resumption: before))
            #expect(try Self.returns(version, from: one, to: two) == rule.isResumed)
            let reloaded = try TLSServerContext(directives, resumption: TLSResumption(continuing: before))
            #expect(try Self.returns(version, from: one, to: reloaded) == rule.isResumed)
            let restarted = try TLSServerContext(directives, resumption: TLSResumption())
            #expect(try !Self.returns(version, from: one, to: restarted))
        }
    }

    @Test(arguments: versions, ["", noTickets + "ssl_session_cache shared:S:1m;"])
    func `a session is of no use in another block, or after a change of what it rests on`(_ version: String, _ cache: String) throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let resumption = TLSResumption()
            let directives = authority.directives("ecdsa") + cache
            let optional = "ssl_verify_client optional;"
            let (oneCA, twoCAs) = ("ssl_client_certificate \(authority.file("ca.pem"));", "ssl_client_certificate \(authority.file("cas.pem"));")
            let home = try TLSServerContext(directives, resumption: resumption)
            let others = [
                try TLSServerContext(directives, protocolName: "pop3", resumption: resumption),
                try TLSServerContext(directives, identity: "0.0.0.0:994", resumption: resumption),
                try TLSServerContext(authority.directives("other") + cache, resumption: resumption),
                try TLSServerContext(directives + optional + oneCA, resumption: resumption),
            ]
            for other in others { #expect(try !Self.returns(version, from: home, to: other)) }
            let asking = try TLSServerContext(directives + optional + oneCA, resumption: resumption)
            let askingMore = try TLSServerContext(directives + optional + twoCAs, resumption: resumption)
            #expect(try Self.returns(version, from: asking, to: asking))
            #expect(try !Self.returns(version, from: asking, to: askingMore))
            let revoking = try TLSServerContext(
                directives + optional + oneCA + "ssl_crl \(authority.file("ca.crl"));", resumption: resumption)
            #expect(try !Self.returns(version, from: asking, to: revoking))
        }
    }

    @Test(arguments: versions, ["", noTickets + "ssl_session_cache shared:S:1m;"])
    func `a resumed session knows the client's certificate, and one that was refused is refused again`(_ version: String, _ cache: String) throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let directives = authority.directives("ecdsa") + cache + "ssl_verify_client on; ssl_client_certificate \(authority.file("ca.pem"));"
            let context = try TLSServerContext(directives)
            for (certificate, fault) in [("client", nil), ("self", VerificationFault.certificateError("(18:self-signed certificate)"))] {
                var session: TestSession?
                for isSecond in [false, true] {
                    let pair = try TLSPair(context, ClientHabits(certificate: certificate, commands: [("MaxProtocol", version)], session: session))
                    defer { pair.close() }
                    try pair.shakeHands()
                    #expect(pair.server.verificationFault() == fault)
                    // A ticket of TLS 1.2 is out before the verdict; it is of no use all the same.
                    let hasSession = fault == nil || (cache.isEmpty && version == "TLSv1.2")
                    #expect(pair.server.isResumed == (isSecond && hasSession))
                    #expect(pair.server.clientCertificate != nil)
                    session = try pair.greet()
                }
            }
        }
    }

    @Test func `one ticket goes with the greeting, in one write`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let pair = try SplitPair(try TLSServerContext(authority.directives("ecdsa")))
            defer { pair.close() }
            try pair.shakeHands()
            #expect(pair.client.session?.isResumable == false)
            let nothing = try pair.serverBytes()
            #expect(nothing.isEmpty)
            #expect(pair.server.send(Array("* OK\r\n".utf8).span) == .moved(6))
            let bytes = try pair.serverBytes()
            #expect(Self.records(in: bytes) == 2)
            try pair.answer(bytes)
            #expect(pair.client.receive(into: pair.buffer) == .moved(6))
            #expect(pair.client.session?.isResumable == true)
            #expect(pair.server.send([1].span) == .moved(1))
            #expect(Self.records(in: try pair.serverBytes()) == 1)
        }
    }

    private static func records(in bytes: [UInt8]) -> Int {
        var (count, start) = (0, 0)
        while start + 5 <= bytes.count {
            start += 5 + Int(bytes[start + 3]) << 8 + Int(bytes[start + 4])
            count += 1
        }
        return start == bytes.count ? count : -1
    }

    @Test func `a ticket that waits goes with the goodbye too`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let pair = try TLSPair(try TLSServerContext(authority.directives("ecdsa")))
            defer { pair.close() }
            try pair.shakeHands()
            pair.server.endSending()
            try runLoop { pair.client.source.isReadable }
            #expect(pair.drain(pair.client).end == .closed && pair.client.fault == nil)
        }
    }

    @Test func `what is wrong with the client's last word is not held back with the ticket`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let pair = try SplitPair(try TLSServerContext(authority.directives("ecdsa")), ClientHabits(commands: RawRecords.suite))
            defer { pair.close() }
            #expect(pair.client.handshake() == .wouldBlock)
            try pair.deliver(try pair.clientBytes())
            #expect(pair.server.handshake() == .wouldBlock)
            try pair.answer(try pair.serverBytes())
            #expect(pair.client.handshake() == .done)
            var records = try pair.client.rawHandshake()
            let finished = [UInt8(SSL3_MT_FINISHED), 0, 0, 32] + [UInt8](repeating: 0, count: 32)
            try pair.deliver(try records.record(RawRecords.handshake, finished))
            guard case .failed(let error) = pair.server.handshake() else { throw TestFailure("taken for good") }
            #expect(error.text.contains("digest check failed"))
            try pair.answer(try pair.serverBytes())
            guard case .failed = pair.client.receive(into: pair.buffer) else { throw TestFailure("nothing said") }
            #expect(pair.client.fault?.text.contains("alert decrypt error") == true)
        }
    }

    @Test func `no ticket is sent where there is nothing to come back to`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let context = try TLSServerContext(authority.directives("ecdsa") + Self.noTickets)
            #expect(try Self.visit(context).session?.isResumable == false)
        }
    }

    @Test func `a session ends in its time, and coming back does not make it live longer`() throws {
        let authority = try TestAuthority.here()
        let (short, long) = try onLoop {
            let directives = authority.directives("ecdsa")
            return (
                try TLSServerContext(directives + "ssl_session_timeout 1s;"), try TLSServerContext(directives + "ssl_session_timeout 100s;")
            )
        }
        let first = try onLoop {
            try Self.versions.map { (short: try Self.visit(short, $0).session, long: try Self.visit(long, $0).session) }
        }
        #expect(first.allSatisfy { $0.long?.lifetime == 100 })
        usleep(2_100_000)
        try onLoop {
            for (version, sessions) in zip(Self.versions, first) {
                #expect(try !Self.visit(short, version, with: sessions.short).isResumed)
                let second = try Self.visit(long, version, with: sessions.long)
                #expect(second.isResumed)
                let lifetime = try #require(second.session?.lifetime)
                #expect(version == "TLSv1.2" || (80...98).contains(lifetime))
            }
        }
    }
}
