import COpenSSL
public import Configuration
public import Kernel

/// What one server block needs to speak TLS where it is the client: with upstreams, or with its auth
/// server. The master builds it when it loads a configuration, for it alone may read the key.
@LoopActor public final class TLSClientContext {
    let handle: ContextHandle
    let verifies: Bool
    /// The name that certificates must have, where a file says one; nil: that of the host.
    let name: String?
    let sendsName: Bool
    /// Sessions to come back to; nil where each handshake shall be a full one.
    let sessions: ClientSessions?

    /// Reads the files and sets everything up, in nginx's order.
    ///
    /// - Parameter protocolName: what is spoken inside. It is offered by name (RFC 7301), so that a strict
    ///   server of another protocol, to which somebody has led us astray, ends the handshake. A server that
    ///   does not choose by name pays no heed.
    public init<Leg>(_ settings: TLSClientSettings<Leg>, protocolName: String) throws(ConfigurationError) {
        handle = try ContextHandle()
        verifies = settings.verifies
        name = settings.name
        sendsName = settings.sendsName ?? Leg.sendsName
        sessions = settings.resumesSessions ? ClientSessions() : nil
        // OpenSSL takes a name of no length for none that matters.
        if name == "" { throw ConfigurationError("no name in \"\(Leg.prefix)_name\"") }
        try handle.allow(settings.protocols)
        if let pair = try Self.pair(settings) { try handle.use([pair]) }
        try handle.setCiphers(settings.ciphers)
        if settings.verifies { try handle.verifyServers(settings) }
        if sessions != nil { handle.keepClientSessions() }
        try handle.offer(protocolName)
        try handle.run(settings.openSSLCommands, asServer: false)
    }

    private static func pair<Leg>(_ settings: TLSClientSettings<Leg>) throws(ConfigurationError) -> CertificatePair? {
        guard let certificate = settings.certificate else { return nil }
        guard let key = settings.certificateKey else {
            throw ConfigurationError("no \"\(Leg.prefix)_certificate_key\" is defined for certificate \"\(certificate.printed)\"")
        }
        return try CertificatePair(certificate: certificate, key: key, passwords: try PasswordFile(settings.passwordFile))
    }
}

/// The contexts of one configuration for connections on which we are the client. Blocks that say the same share
/// one, and with it sessions and whatever connections are kept.
@LoopActor public final class TLSClientContexts {
    private var made: [(settings: any SettingsGroup, protocolName: String, context: TLSClientContext)] = []

    public init() {}

    public func context<Leg>(
        for settings: TLSClientSettings<Leg>, protocolName: String
    ) throws(ConfigurationError) -> TLSClientContext {
        let known = made.first { $0.protocolName == protocolName && $0.settings as? TLSClientSettings<Leg> == settings }
        if let known { return known.context }
        let context = try TLSClientContext(settings, protocolName: protocolName)
        made.append((settings, protocolName, context))
        return context
    }
}

extension ContextHandle {
    /// Ends handshakes with servers whose certificates are not to be trusted.
    borrowing func verifyServers<Leg>(_ settings: TLSClientSettings<Leg>) throws(ConfigurationError) {
        guard let path = settings.trustedCertificateFile else {
            throw ConfigurationError("no \(Leg.prefix)_trusted_certificate for \(Leg.prefix)_verify")
        }
        SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
        SSL_CTX_set_verify_depth(pointer, CInt(clamping: settings.verificationDepth))
        try trust(path, alsoTrusting: nil, revoked: settings.revocationFile)
    }

    /// Names the one protocol that is spoken.
    borrowing func offer(_ protocolName: String) throws(ConfigurationError) {
        let list = [UInt8(clamping: protocolName.utf8.count)] + Array(protocolName.utf8)
        // This one call means success by 0.
        guard SSL_CTX_set_alpn_protos(pointer, list, CUnsignedInt(list.count)) == 0 else {
            throw Self.error("SSL_CTX_set_alpn_protos()")
        }
    }
}
