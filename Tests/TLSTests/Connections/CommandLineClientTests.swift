import Kernel
import TestSupport
import Testing

@testable import TLS

/// A client that is none of ours: OpenSSL's own, in a process of its own, over TCP.
@Suite(.ownWorkspace) struct CommandLineClientTests {
    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `openssl s_client believes the certificate, and gets what is sent`(_ version: String) throws {
        let authority = try TestAuthority.here()
        let workspace = try Workspace.here()
        try onLoop {
            let listener = try ListeningSocket.bind(try #require(SocketAddress(literal: "127.0.0.1", port: 0)))
            let door = EventSource(owning: try FileDescriptor.duplicate(of: listener.descriptor.number).release(), isStream: false)
            defer { door.close() }
            let address = try #require(door.localAddress)
            let command = [
                "openssl", "s_client", version, "-connect", "\(address)", "-CAfile", authority.file("ca.pem"), "-verify_return_error",
                "-verify_hostname", "other.example", "-servername", "other.example", "-alpn", "imap", "-ign_eof",
            ]
            let client = try ChildProcess(command, input: "a LOGOUT\n", in: workspace)
            try LoopActor.loop.watch(door, Recorder())
            try runLoop { door.isReadable }
            guard let source = try door.accept()?.source() else { throw TestFailure("nobody came") }
            defer { source.close() }
            try LoopActor.loop.watch(source, Recorder())
            let server = try TLSServerConnection(try TLSServerContext(authority.directives("rsa", "other")), over: source)
            try serve(server)
            try #expect(client.awaitExit() == .code(0))
            let output = workspace.contents(String(client.standardOutput.split(separator: "/").last ?? "")) ?? ""
            #expect(output.contains("* OK ready") && output.contains("* BYE") && output.contains("Verification: OK"))
            #expect(output.contains("ALPN protocol: imap") && output.contains("Verified peername: other.example"))
        }
    }

    /// Greets, waits for a command, and says goodbye.
    @LoopActor private func serve(_ server: TLSServerConnection) throws {
        var progress = TLSConnection.Progress.wouldBlock
        try runLoop {
            if progress == .wouldBlock { progress = server.handshake() }
            return progress != .wouldBlock
        }
        #expect(progress == .done && server.serverName == "other.example")
        #expect(server.send(Array("* OK ready\r\n".utf8).span) == .moved(12))
        let buffer = SharedBuffer()
        var count = 0
        try runLoop {
            while case .moved(let more) = server.receive(into: buffer) { count += more }
            return count >= 9
        }
        #expect(server.send(Array("* BYE\r\n".utf8).span) == .moved(7))
        server.endSending()
        server.source.endSending()
    }
}
