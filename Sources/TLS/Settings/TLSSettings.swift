public import Configuration

/// How TLS is spoken with clients (`mail-directives.md`, section 7). All of it waits for a listener or a
/// `starttls` that uses it, so a file may say it for servers that do not.
public struct TLSSettings: SettingsGroup {
    @Setting public var certificates: [PEMSource] = []
    @Setting public var certificateKeys: [PEMSource] = []
    @Setting public var passwordFile: String?
    @Setting public var compressesCertificates = false
    @Setting public var dhParametersFile: String?
    @Setting public var curves = "auto"
    @Setting public var protocols: [TLSVersion] = [.tls12, .tls13]
    @Setting public var ciphers = "HIGH:!aNULL:!MD5"
    @Setting public var prefersServerCiphers = false
    @Setting public var builtinSessionCache = BuiltinSessionCache.pretended
    @Setting public var sessionZone: SessionZone?
    @Setting public var sessionTimeout = Duration.seconds(5 * 60)
    @Setting public var sendsSessionTickets = true
    @Setting public var sessionTicketKeyFiles: [String] = []
    @Setting public var clientVerification = ClientVerification.off
    @Setting public var verificationDepth = 1
    @Setting public var clientCertificateFile: String?
    @Setting public var trustedCertificateFile: String?
    @Setting public var revocationFile: String?
    @Setting public var openSSLCommands: [NamedValue] = []
    /// `ssl on`, as files say that were written before `listen … ssl`.
    @Setting public var isOnEverywhere = false

    /// Whether clients are asked for certificates, and what becomes of those without a good one.
    public enum ClientVerification: Sendable { case off, on, optional, optionalWithoutAuthority }

    public init() {}

    private static let blocks: [Block] = [.mail, .server]

    public static let directives: [Directive<Self>] = [
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
