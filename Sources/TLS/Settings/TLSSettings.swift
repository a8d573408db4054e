package import Configuration

/// How TLS is spoken with clients (`mail-directives.md`, section 7). All of it waits for a listener or a
/// `starttls` that uses it, so a file may say it for servers that do not.
package struct TLSSettings: SettingsGroup {
    @Setting package var certificates: [PEMSource] = []
    @Setting package var certificateKeys: [PEMSource] = []
    @Setting package var passwordFile: String?
    @Setting package var compressesCertificates = false
    @Setting package var dhParametersFile: String?
    @Setting package var curves = "auto"
    @Setting package var protocols: [TLSVersion] = [.tls12, .tls13]
    @Setting package var ciphers = "HIGH:!aNULL:!MD5"
    @Setting package var prefersServerCiphers = false
    @Setting package var builtinSessionCache = BuiltinSessionCache.pretended
    @Setting package var sessionZone: SessionZone?
    @Setting package var sessionTimeout = Duration.seconds(5 * 60)
    @Setting package var sendsSessionTickets = true
    @Setting package var sessionTicketKeyFiles: [String] = []
    @Setting package var clientVerification = ClientVerification.off
    @Setting package var verificationDepth = 1
    @Setting package var clientCertificateFile: String?
    @Setting package var trustedCertificateFile: String?
    @Setting package var revocationFile: String?
    @Setting package var openSSLCommands: [NamedValue] = []
    /// `ssl on`, as files say that were written before `listen … ssl`.
    @Setting package var isOnEverywhere = false

    /// Whether clients are asked for certificates, and what becomes of those without a good one.
    package enum ClientVerification: Sendable { case off, on, optional, optionalWithoutAuthority }

    package init() {}

    private static let blocks: [Block] = [.mail, .server]

    package static let directives: [Directive<Self>] = [
        .flag("ssl", in: blocks, sets: \.$isOnEverywhere)
            .deprecated(inFavorOf: "listen ... ssl"),
        .pemSources("ssl_certificate", in: blocks, sets: \.$certificates),
        .pemSources("ssl_certificate_key", in: blocks, sets: \.$certificateKeys),
        .passwordFile("ssl_password_file", in: blocks, sets: \.$passwordFile),
        .flag("ssl_certificate_compression", in: blocks, sets: \.$compressesCertificates),
        .tlsFile("ssl_dhparam", in: blocks, sets: \.$dhParametersFile),
        .string("ssl_ecdh_curve", in: blocks, sets: \.$curves),
        .bitmask("ssl_protocols", of: TLSVersion.keywords, in: blocks, sets: \.$protocols),
        .string("ssl_ciphers", in: blocks, sets: \.$ciphers),
        .flag("ssl_prefer_server_ciphers", in: blocks, sets: \.$prefersServerCiphers),
        sessionCache,
        .seconds("ssl_session_timeout", in: blocks, sets: \.$sessionTimeout),
        .flag("ssl_session_tickets", in: blocks, sets: \.$sendsSessionTickets),
        .custom(
            "ssl_session_ticket_key", in: blocks, takes: .exactly(1), inherits: \.$sessionTicketKeyFiles,
            handler: { (group, call) throws(DirectiveFault) in
                group.$sessionTicketKeyFiles.append(contentsOf: [call.paths.resolveBesideConfiguration(call.words[0].text)])
            }),
        .choice(
            "ssl_verify_client",
            of: ["off": .off, "on": .on, "optional": .optional, "optional_no_ca": .optionalWithoutAuthority],
            in: blocks, sets: \.$clientVerification),
        .number("ssl_verify_depth", in: blocks, sets: \.$verificationDepth),
        .tlsFile("ssl_client_certificate", in: blocks, sets: \.$clientCertificateFile),
        .tlsFile("ssl_trusted_certificate", in: blocks, sets: \.$trustedCertificateFile),
        .tlsFile("ssl_crl", in: blocks, sets: \.$revocationFile),
        .pairs("ssl_conf_command", in: blocks, sets: \.$openSSLCommands),
    ]

    private static let sessionCache = Directive<Self>(
        "ssl_session_cache", in: blocks, takes: .between(1, 2)
    ) { (group, call) throws(DirectiveFault) in
        let words = try SessionCacheWords(call.words)
        if let zone = words.zone { group.$sessionZone.set(zone, at: call.position) }
        if let builtin = words.builtin {
            group.$builtinSessionCache.set(builtin)
        } else if !group.$builtinSessionCache.isSet {
            group.$builtinSessionCache.set(.replacedByZone)
        }
    } inherit: {
        $0.$builtinSessionCache.inherit(from: $1.$builtinSessionCache)
        $0.$sessionZone.inherit(from: $1.$sessionZone)
    }
}
