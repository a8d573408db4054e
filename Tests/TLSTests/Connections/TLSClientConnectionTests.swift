import COpenSSL
import Configuration
import Kernel
import TestSupport
import Testing

@testable import TLS

/// Our client before a server of ours, over a socket of this process.
@LoopActor private final class UpstreamPair {
    let server: TLSServerConnection
    let client: TLSClientConnection
    let buffer = SharedBuffer()

    init(
        _ serverContext: TLSServerContext, _ clientContext: TLSClientContext, host: String = "mail.example",
        address: SocketAddress = .ipv4(1, port: 993)
    ) throws {
        let ends = try Channel.makePair()
        let sources = [ends.0, ends.1].map { EventSource(owning: $0, isStream: true) }
        for source in sources { try LoopActor.loop.watch(source, Recorder()) }
        server = try TLSServerConnection(serverContext, over: sources[0])
        client = try TLSClientConnection(clientContext, over: sources[1], to: address, host: host)
    }

    /// Lets both sides go on until each has succeeded or failed, then the server greets, so that the client
    /// has its session.
    func connect() throws -> (server: TLSConnection.Progress, client: TLSConnection.Progress) {
        var (atServer, atClient) = (TLSConnection.Progress.wouldBlock, TLSConnection.Progress.wouldBlock)
        try runLoop {
            if atServer == .wouldBlock { atServer = server.handshake() }
            if atClient == .wouldBlock { atClient = client.handshake() }
            return atServer != .wouldBlock && atClient != .wouldBlock
        }
        if case (.done, .done) = (atServer, atClient) {
            _ = server.send([1].span)
            try runLoop { client.receive(into: buffer) == .moved(1) || client.fault != nil }
        }
        return (atServer, atClient)
    }

    func close() {
        server.source.close()
        client.source.close()
    }
}

@Suite struct TLSClientConnectionTests {
    /// How our client, told these directives, gets on with a server that shows that certificate.
    private func meet(
        _ directives: String, _ certificate: String, host: String = "mail.example", serverDirectives: String = "",
        protocolName: String = "imap", _ body: @LoopActor (UpstreamPair) throws -> Void = { _ in }
    ) throws -> TLSConnection.Progress {
        let authority = try TestAuthority.here()
        return try onLoop {
            let pair = try UpstreamPair(
                try TLSServerContext(authority.directives(certificate) + serverDirectives),
                try TLSClientContext(directives.replacing("FOLDER", with: authority.folder), protocolName: protocolName), host: host)
            defer { pair.close() }
            let progress = try pair.connect()
            try body(pair)
            return progress.client
        }
    }

    private static let verify = "proxy_ssl_verify on; proxy_ssl_trusted_certificate FOLDER/ca.pem; "

    @Test(arguments: [
        ("rsa", "mail.example", ""), ("ecdsa", "MAIL.example", ""), ("rsa", "a.pool.example", ""),
        ("ecdsa", "10.0.0.1", "proxy_ssl_name mail.example;"), ("address", "127.0.0.1", ""), ("address", "::1", ""),
        ("rsa", "nowhere", "proxy_ssl_name b.pool.example;"), ("revoked", "revoked", ""),
        ("chain", "deep", "proxy_ssl_verify_depth 2;"), ("ecdsa", "mail.example", "proxy_ssl_crl FOLDER/ca.crl;"),
        ("ecdsa", "mail.example", "proxy_ssl_protocols TLSv1.2;"),
    ])
    func `a certificate that is good and has the name is believed`(_ certificate: String, _ host: String, _ directives: String) throws {
        #expect(try meet(Self.verify + directives, certificate, host: host) == .done)
    }

    private static func mismatch(_ name: String) -> String { "SSL certificate does not match \"\(name)\"" }
    private static func error(_ text: String) -> String { "SSL certificate verify error: (\(text))" }

    private static let bad: [(String, String, String, String)] = [
        ("expired", "expired", "", error("10:certificate has expired")),
        ("unknown", "nobody", "", error("20:unable to get local issuer certificate")),
        ("self", "self", "", error("18:self-signed certificate")),
        ("revoked", "revoked", "proxy_ssl_crl FOLDER/ca.crl;", error("23:certificate revoked")),
        ("chain", "deep", "proxy_ssl_verify_depth 0;", error("22:certificate chain too long")),
        ("ecdsa", "other.example", "", mismatch("other.example")),
        ("ecdsa", "mail.example.", "proxy_ssl_name other.example;", mismatch("other.example")),
        ("rsa", "a.b.pool.example", "", mismatch("a.b.pool.example")), ("rsa", "pool.example", "", mismatch("pool.example")),
        ("ecdsa", "127.0.0.1", "", mismatch("127.0.0.1")), ("address", "127.0.0.2", "", mismatch("127.0.0.2")),
        ("address", "::2", "", mismatch("::2")),
    ]

    @Test(arguments: bad, ["TLSv1.2", "TLSv1.3"])
    func `a bad certificate ends the handshake, and the log can tell why`(
        _ case: (certificate: String, host: String, directives: String, message: String), _ version: String
    ) throws {
        let directives = Self.verify + `case`.directives + "proxy_ssl_protocols \(version);"
        let outcome = try meet(directives, `case`.certificate, host: `case`.host) { pair in
            // The server hears of it at once or with what it reads next.
            try runLoop {
                _ = pair.server.receive(into: pair.buffer)
                return pair.server.fault != nil
            }
        }
        #expect(outcome == .failed(TLSError(`case`.message, isClientFault: true, isAboutCertificate: true)))
    }

    @Test(arguments: ["expired", "unknown", "self", "ecdsa"])
    func `what nobody verifies may be anything`(_ certificate: String) throws {
        #expect(try meet("", certificate, host: "other.example") == .done)
    }

    @Test(arguments: [
        ("", "mail.example", nil), ("proxy_ssl_server_name on;", "mail.example", "mail.example"),
        ("proxy_ssl_server_name on; proxy_ssl_name x.example;", "mail.example", "x.example"),
        ("proxy_ssl_server_name on;", "127.0.0.1", nil), ("proxy_ssl_server_name on;", "::1", nil),
        ("proxy_ssl_server_name on; proxy_ssl_name mail.example;", "127.0.0.1", "mail.example"),
    ] as [(String, String, String?)])
    func `a server is told its name if asked for, but never an address`(_ directives: String, _ host: String, _ name: String?) throws {
        _ = try meet(directives, "ecdsa", host: host) { pair in
            #expect(pair.server.serverName == name)
        }
    }

    @Test func `an auth server is told its name unasked`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let pair = try UpstreamPair(
                try TLSServerContext(authority.directives("ecdsa"), protocolName: "http/1.1"),
                try TLSClientContext(TLSClientSettings<AuthServerLeg>(), protocolName: "http/1.1"))
            defer { pair.close() }
            #expect(try pair.connect().client == .done)
            #expect(pair.server.serverName == "mail.example")
        }
    }

    @Test func `a strict server of another protocol is not spoken to`() throws {
        guard case .failed(let error) = try meet("", "ecdsa", protocolName: "pop3") else { throw TestFailure("no fault") }
        #expect(error.text.contains("no application protocol") && !error.isAboutCertificate)
    }

    @Test func `a client certificate is shown where the server asks`() throws {
        let own = "proxy_ssl_certificate FOLDER/client.pem; proxy_ssl_certificate_key FOLDER/client.key;"
        let demand = "ssl_verify_client on; ssl_client_certificate \(try TestAuthority.here().file("ca.pem"));"
        _ = try meet(own, "ecdsa", serverDirectives: demand) { pair in
            #expect(pair.server.verification == .success && pair.server.verificationFault() == nil)
        }
        _ = try meet("", "ecdsa", serverDirectives: demand) { pair in
            #expect(pair.server.verificationFault() == .missing)
        }
    }

    @Test(arguments: [("proxy_ssl_protocols TLSv1.2;", "TLSv1.2"), ("proxy_ssl_conf_command MaxProtocol TLSv1.2;", "TLSv1.2"), ("", "TLSv1.3")])
    func `versions are those of the directive, and OpenSSL's own commands come last`(_ directives: String, _ version: String) throws {
        _ = try meet(directives, "ecdsa") { pair in
            #expect(pair.server.protocolVersion == version)
        }
    }

    @Test func `a server that begins another handshake is not followed`() throws {
        _ = try meet("proxy_ssl_protocols TLSv1.2;", "ecdsa", serverDirectives: "ssl_conf_command Options -NoRenegotiation;") { pair in
            SSL_clear_options(pair.server.handle.pointer, openssl_no_renegotiation)
            #expect(SSL_renegotiate(pair.server.handle.pointer) == 1)
            _ = SSL_do_handshake(pair.server.handle.pointer)
            #expect(pair.server.send([7].span) == .moved(1))
            try runLoop {
                _ = pair.server.receive(into: pair.buffer)
                _ = pair.client.receive(into: pair.buffer)
                return pair.server.fault != nil || pair.client.fault != nil
            }
            #expect(pair.server.fault?.text.contains("no renegotiation") == true)
        }
    }

    @Test(arguments: ["* OK IMAP4 ready\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}"])
    func `what is no handshake is a fault of the server's`(_ text: String) throws {
        try onLoop {
            let ends = try WatchedPair(Recorder())
            defer { ends.close() }
            let client = try TLSClientConnection(try TLSClientContext(), over: ends.near, to: .ipv4(1, port: 1), host: "h")
            try runLoop { ends.near.isWritable }
            #expect(client.handshake() == .wouldBlock)
            ends.far.say(text)
            try runLoop { ends.near.isReadable }
            guard case .failed(let error) = client.handshake() else { throw TestFailure("no fault") }
            #expect(error.isClientFault && error.text.hasPrefix("SSL_do_handshake() failed (SSL: error:0A"))
        }
    }

    @Test func `a server that goes in the middle of a handshake is said to have closed it`() throws {
        try onLoop {
            let ends = try WatchedPair(Recorder())
            defer { ends.close() }
            let client = try TLSClientConnection(try TLSClientContext(), over: ends.near, to: .ipv4(1, port: 1), host: "h")
            try runLoop { ends.near.isWritable }
            #expect(client.handshake() == .wouldBlock)
            // What lies unread with whoever closes would break the connection.
            ends.far.isReadable = true
            #expect(ends.far.hear().bytes.first == 0x16)
            ends.far.close()
            try runLoop { ends.near.isReadable }
            #expect(client.handshake() == .failed(TLSError("peer closed connection in SSL handshake", isClientFault: true)))
        }
    }
}
