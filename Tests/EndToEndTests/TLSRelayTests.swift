import Foundation
import TestSupport
import Testing

/// The copying of bytes after a login over TLS.
@Suite(.ownWorkspace) struct TLSRelayTests {
    private static let megabyte = 1 << 20

    /// Enough to see both ways where each costs much.
    private static let two = [TLSRoute(speech: .imap, way: .implicit), TLSRoute(speech: .smtp, way: .starttls)]

    @Test(arguments: two)
    func `25 MB flow both ways at once, byte for byte`(_ route: TLSRoute) throws {
        let up = Array("ZZZZ\r\n".utf8) + cargo(25 * Self.megabyte, seed: 1)
        let down = cargo(25 * Self.megabyte, seed: 2)
        let proxy = try TLSServer(manner: UpstreamManner(afterLogin: { session in
            onNewThread { try? session.send(down) }
            try session.hang()
        }))
        let client = try proxy.loggedInClient(route.speech, route.way)
        onNewThread { try? client.socket.send(up, by: .after(.seconds(60))) }
        #expect(areEqual(try client.bytes(down.count, by: .after(.seconds(60))), down))
        let session = try proxy.upstream(route.speech).session()
        try session.awaitReceived(count: up.count, by: .after(.seconds(60)))
        try eventually("all that the client sent", by: .after(.seconds(60))) { areEqual(session.received.suffix(up.count), up) }
    }

    @Test(arguments: TLSRoute.all) func `what is pipelined behind the login reaches the upstream`(_ route: TLSRoute) throws {
        let proxy = try TLSServer(manner: UpstreamManner(afterLogin: { try $0.hang() }))
        let client = try proxy.client(route.speech, route.way)
        let cargo = "ZZZZ pipelined\r\n\u{0}binary\r\n"
        let login = route.speech.loginAfterGreeting().split(separator: "\n").filter { $0.hasPrefix("C: ") }.map { $0.dropFirst(3) + "\r\n" }
        try client.send(login.joined() + cargo)
        if route.speech == .pop3 { try client.expect("+OK") }
        try client.converse(route.speech.welcome)
        try proxy.upstream(route.speech).session().awaitReceived(cargo)
    }

    @Test func `small messages go back and forth without delay`() throws {
        let proxy = try TLSServer(manner: .echoesLines)
        let client = try proxy.loggedInClient(.imap, .implicit)
        #expect(try client.hasPromptEcho(by: proxy.upstream(.imap).session()))
    }

    @Test(arguments: two)
    func `an upstream that has said all and goes leaves nothing unsaid`(_ route: TLSRoute) throws {
        let cargo = cargo(Self.megabyte, seed: 5)
        let proxy = try TLSServer(manner: UpstreamManner(afterLogin: {
            _ = try $0.line()
            try $0.send(cargo)
        }))
        let client = try proxy.loggedInClient(route.speech, route.way)
        try client.send("ZZZZ\r\n")
        #expect(areEqual(try client.rest(by: .after(.seconds(60))), cargo))
        #expect(try client.endOfTLS() == "close_notify")
    }

    @Test(arguments: two, [true, false])
    func `a client that has said all and goes leaves nothing unsaid`(_ route: TLSRoute, _ isAbrupt: Bool) throws {
        let cargo = Array("ZZZZ\r\n".utf8) + cargo(Self.megabyte, seed: 6)
        let proxy = try TLSServer(manner: UpstreamManner(afterLogin: { try $0.hang() }))
        var client: LineClient? = try proxy.loggedInClient(route.speech, route.way, TLSOrder(endsAbruptly: isAbrupt))
        try client?.send(cargo)
        client = nil
        let session = try proxy.upstream(route.speech).session()
        try session.awaitEnd()
        #expect(areEqual(session.received.suffix(cargo.count), cargo))
        try proxy.server.awaitLog("proxied session done")
    }

    @Test func `a client that stops reading stops the upstream`() throws {
        let sent = Notes()
        let block = [UInt8](repeating: 0x78, count: 256 * 1024)
        let proxy = try TLSServer(manner: UpstreamManner(afterLogin: { session in
            _ = try session.line()
            sent.add("\(try session.sendUntilStuck(block, quiet: .seconds(1)))", to: "count")
            try session.hang()
        }))
        let client = try proxy.loggedInClient(.imap, .implicit)
        let worker = try proxy.server.awaitWorkers(1)[0]
        let before = worker.residentSize
        try client.send("go\r\n")
        let count = try eventually("a sender that is stuck", by: .after(.seconds(60))) { sent["count"].first.flatMap { Int($0) } }
        #expect(count < 100 * Self.megabyte)
        #expect(worker.residentSize - before < 4 * 1024)
    }

    @Test func `proxy_timeout ends a session in which nothing moves`() throws {
        let proxy = try TLSServer("proxy_timeout 700ms;")
        let client = try proxy.loggedInClient(.imap, .starttls)
        try client.expectEnd()
        let line = try proxy.server.awaitLog("client timed out (110: Connection timed out) while proxying")
        #expect(line.contains(", client: 127.0.0.1 using starttls, server: "))
    }
}
