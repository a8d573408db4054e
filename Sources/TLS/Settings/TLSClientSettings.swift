public import Configuration

/// A connection on which we are the client.
public protocol TLSLeg: Sendable {
    /// The word that its directives begin with.
    static var prefix: String { get }
    /// Whether the server is told by what name we know it, where no file says.
    static var sendsName: Bool { get }
}

/// The connection to the upstream. As in nginx, it hears no name unasked.
public enum UpstreamLeg: TLSLeg {
    public static let prefix = "proxy_ssl"
    public static let sendsName = false
}

/// The connection to the auth server. Web servers go by names, so it hears the one in its URL.
public enum AuthServerLeg: TLSLeg {
    public static let prefix = "auth_http_ssl"
    public static let sendsName = true
}

/// How TLS is spoken where we are the client: one family of directives, in the words of nginx's `stream`,
/// for each such connection.
public struct TLSClientSettings<Leg: TLSLeg>: SettingsGroup, Equatable {
    @Setting public var verifies = false
    @Setting public var verificationDepth = 1
    @Setting public var trustedCertificateFile: String?
    @Setting public var revocationFile: String?
    /// The name that the certificate must have; nil: that of the host.
    @Setting public var name: String?
    /// Whether the name is told at the start of the handshake; nil: as is the leg's custom.
    @Setting public var sendsName: Bool?
    @Setting public var certificate: PEMSource?
    @Setting public var certificateKey: PEMSource?
    @Setting public var passwordFile: String?
    @Setting public var protocols: [TLSVersion] = [.tls12, .tls13]
    @Setting public var ciphers = "DEFAULT"
    @Setting public var openSSLCommands: [NamedValue] = []
    @Setting public var resumesSessions = true

    public init() {}

    public static var directives: [Directive<Self>] {
        let (leg, blocks) = (Leg.prefix, [Block.mail, .server])
        return [
            .flag("\(leg)_verify", in: blocks, sets: \.$verifies),
            .number("\(leg)_verify_depth", in: blocks, sets: \.$verificationDepth),
            .tlsFile("\(leg)_trusted_certificate", in: blocks, sets: \.$trustedCertificateFile),
            .tlsFile("\(leg)_crl", in: blocks, sets: \.$revocationFile),
            .string("\(leg)_name", in: blocks, sets: \.$name),
            .flag("\(leg)_server_name", in: blocks, sets: \.$sendsName),
            .pemSource("\(leg)_certificate", in: blocks, sets: \.$certificate),
            .pemSource("\(leg)_certificate_key", in: blocks, sets: \.$certificateKey),
            .tlsFile("\(leg)_password_file", in: blocks, sets: \.$passwordFile),
            .bitmask("\(leg)_protocols", of: TLSVersion.keywords, in: blocks, sets: \.$protocols),
            .string("\(leg)_ciphers", in: blocks, sets: \.$ciphers),
            .pairs("\(leg)_conf_command", in: blocks, sets: \.$openSSLCommands),
            .flag("\(leg)_session_reuse", in: blocks, sets: \.$resumesSessions),
        ]
    }
}
