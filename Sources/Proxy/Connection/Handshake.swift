import Kernel
import Protocols
import TLS
import Telemetry

extension Session {
    /// Agrees upon TLS with the client, and turns it away where its certificate is not what
    /// `ssl_verify_client` asks for.
    func handshakeWithClient() async throws(SessionFailure) {
        guard let settings = server.tls else { throw .ours(level: .alert, text: "TLS without a certificate", nil) }
        context.activity = "SSL handshaking"
        // A client that says nothing costs no more than one without TLS.
        client.endPlaintext()
        try await wait { [client] in client.isReadable }
        let tls: TLSServerConnection
        do throws(TLSError) {
            tls = try TLSServerConnection(settings, over: client.source)
        } catch {
            throw .handshakeFailed(error)
        }
        client.begin(tls)
        if let error = try await handshake(over: client) { throw .handshakeFailed(error) }
        security = tls
        log.debug(.event, "SSL: \(tls.protocolVersion), cipher: \"\(tls.cipher)\"", context: context)
        switch tls.verificationFault() {
        case .certificateError(let text):
            throw .turnedAway(.certificateError, level: .info, text: "client SSL certificate verify error: \(text)")
        case .missing:
            throw .turnedAway(.noRequiredCertificate, level: .info, text: "client sent no required SSL certificate")
        case nil: break
        }
    }

    /// Goes through with the handshake that has begun on a connection, whichever side is ours.
    /// - Returns: why it came to nothing, or nil where it did not.
    func handshake(over connection: Connection) async throws(SessionFailure) -> TLSError? {
        while connection.isHandshaking {
            switch connection.handshake() {
            case .done: break
            case .wouldBlock:
                // Only what was false and becomes true is news.
                let source = connection.source
                let (wasReadable, wasWritable) = (source.isReadable, source.isWritable)
                try await wait { (!wasReadable && source.isReadable) || (!wasWritable && source.isWritable) }
            case .failed(let error): return error
            }
        }
        return nil
    }

    /// What the auth server is told of the client's TLS (`mail-auth-http.md`, section 2).
    var facts: AuthRequest.TLSFacts? {
        guard let security else { return nil }
        func bytes(_ text: String?) -> [UInt8]? { text.map { Array($0.utf8) } }
        var facts = AuthRequest.TLSFacts(
            protocolVersion: bytes(security.protocolVersion), cipher: bytes(security.cipher),
            verification: bytes(security.verificationText))
        guard facts.verification != nil, let certificate = security.clientCertificate else { return facts }
        facts.subject = bytes(certificate.subject)
        facts.issuer = bytes(certificate.issuer)
        facts.serial = bytes(certificate.serial)
        facts.fingerprint = bytes(certificate.fingerprint)
        if server.authHTTP.passesClientCertificate { facts.certificate = bytes(certificate.pem) }
        return facts
    }
}
