import Foundation
import TestSupport
import Testing

/// The copying of bytes after the login (`mail-proxy.md`, section 7).
@Suite(.ownWorkspace) struct RelayTests {
    private static let megabyte = 1 << 20

    @Test(arguments: Speech.allCases)
    func `what is pipelined behind the login reaches the upstream`(_ speech: Speech) throws {
        let upstream = try speech.upstream(UpstreamManner(afterLogin: { try $0.hang() }))
        let client = try MailServer(speech, accepting: upstream).client()
        try client.expect("\(speech.greeting)")
        let cargo = "ZZZZ pipelined\r\n\u{0}binary\r\n"
        let login = speech.login().split(separator: "\n").filter { $0.hasPrefix("C: ") }.map { $0.dropFirst(3) + "\r\n" }
        try client.send(login.joined() + cargo)
        if speech == .pop3 { try client.expect("+OK") }
        try client.converse(speech.welcome)
        try upstream.session().awaitReceived(cargo)
        #expect(try upstream.session().receivedText.hasSuffix(cargo))
    }

    @Test(arguments: Speech.allCases)
    func `25 MB to the upstream arrive byte for byte`(_ speech: Speech) throws {
        let cargo = Array("ZZZZ\r\n".utf8) + cargo(25 * Self.megabyte)
        let upstream = try speech.upstream(UpstreamManner(afterLogin: {
            _ = try $0.bytes(cargo.count)
            try $0.send("done\r\n")
        }))
        let client = try MailServer(speech, accepting: upstream).loggedInClient(speech)
        try client.send(cargo)
        try client.expect("done", by: .after(.seconds(60)))
        let received = try upstream.session().received
        #expect(areEqual(received.suffix(cargo.count), cargo))
    }

    @Test(arguments: Speech.allCases)
    func `25 MB to the client arrive byte for byte`(_ speech: Speech) throws {
        let cargo = cargo(25 * Self.megabyte, seed: 2)
        let upstream = try speech.upstream(UpstreamManner(afterLogin: {
            _ = try $0.line()
            try $0.send(cargo)
        }))
        let client = try MailServer(speech, accepting: upstream).loggedInClient(speech)
        try client.send("ZZZZ\r\n")
        #expect(areEqual(try client.rest(by: .after(.seconds(60))), cargo))
    }

    @Test(arguments: ["EPERM", "ENOSYS", "EINVAL"])
    func `where the kernel hands nothing on by itself, it is asked once, and bytes are copied`(_ refusal: String) throws {
        let cargo = cargo(4 * Self.megabyte, seed: 5)
        let upstream = try StubServer.imap(UpstreamManner(afterLogin: {
            _ = try $0.line()
            try $0.send(cargo)
        }))
        let auth = try StubAuthServer(accepting: upstream)
        let port = try Ports.free()
        let calls = try Workspace.here().file("calls")
        _ = try ServerUnderTest(
            configuration: """
                daemon off; master_process off; pid server.pid;
                events { worker_connections 64; }
                mail { server_name mx.test; auth_http \(auth.url); server { listen 127.0.0.1:\(port); protocol imap; } }
                """,
            program: ["strace", "-f", "-o", calls, "-e", "trace=splice", "-e", "inject=splice:error=\(refusal)", ProgramUnderTest.path])
        let client = try LineClient(port)
        try client.converse(Speech.imap.login() + Speech.imap.welcome)
        try client.send("ZZZZ\r\n")
        #expect(areEqual(try client.rest(by: .after(.seconds(60))), cargo))
        let log = String(decoding: FileManager.default.contents(atPath: calls) ?? Data(), as: UTF8.self)
        #expect(log.components(separatedBy: "splice(").count == 2, "\(log)")
    }

    @Test func `both directions flow at once`() throws {
        let (up, down) = (cargo(10 * Self.megabyte, seed: 3), cargo(10 * Self.megabyte, seed: 4))
        let upstream = try StubServer.imap(UpstreamManner(afterLogin: { session in
            onNewThread { try? session.send(down) }
            try session.hang()
        }))
        let client = try MailServer(.imap, accepting: upstream).loggedInClient(.imap)
        onNewThread { try? client.socket.send(up) }
        #expect(areEqual(try client.bytes(down.count, by: .after(.seconds(60))), down))
        let session = try upstream.session()
        let loginSize = session.received.count > up.count ? session.received.count - up.count : 0
        try session.awaitReceived(count: up.count + loginSize)
        try eventually("all that the client sent", by: .after(.seconds(60))) { areEqual(session.received.suffix(up.count), up) }
    }

    @Test func `small messages go back and forth without delay`() throws {
        let upstream = try StubServer.imap(.echoesLines)
        let client = try MailServer(.imap, accepting: upstream).loggedInClient(.imap)
        #expect(try client.hasPromptEcho(by: upstream.session()))
    }

    @Test(arguments: Speech.allCases)
    func `a client that has said all still gets what is on its way`(_ speech: Speech) throws {
        let cargo = cargo(3 * Self.megabyte, seed: 5)
        let upstream = try speech.upstream(UpstreamManner(afterLogin: {
            try $0.hang()
            try $0.send(cargo)
        }))
        let client = try MailServer(speech, accepting: upstream).loggedInClient(speech)
        try client.send("ZZZZ\r\n")
        client.finishSending()
        #expect(areEqual(try client.rest(by: .after(.seconds(60))), cargo))
        try upstream.session().awaitEnd()
    }

    @Test(arguments: Speech.allCases)
    func `an upstream that has said all still gets what is on its way`(_ speech: Speech) throws {
        let cargo = Array("ZZZZ\r\n".utf8) + cargo(3 * Self.megabyte, seed: 6)
        let upstream = try speech.upstream(UpstreamManner(afterLogin: {
            _ = try $0.line()
            $0.finishSending()
            try $0.hang()
        }))
        let proxy = try MailServer(speech, accepting: upstream)
        let client = try proxy.loggedInClient(speech)
        try client.send(cargo)
        client.finishSending()
        try client.expectEnd()
        let session = try upstream.session()
        try session.awaitEnd()
        #expect(areEqual(session.received.suffix(cargo.count), cargo))
        try proxy.server.awaitLog("proxied session done")
    }

    @Test(arguments: [true, false])
    func `a client that vanishes takes its upstream's connection with it`(_ isReset: Bool) throws {
        let upstream = try StubServer.imap()
        let proxy = try MailServer(.imap, accepting: upstream)
        var client: LineClient? = try proxy.loggedInClient(.imap)
        if isReset { client?.socket.resetOnClose() }
        client?.close()
        client = nil
        try upstream.session().awaitEnd()
    }

    /// What one side sends and the other does not read stays with the sender but for fixed buffers.
    @Test(arguments: [true, false])
    func `a reader that stops reading stops the other side and grows no memory`(_ clientReads: Bool) throws {
        let sent = Notes()
        let block = [UInt8](repeating: 0x78, count: 256 * 1024)
        let upstream = try StubServer.imap(UpstreamManner(afterLogin: { session in
            if clientReads {
                // Reads nothing: only the kernel's buffers fill.
                while sent["stop"].isEmpty { usleep(5000) }
            } else {
                _ = try session.line()
                sent.add("\(try session.sendUntilStuck(block, quiet: .seconds(1)))", to: "count")
                try session.hang()
            }
        }))
        let proxy = try MailServer(.imap, accepting: upstream)
        let client = try proxy.loggedInClient(.imap)
        let worker = try proxy.server.awaitWorkers(1)[0]
        let before = worker.residentSize
        if clientReads {
            sent.add("\(try client.socket.sendUntilStuck(block, quiet: .seconds(1)))", to: "count")
        } else {
            try client.send("go\r\n")
        }
        let count = try eventually("a sender that is stuck", by: .after(.seconds(60))) { sent["count"].first.flatMap { Int($0) } }
        #expect(count < 100 * Self.megabyte)
        #expect(worker.residentSize - before < 4 * 1024)
        sent.add("", to: "stop")
    }

    @Test func `proxy_timeout ends a session in which nothing moves`() throws {
        let upstream = try StubServer.imap()
        let proxy = try MailServer(.imap, accepting: upstream, "proxy_timeout 700ms;")
        let client = try proxy.loggedInClient(.imap)
        try client.expectEnd()
        try upstream.session().awaitEnd()
        try proxy.server.awaitLog("client timed out (110: Connection timed out) while proxying, client: 127.0.0.1")
    }

    @Test func `traffic in either direction keeps a session from proxy_timeout`() throws {
        let upstream = try StubServer.imap(UpstreamManner(afterLogin: { session in
            for _ in 1...8 {
                usleep(200_000)
                try session.send("* push\r\n")
            }
            try session.send("end\r\n")
        }))
        let client = try MailServer(.imap, accepting: upstream, "proxy_timeout 1s;").loggedInClient(.imap)
        for _ in 1...8 { try client.expect("* push") }
        try client.expect("end")
    }

    @Test func `the log tells of a session's whole way`() throws {
        let upstream = try StubServer.imap()
        let proxy = try MailServer(.imap, accepting: upstream)
        let client = try proxy.loggedInClient(.imap)
        client.finishSending()
        try client.expectEnd()
        let context = "client: 127.0.0.1, server: 127.0.0.1:\(proxy.port), login: \"user\", upstream: 127.0.0.1:\(upstream.port)"
        let done = try proxy.server.awaitLog("proxied session done")
        #expect(done.hasSuffix("proxied session done, \(context)") || done.contains("proxied session done while proxying"))
        #expect(done.hasSuffix(context))
        let loggedIn = try proxy.server.awaitLog("client logged in")
        #expect(loggedIn.hasSuffix("client logged in, \(context)"))
        let shape = #/^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[info\] (\d+)#(\d+): \*(\d+) client logged in/#
        #expect(try shape.firstMatch(in: loggedIn) != nil)
        try proxy.server.awaitLog(" connected to 127.0.0.1:\(proxy.port)")
    }
}
