import COpenSSL
public import Configuration
public import Kernel

/// What one server block needs to speak TLS with its clients. The master builds it when it loads a
/// configuration, for it alone may read the keys; workers use it after they have been forked.
@LoopActor public final class TLSServerContext {
    /// What is to be warned of.
    public let warnings: [String]
    let handle: ContextHandle
    /// The one protocol that a client may ask for by name (RFC 7301).
    nonisolated let protocolName: [UInt8]
    nonisolated let choice: CertificateChoice
    let clientVerification: TLSSettings.ClientVerification
    let builtinSessionCache: BuiltinSessionCache
    /// Where sessions are kept for all workers.
    nonisolated let zone: SharedSessionTable?
    nonisolated let hasTickets: Bool
    private let ticketKeySource: TicketKeys

    /// Reads the files and sets everything up, in nginx's order.
    ///
    /// - Parameters:
    ///   - protocolName: `imap`, `pop3` or `smtp`.
    ///   - identity: what tells the block from all others and outlives a reload, such as the addresses that
    ///     it listens on. Sessions of one block are not taken by another.
    ///   - mode: what asks for TLS, as messages say it: `listen ... ssl` or `starttls`.
    ///   - position: where that stands.
    ///   - resumption: where sessions are kept for all blocks, workers and configurations.
    public init(
        _ settings: TLSSettings, protocolName: String, identity: String, mode: String, at position: Position?,
        resumption: TLSResumption
    ) throws(ConfigurationError) {
        let sources = try Self.sources(settings, mode, position)
        handle = try ContextHandle()
        self.protocolName = Array(protocolName.utf8)
        let pointer = handle.pointer
        try handle.allow(settings.protocols)
        choice = CertificateChoice(pairs: try Self.pairs(sources, settings.passwordFile, in: handle))
        try handle.setCiphers(settings.ciphers)
        if settings.prefersServerCiphers { SSL_CTX_set_options(pointer, openssl_server_preference) }
        clientVerification = settings.clientVerification
        try handle.verifyClients(settings)
        try handle.setKeyExchange(dhParametersFile: settings.dhParametersFile, curves: settings.curves)
        warnings = openssl_compress_certificates(pointer, settings.compressesCertificates ? 1 : 0) == 1
            ? [] : ["\"ssl_certificate_compression\" ignored, not supported"]
        builtinSessionCache = settings.builtinSessionCache
        zone = if let zone = settings.sessionZone { try resumption.zone(zone, at: settings.$sessionZone.position) } else { nil }
        hasTickets = settings.sendsSessionTickets
        ticketKeySource = try Self.ticketKeys(settings, resumption)
        try setUpResumption(settings, identity: [protocolName, identity])
        SSL_CTX_set_max_early_data(pointer, 0)
        SSL_CTX_set_alpn_select_cb(pointer, selectProtocol, nil)
        if choice.pairs.count > 1 { SSL_CTX_set_cert_cb(pointer, chooseCertificate, nil) }
        try handle.run(settings.openSSLCommands, asServer: true)
    }

    private typealias Sources = [(certificate: PEMSource, key: PEMSource)]

    /// Certificate and key belong together by their places.
    private static func sources(
        _ settings: TLSSettings, _ mode: String, _ position: Position?
    ) throws(ConfigurationError) -> Sources {
        func missing(_ what: String) -> ConfigurationError {
            ConfigurationError("no \(what) the \"\(mode)\" directive", at: position)
        }
        guard let last = settings.certificates.last else { throw missing("\"ssl_certificate\" is defined for") }
        if settings.certificateKeys.isEmpty { throw missing("\"ssl_certificate_key\" is defined for") }
        if settings.certificateKeys.count < settings.certificates.count {
            throw missing("\"ssl_certificate_key\" is defined for certificate \"\(last.printed)\" and")
        }
        return zip(settings.certificates, settings.certificateKeys).map { ($0, $1) }
    }

    /// Reads all pairs, and sees that each certificate goes with its key. What the context has in the end
    /// are those for a client that asks for no name.
    private static func pairs(
        _ sources: Sources, _ passwordFile: String?, in handle: borrowing ContextHandle
    ) throws(ConfigurationError) -> [CertificatePair] {
        let passwords = try PasswordFile(passwordFile)
        var pairs: [CertificatePair] = []
        for source in sources {
            let pair = try CertificatePair(certificate: source.certificate, key: source.key, passwords: passwords)
            try handle.use([pair])
            pairs.append(pair)
        }
        let first = CertificateChoice(pairs: pairs).pairs(for: nil)
        if first.count < pairs.count { try handle.use(first) }
        return pairs
    }

    private static func ticketKeys(_ settings: TLSSettings, _ resumption: TLSResumption) throws(ConfigurationError) -> TicketKeys {
        if settings.sessionTicketKeyFiles.isEmpty { return .made(try resumption.keys(forSessionsOf: settings.sessionTimeout)) }
        var keys: [TicketKey] = []
        for path in settings.sessionTicketKeyFiles { keys.append(try TicketKey(path: path)) }
        return .files(keys)
    }

    private func setUpResumption(_ settings: TLSSettings, identity: [String]) throws(ConfigurationError) {
        let pointer = handle.pointer
        openssl_set_context_owner(pointer, Unmanaged.passUnretained(self).toOpaque())
        try handle.bindSessions(to: settings, choice.pairs, identity: identity)
        handle.keepSessions(settings.builtinSessionCache, hasZone: zone != nil)
        SSL_CTX_set_timeout(pointer, CLong(settings.sessionTimeout.components.seconds))
        if !hasTickets { SSL_CTX_set_options(pointer, openssl_no_ticket) }
        SSL_CTX_set_tlsext_ticket_key_evp_cb(pointer, useTicketKey)
        SSL_CTX_set_num_tickets(pointer, offersResumption ? 1 : 0)
    }

    /// The keys for tickets as of now.
    nonisolated var ticketKeys: [TicketKey] {
        LoopActor.assumeIsolated { ticketKeySource.keys(at: LoopActor.loop.now) }
    }

    /// The context that a connection of OpenSSL's was made from.
    nonisolated static func of(_ connection: OpaquePointer?) -> TLSServerContext? {
        openssl_context_owner(SSL_get_SSL_CTX(connection)).map {
            Unmanaged<TLSServerContext>.fromOpaque($0).takeUnretainedValue()
        }
    }
}

extension ContextHandle {
    /// Parameters for exchanging keys. Without a file there is no DHE; `auto` leaves the curves to the library.
    borrowing func setKeyExchange(dhParametersFile: String?, curves: String) throws(ConfigurationError) {
        ErrorQueue.clear()
        if let path = dhParametersFile {
            guard let file = BIO_new_file(path, "r") else { throw Self.error("BIO_new_file(\"\(path)\")") }
            defer { BIO_free(file) }
            guard let parameters = PEM_read_bio_DHparams(file, nil, nil, nil) else {
                throw Self.error("PEM_read_bio_DHparams(\"\(path)\")")
            }
            defer { DH_free(parameters) }
            guard openssl_set_dh(pointer, parameters) == 1 else { throw Self.error("SSL_CTX_set_tmp_dh(\"\(path)\")") }
        }
        if curves != "auto", openssl_set_curves(pointer, curves) != 1 {
            throw Self.error("SSL_CTX_set1_curves_list(\"\(curves)\")")
        }
    }
}

/// Strict: a client that names protocols and not ours has come to the wrong door, perhaps sent there by
/// somebody who would have us take one protocol for another.
private func selectProtocol(
    _ connection: OpaquePointer?, _ selected: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ selectedLength: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ length: CUnsignedInt,
    _: UnsafeMutableRawPointer?
) -> CInt {
    guard let offered, let ours = TLSServerContext.of(connection)?.protocolName else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let list = UnsafeBufferPointer(start: offered, count: Int(length))
    var start = 0
    while start < list.count {
        let name = list[(start + 1)...].prefix(Int(list[start]))
        if name.elementsEqual(ours) {
            selected?.pointee = offered + start + 1
            selectedLength?.pointee = UInt8(name.count)
            return SSL_TLSEXT_ERR_OK
        }
        start += 1 + name.count
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}

/// Puts the pairs that go with the client's name in place of the context's own.
private func chooseCertificate(_ connection: OpaquePointer?, _: UnsafeMutableRawPointer?) -> CInt {
    guard let choice = TLSServerContext.of(connection)?.choice,
        let name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name)
    else { return 1 }
    let pairs = choice.pairs(for: String(cString: name))
    SSL_certs_clear(connection)
    for pair in pairs {
        guard SSL_use_cert_and_key(connection, pair.certificate, pair.key, pair.chain.pointer, 1) == 1 else { return 0 }
    }
    return 1
}
