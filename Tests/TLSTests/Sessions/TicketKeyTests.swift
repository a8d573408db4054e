import Configuration
import Kernel
import TestSupport
import Testing

@testable import TLS

@Suite(.ownWorkspace) struct TicketKeyTests {
    private static let bytes = (0..<80).map { UInt8($0) }

    @Test func `a file is taken apart in nginx's order`() {
        let small = TicketKey(file: Array(Self.bytes.prefix(48)))
        #expect(small == TicketKey(name: Array(0..<16), authentication: Array(32..<48), encryption: Array(16..<32)))
        let large = TicketKey(file: Self.bytes)
        #expect(large == TicketKey(name: Array(0..<16), authentication: Array(16..<48), encryption: Array(48..<80)))
        for count in [0, 15, 47, 49, 79, 81] { #expect(TicketKey(file: [UInt8](repeating: 1, count: count)) == nil) }
    }

    @Test func `a file of another size, or none, is refused in nginx's words`() throws {
        let authority = try TestAuthority.here()
        let workspace = try Workspace.here()
        let short = try workspace.write([1, 2, 3], to: "short")
        try onLoop {
            for (path, message) in [
                (short, "\"\(short)\" must be 48 or 80 bytes"),
                (workspace.file("gone"), "open() \"\(workspace.file("gone"))\" failed (2: No such file or directory)"),
            ] {
                let error = #expect(throws: ConfigurationError.self) {
                    _ = try TLSServerContext(authority.directives("ecdsa") + "ssl_session_ticket_key \(path);")
                }
                #expect(error?.message == message)
            }
        }
    }

    @Test(arguments: ["TLSv1.2", "TLSv1.3"], [48, 80])
    func `the first file encrypts, all decrypt, and another server with them takes the ticket`(_ version: String, _ size: Int) throws {
        let authority = try TestAuthority.here()
        let workspace = try Workspace.here()
        var source = SeededBytes(seed: 5)
        let paths = try (0..<3).map { try workspace.write(source.bytes(count: size), to: "key\($0)") }
        func directives(_ files: Int...) -> String {
            authority.directives("ecdsa") + files.map { "ssl_session_ticket_key \(paths[$0]);" }.joined()
        }
        let (old, new, stranger) = (directives(0), directives(1, 0), directives(1, 2))
        try onLoop {
            let ticket = try visit(old, version, nil).session
            let again = try visit(new, version, ticket)
            #expect(again.isResumed)
            // It has got one with the new key instead.
            #expect(try visit(directives(1), version, again.session).isResumed)
            #expect(try !visit(stranger, version, ticket).isResumed)
        }
    }

    @LoopActor private func visit(
        _ directives: String, _ version: String, _ session: TestSession?
    ) throws -> (isResumed: Bool, session: TestSession?) {
        let habits = ClientHabits(commands: [("MaxProtocol", version)], session: session)
        let pair = try TLSPair(try TLSServerContext(directives), habits)
        defer { pair.close() }
        try pair.shakeHands()
        let new = try pair.greet()
        return (pair.server.isResumed, new)
    }
}

@Suite struct TicketKeyChainTests {
    private func chain() -> TicketKeyChain {
        TicketKeyChain(period: .seconds(100), from: .seconds(1000), secret: [UInt8](repeating: 7, count: 64))
    }

    @Test func `a period has its key and that of the one before`() {
        let chain = chain()
        let first = chain.keys(at: .seconds(1099))
        let second = chain.keys(at: .seconds(1100))
        let third = chain.keys(at: .seconds(1250))
        #expect(first.count == 1 && second.count == 2 && third.count == 2)
        #expect(second[1] == first[0] && third[1] == second[0])
        #expect(first[0].name.count == 16 && first[0].authentication.count == 32 && first[0].encryption.count == 32)
        #expect(Set([first[0], second[0], third[0]].flatMap { [$0.name, $0.authentication, $0.encryption] }).count == 9)
    }

    @Test func `whoever looks seldom comes to the same keys`() {
        let (often, seldom) = (chain(), chain())
        for second in stride(from: 1000, through: 5000, by: 50) { _ = often.keys(at: .seconds(second)) }
        #expect(often.keys(at: .seconds(5049)) == seldom.keys(at: .seconds(5000)))
    }
}

@Suite struct TLSResumptionTests {
    @Test func `a zone is one for all that name it, and outlives a reload with its size`() throws {
        try onLoop {
            let first = TLSResumption()
            let table = try first.zone(SessionZone(name: "S", byteCount: 32768))
            #expect(try first.zone(SessionZone(name: "S", byteCount: 32768)).memory === table.memory)
            #expect(try first.zone(SessionZone(name: "T", byteCount: 32768)).memory !== table.memory)
            let error = #expect(throws: ConfigurationError.self) { _ = try first.zone(SessionZone(name: "S", byteCount: 65536)) }
            #expect(error?.message == #"the size 65536 of shared memory zone "S" conflicts with already declared size 32768"#)
            let second = TLSResumption(continuing: first)
            #expect(try second.zone(SessionZone(name: "S", byteCount: 32768)).memory === table.memory)
            let third = TLSResumption(continuing: first)
            #expect(try third.zone(SessionZone(name: "S", byteCount: 65536)).memory !== table.memory)
        }
    }

    @Test func `keys outlive a reload, and are made anew at each start`() throws {
        try onLoop {
            let first = TLSResumption()
            let chain = try first.keys(forSessionsOf: .seconds(300))
            #expect(try first.keys(forSessionsOf: .seconds(60)) === chain)
            #expect(try first.keys(forSessionsOf: .seconds(86400)) !== chain)
            #expect(try TLSResumption(continuing: first).keys(forSessionsOf: .seconds(300)) === chain)
            let now = LoopActor.loop.now
            #expect(try TLSResumption().keys(forSessionsOf: .seconds(300)).keys(at: now) != chain.keys(at: now))
        }
    }
}
