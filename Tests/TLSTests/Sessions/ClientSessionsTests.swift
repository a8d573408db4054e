import COpenSSL
import Configuration
import Kernel
import TestSupport
import Testing

@testable import TLS

@Suite struct ClientSessionsTests {
    /// Connects once more.
    /// - Returns: whether an earlier session was gone on with. A handshake that fails throws.
    @LoopActor private func connect(
        _ server: TLSServerContext, _ client: TLSClientContext, host: String = "mail.example", port: UInt16 = 993
    ) throws -> Bool {
        let ends = try Channel.makePair()
        let sources = [ends.0, ends.1].map { EventSource(owning: $0, isStream: true) }
        defer { for source in sources { source.close() } }
        for source in sources { try LoopActor.loop.watch(source, Recorder()) }
        let near = try TLSClientConnection(client, over: sources[1], to: .ipv4(0x7F00_0001, port: port), host: host)
        let far = try TLSServerConnection(server, over: sources[0])
        try runLoop {
            let (one, other) = (far.handshake(), near.handshake())
            return near.fault != nil || (one == .done && other == .done)
        }
        if let fault = near.fault { throw fault }
        let buffer = SharedBuffer()
        _ = far.send([1].span)
        try runLoop { near.receive(into: buffer) == .moved(1) }
        #expect(near.isResumed == far.isResumed)
        return near.isResumed
    }

    private static let verify = "proxy_ssl_verify on; proxy_ssl_trusted_certificate FOLDER/ca.pem; "

    private func withContexts(
        _ directives: String = verify, _ body: @LoopActor (_ server: TLSServerContext, _ makeClient: () throws -> TLSClientContext) throws -> Void
    ) throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let server = try TLSServerContext(authority.directives("rsa") + "ssl_session_cache builtin;")
            try body(server) { try TLSClientContext(directives.replacing("FOLDER", with: authority.folder)) }
        }
    }

    @Test(arguments: ["TLSv1.2", "TLSv1.3"])
    func `a server that is known is not asked for its certificate again`(_ version: String) throws {
        try withContexts(Self.verify + "proxy_ssl_protocols \(version);") { server, makeClient in
            let client = try makeClient()
            let resumed = try (0..<4).map { _ in try connect(server, client) }
            #expect(resumed == [false, true, true, true])
        }
    }

    @Test func `another address or another name is another server`() throws {
        try withContexts { server, makeClient in
            let client = try makeClient()
            _ = try connect(server, client)
            #expect(try !connect(server, client, port: 994))
            #expect(try !connect(server, client, host: "a.pool.example"))
            #expect(try connect(server, client, port: 994))
        }
    }

    @Test func `no session goes from one context to another`() throws {
        try withContexts { server, makeClient in
            _ = try connect(server, try makeClient())
            #expect(try !connect(server, try makeClient()))
        }
    }

    @Test func `a file may forbid it`() throws {
        try withContexts("proxy_ssl_session_reuse off;") { server, makeClient in
            let client = try makeClient()
            let resumed = try (0..<3).map { _ in try connect(server, client) }
            #expect(resumed == [false, false, false])
        }
    }

    @Test func `a server that has forgotten is made known anew`() throws {
        try withContexts { server, makeClient in
            let client = try makeClient()
            _ = try connect(server, client)
            let other = try TLSServerContext(try TestAuthority.here().directives("ecdsa"), identity: "elsewhere")
            #expect(try !connect(other, client))
            #expect(try connect(other, client))
        }
    }

    @Test func `a session that came to nothing is not tried again`() throws {
        try withContexts { server, makeClient in
            let client = try makeClient()
            _ = try connect(server, client)
            let bad = try TLSServerContext(try TestAuthority.here().directives("expired"))
            #expect(throws: TLSError.self) { try connect(bad, client) }
            #expect(client.sessions?.count == 0)
            #expect(try !connect(server, client))
        }
    }

    @Test func `the number of sessions is bounded, and the oldest go first`() throws {
        try withContexts { server, makeClient in
            let client = try makeClient()
            _ = try connect(server, client)
            let known = ClientSessions.Key(address: .ipv4(0x7F00_0001, port: 993), name: "mail.example")
            let session = try #require(client.sessions?.session(for: known)).pointer
            let sessions = ClientSessions()
            let now = LoopActor.loop.now
            for number in 0...ClientSessions.maximumCount {
                SSL_SESSION_up_ref(session)
                let key = ClientSessions.Key(address: .ipv4(UInt32(number), port: 1), name: "")
                #expect(sessions.keep(session, for: key, since: now + .milliseconds(number)))
            }
            #expect(sessions.count == ClientSessions.maximumCount)
            #expect(sessions.session(for: ClientSessions.Key(address: .ipv4(0, port: 1), name: "")) == nil)
            #expect(sessions.session(for: ClientSessions.Key(address: .ipv4(1, port: 1), name: "")) != nil)
        }
    }

    @Test func `a session is not for ever, however often it is gone on with`() throws {
        try withContexts { server, makeClient in
            let client = try makeClient()
            _ = try connect(server, client)
            let key = ClientSessions.Key(address: .ipv4(0x7F00_0001, port: 993), name: "mail.example")
            let begin = try #require(client.sessions?.session(for: key)).begin
            #expect(try connect(server, client))
            let later = try #require(client.sessions?.session(for: key))
            #expect(later.begin == begin)
            SSL_SESSION_up_ref(later.pointer)
            let old = LoopActor.loop.now - ClientSessions.lifetime
            #expect(client.sessions?.keep(later.pointer, for: key, since: old) == true)
            #expect(client.sessions?.session(for: key) == nil && client.sessions?.count == 0)
        }
    }
}
