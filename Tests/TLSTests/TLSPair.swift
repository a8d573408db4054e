import COpenSSL
import Configuration
import Kernel
import TestSupport
import Testing

@testable import TLS

/// What clients of a test do differently from each other.
struct ClientHabits: Sendable {
    var serverName: String?
    var protocols: [String] = []
    /// The certificate to show, by its name with the test's authority.
    var certificate: String?
    /// What to do with OpenSSL's context besides, in the commands of `ssl_conf_command`.
    var commands: [(String, String)] = []
    var session: TestSession?

    static var usual: ClientHabits { ClientHabits() }
}

/// A session that a client has kept to come back to.
final class TestSession: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }
    deinit { SSL_SESSION_free(pointer) }

    var isResumable: Bool { SSL_SESSION_is_resumable(pointer) == 1 }
    var lifetime: Int { Int(SSL_SESSION_get_ticket_lifetime_hint(pointer)) }
    var hasTicket: Bool { SSL_SESSION_has_ticket(pointer) == 1 }
}

/// The other end of a test's TLS: OpenSSL as a client, which trusts whatever it is shown.
@LoopActor final class TestClient: TLSConnection {
    private let context: TestClientContext

    init(_ habits: ClientHabits, over source: EventSource) throws {
        context = try TestClientContext(habits)
        try super.init(context.handle, over: source)
        SSL_set_connect_state(handle.pointer)
        if let name = habits.serverName {
            SSL_ctrl(handle.pointer, SSL_CTRL_SET_TLSEXT_HOSTNAME, CLong(TLSEXT_NAMETYPE_host_name), UnsafeMutableRawPointer(mutating: name.cString))
        }
        if let session = habits.session { SSL_set_session(handle.pointer, session.pointer) }
    }

    /// The session as it is now: with TLS 1.3, only after something has been read.
    var session: TestSession? { SSL_get1_session(handle.pointer).map(TestSession.init) }
    var version: String { String(cString: SSL_get_version(handle.pointer)) }
    var cipher: String { String(cString: SSL_CIPHER_get_name(SSL_get_current_cipher(handle.pointer))) }

    /// The common name of the server's certificate with the type of its key, such as `mail.example RSA`.
    var serverCertificate: String {
        guard let certificate = SSL_get1_peer_certificate(handle.pointer) else { return "none" }
        defer { X509_free(certificate) }
        var name = [CChar](repeating: 0, count: 256)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, &name, 256)
        let type = EVP_PKEY_get_base_id(X509_get0_pubkey(certificate)) == EVP_PKEY_RSA ? "RSA" : "ECDSA"
        return "\(name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }) \(type)"
    }

    var chosenProtocol: String {
        var start: UnsafePointer<UInt8>?
        var length: CUnsignedInt = 0
        SSL_get0_alpn_selected(handle.pointer, &start, &length)
        return String(decoding: UnsafeBufferPointer(start: start, count: Int(length)), as: UTF8.self)
    }

    var namedAuthorities: Int { max(0, Int(OPENSSL_sk_num(SSL_get0_peer_CA_list(handle.pointer)))) }

    /// What this side sends from the end of the handshake on, for the test to send in its place.
    func rawRecords() throws -> RawRecords { RawRecords(secret: try #require(context.secrets["CLIENT_TRAFFIC_SECRET_0"])) }
    /// What this side says when the server has said hello, for the test to say in its place.
    func rawHandshake() throws -> RawRecords { RawRecords(secret: try #require(context.secrets["CLIENT_HANDSHAKE_TRAFFIC_SECRET"])) }

    func renegotiate() -> CInt {
        guard SSL_renegotiate(handle.pointer) == 1 else { return 0 }
        return SSL_do_handshake(handle.pointer)
    }

    func updateKeys() { _ = SSL_key_update(handle.pointer, SSL_KEY_UPDATE_REQUESTED) }
}

@LoopActor private final class TestClientContext {
    let handle: ContextHandle
    /// What OpenSSL has agreed upon, by its names for it.
    private(set) var secrets: [String: [UInt8]] = [:]

    init(_ habits: ClientHabits) throws {
        handle = try ContextHandle()
        openssl_set_context_owner(handle.pointer, Unmanaged.passUnretained(self).toOpaque())
        SSL_CTX_set_keylog_callback(handle.pointer, keepSecret)
        try handle.allow([.tls1, .tls11, .tls12, .tls13])
        SSL_CTX_clear_options(handle.pointer, openssl_no_renegotiation)
        try handle.run(habits.commands.map { NamedValue(name: Word(stringLiteral: $0.0), value: Word(stringLiteral: $0.1)) }, asServer: false)
        let names = habits.protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        if !names.isEmpty { SSL_CTX_set_alpn_protos(handle.pointer, names, CUnsignedInt(names.count)) }
        if let name = habits.certificate {
            let authority = try TestAuthority.here()
            SSL_CTX_use_certificate_chain_file(handle.pointer, authority.file("\(name).pem"))
            SSL_CTX_use_PrivateKey_file(handle.pointer, authority.file("\(name).key"), SSL_FILETYPE_PEM)
        }
    }
}

extension TestClientContext {
    /// Takes a line such as `CLIENT_TRAFFIC_SECRET_0 random secret`, in hex.
    fileprivate func keep(_ line: String) {
        let words = line.split(separator: " ")
        guard words.count == 3 else { return }
        let digits = Array(words[2])
        secrets[String(words[0])] = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
            UInt8(String(digits[$0...$0 + 1]), radix: 16)
        }
    }
}

private func keepSecret(_ connection: OpaquePointer?, _ line: UnsafePointer<CChar>?) {
    guard let owner = openssl_context_owner(SSL_get_SSL_CTX(connection)), let line else { return }
    nonisolated(unsafe) let place = (owner: owner, line: String(cString: line))
    LoopActor.assumeIsolated {
        Unmanaged<TestClientContext>.fromOpaque(place.owner).takeUnretainedValue().keep(place.line)
    }
}

extension String {
    /// A copy that lives as long as the process, which for a test is no matter.
    fileprivate var cString: UnsafePointer<CChar> {
        let copy = UnsafeMutableBufferPointer<CChar>.allocate(capacity: utf8.count + 1)
        _ = copy.initialize(from: utf8CString)
        return UnsafePointer(copy.baseAddress!)
    }
}

private let schema = Schema(groups: [TLSSettings.self])

/// The settings that these directives make.
func tlsSettings(_ directives: String) throws -> TLSSettings {
    try schema.settings(directives, in: .server)[TLSSettings.self]
}

extension TLSServerContext {
    /// A context as a server block with these directives has it.
    convenience init(
        _ directives: String, protocolName: String = "imap", identity: String = "0.0.0.0:993", resumption: TLSResumption? = nil
    ) throws {
        try self.init(
            try tlsSettings(directives), protocolName: protocolName, identity: identity, mode: "listen ... ssl",
            at: .file("/etc/martlet/m.conf", line: 7), resumption: resumption ?? TLSResumption())
    }
}

/// A server and a client over a socket of this process, both on the loop.
@LoopActor final class TLSPair {
    let server: TLSServerConnection
    let client: TestClient
    let buffer = SharedBuffer()

    init(_ context: TLSServerContext, _ habits: ClientHabits = .usual, overTCP: Bool = false) throws {
        let ends = try WatchedPair(Recorder(), overTCP: overTCP)
        try LoopActor.loop.watch(ends.far, Recorder())
        server = try TLSServerConnection(context, over: ends.near)
        client = try TestClient(habits, over: ends.far)
    }

    func close() {
        server.source.close()
        client.source.close()
    }

    /// Lets both sides go on until each has succeeded or failed.
    @discardableResult
    func shakeHands() throws -> (server: TLSConnection.Progress, client: TLSConnection.Progress) {
        var (atServer, atClient) = (TLSConnection.Progress.wouldBlock, TLSConnection.Progress.wouldBlock)
        try runLoop {
            if atServer == .wouldBlock { atServer = server.handshake() }
            if atClient == .wouldBlock { atClient = client.handshake() }
            // A client of TLS 1.3 is done before the server has judged it.
            if case .failed = atServer, atClient == .wouldBlock { return client.handshake() != .wouldBlock }
            return atServer != .wouldBlock && atClient != .wouldBlock
        }
        return (atServer, atClient)
    }

    /// Sends all of it from one side, and reads it at the other.
    func carry(_ bytes: [UInt8], from sender: TLSConnection, to receiver: TLSConnection) throws -> [UInt8] {
        var sent = 0
        var received: [UInt8] = []
        try runLoop {
            while sent < bytes.count, sender.source.isWritable {
                guard case .moved(let count) = sender.send(bytes.span.extracting(sent..<bytes.count)) else { break }
                sent += count
            }
            received += drain(receiver).bytes
            return received.count >= bytes.count || receiver.fault != nil
        }
        return received
    }

    /// Reads whatever one side can read now.
    func drain(_ connection: TLSConnection, atMost limit: Int = SharedBuffer.byteCount) -> (bytes: [UInt8], end: Transfer) {
        connection.hear(through: buffer, atMost: limit)
    }

    /// Greets the client, and lets it take its session away.
    func greet(_ text: String = "* OK\r\n") throws -> TestSession? {
        _ = try carry(Array(text.utf8), from: server, to: client)
        return client.session
    }
}

extension TLSConnection {
    /// Reads whatever can be read now.
    func hear(through buffer: SharedBuffer, atMost limit: Int = SharedBuffer.byteCount) -> (bytes: [UInt8], end: Transfer) {
        var bytes: [UInt8] = []
        while true {
            switch receive(into: buffer, atMost: limit) {
            case .moved(let count): buffer.withBytes(count) { span in for index in span.indices { bytes.append(span[index]) } }
            case let end: return (bytes, end)
            }
        }
    }
}

/// A server and a client with the test between them, which decides when which bytes arrive.
@LoopActor final class SplitPair {
    let server: TLSServerConnection
    let client: TestClient
    let buffer = SharedBuffer()
    private let (atServer, atClient): (WatchedPair, WatchedPair)

    init(_ context: TLSServerContext, _ habits: ClientHabits = .usual) throws {
        (atServer, atClient) = (try WatchedPair(Recorder()), try WatchedPair(Recorder()))
        server = try TLSServerConnection(context, over: atServer.near)
        client = try TestClient(habits, over: atClient.near)
        try runLoop { server.source.isWritable && client.source.isWritable }
    }

    func close() {
        atServer.close()
        atClient.close()
    }

    /// All that the server, or the client, has sent and nobody has taken.
    func serverBytes() throws -> [UInt8] { atServer.far.taken() }
    func clientBytes() throws -> [UInt8] { atClient.far.taken() }

    /// Brings bytes to the server.
    func deliver(_ bytes: [UInt8]) throws {
        _ = atServer.far.send(bytes.span)
        try runLoop { server.source.isReadable }
    }

    /// What the server understands of what has been brought to it.
    func heardByServer() -> (bytes: [UInt8], end: Transfer) { server.hear(through: buffer) }

    /// Brings bytes to the client.
    func answer(_ bytes: [UInt8]) throws {
        _ = atClient.far.send(bytes.span)
        try runLoop { client.source.isReadable }
    }

    func shakeHands() throws {
        var (server, client) = (TLSConnection.Progress.wouldBlock, self.client.handshake())
        while server == .wouldBlock || client == .wouldBlock {
            let hello = try clientBytes()
            if !hello.isEmpty { try deliver(hello) }
            if server == .wouldBlock { server = self.server.handshake() }
            let reply = try serverBytes()
            if !reply.isEmpty { try answer(reply) }
            if client == .wouldBlock { client = self.client.handshake() }
            guard !hello.isEmpty || !reply.isEmpty || server != .wouldBlock else { throw TestFailure("the handshake stands still") }
        }
    }
}

extension EventSource {
    fileprivate func taken() -> [UInt8] {
        isReadable = true
        return hear().bytes
    }
}
