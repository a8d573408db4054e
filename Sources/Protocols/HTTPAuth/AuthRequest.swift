/// The question to the auth server: who is this, and where does the mailbox live?
/// (`mail-auth-http.md`, section 2)
public struct AuthRequest: ~Copyable {
    public let opening: Opening
    public let credentials: Credentials
    /// The name of the mail protocol: `imap`, `pop3` or `smtp`.
    public let protocolName: String
    /// Counts the logins that this client has tried, from 1. A question repeated after
    /// `Auth-Status: WAIT` keeps its number.
    public let attempt: UInt
    /// The client's address without a port: `192.0.2.1`, `2001:db8::1`, `unix:`.
    public let clientAddress: String
    /// The client's host name or `[UNAVAILABLE]`, `[TEMPUNAVAIL]`; SMTP only.
    public let clientHost: [UInt8]?
    /// The addresses of the PROXY header, if one with addresses was received.
    public let proxyHeader: ProxyHeader.Addresses?
    /// Nil for a client that does not use TLS.
    public let tls: TLSFacts?
    /// Each `auth_http_header`, in configured order.
    public let extraHeaders: [(name: [UInt8], value: [UInt8])]

    public init(
        _ opening: Opening, credentials: Credentials, protocolName: String, attempt: UInt,
        clientAddress: String, clientHost: [UInt8]? = nil, proxyHeader: ProxyHeader.Addresses? = nil,
        tls: TLSFacts? = nil, extraHeaders: [(name: [UInt8], value: [UInt8])] = []
    ) {
        self.opening = opening
        self.credentials = credentials
        self.protocolName = protocolName
        self.attempt = attempt
        self.clientAddress = clientAddress
        self.clientHost = clientHost
        self.proxyHeader = proxyHeader
        self.tls = tls
        self.extraHeaders = extraHeaders
    }

    /// What every question to one auth server begins with.
    public struct Opening: Sendable, Equatable {
        fileprivate let lines: Secret

        /// - Parameters:
        ///   - uri: path and query, as `auth_http` has them; `/` where it has none.
        ///   - host: the host of `auth_http`, without the port; `localhost` for a UNIX socket.
        public init(uri: [UInt8], host: [UInt8]) {
            var header = HTTPHeaderWriter()
            header.requestLine(get: uri)
            header.field("Host: ", host)
            // One header more than nginx sends: servers of either HTTP version then keep the connection.
            header.field("Connection: ", "keep-alive")
            lines = header.bytes
        }
    }

    /// What is known of the client's TLS connection. What is nil or empty is not told.
    public struct TLSFacts: Sendable, Equatable {
        public var protocolVersion: [UInt8]?
        public var cipher: [UInt8]?
        /// `SUCCESS`, `NONE` or `FAILED:reason`; like all that follow, nil where `ssl_verify_client` is off.
        public var verification: [UInt8]?
        /// RFC 2253 form, as the issuer.
        public var subject: [UInt8]?
        public var issuer: [UInt8]?
        public var serial: [UInt8]?
        public var fingerprint: [UInt8]?
        /// PEM, where `auth_http_pass_client_cert` asks for it.
        public var certificate: [UInt8]?

        public init(
            protocolVersion: [UInt8]? = nil, cipher: [UInt8]? = nil, verification: [UInt8]? = nil,
            subject: [UInt8]? = nil, issuer: [UInt8]? = nil, serial: [UInt8]? = nil,
            fingerprint: [UInt8]? = nil, certificate: [UInt8]? = nil
        ) {
            self.protocolVersion = protocolVersion
            self.cipher = cipher
            self.verification = verification
            self.subject = subject
            self.issuer = issuer
            self.serial = serial
            self.fingerprint = fingerprint
            self.certificate = certificate
        }
    }

    /// The request's bytes. They hold the password, so they are a secret themselves.
    public func encode() -> Secret {
        var header = HTTPHeaderWriter()
        header.lines(opening.lines)
        write(credentials, to: &header)
        writeClient(to: &header)
        if let proxyHeader { write(proxyHeader, to: &header) }
        if let envelope = credentials.envelope { write(envelope, to: &header) }
        if let tls { write(tls, to: &header) }
        for extra in extraHeaders { header.field(extra.name, extra.value) }
        header.end()
        return header.bytes
    }

    private func write(_ credentials: Credentials, to header: inout HTTPHeaderWriter) {
        header.field("Auth-Method: ", credentials.method.rawValue)
        header.field("Auth-User: ", credentials.login, .reversible)
        let secret = credentials.secret ?? Secret()
        header.field("Auth-Pass: ", secret.span, .reversible)
        if let salt = credentials.salt { header.field("Auth-Salt: ", salt) }
    }

    private func writeClient(to header: inout HTTPHeaderWriter) {
        header.field("Auth-Protocol: ", protocolName)
        header.field("Auth-Login-Attempt: ", attempt)
        header.field("Client-IP: ", clientAddress.utf8.span, .controls)
        if let clientHost { header.field("Client-Host: ", clientHost) }
    }

    private func write(_ addresses: ProxyHeader.Addresses, to header: inout HTTPHeaderWriter) {
        header.field("Proxy-Protocol-Addr: ", addresses.source.text)
        header.field("Proxy-Protocol-Port: ", UInt(addresses.source.port))
        header.field("Proxy-Protocol-Server-Addr: ", addresses.destination.text)
        header.field("Proxy-Protocol-Server-Port: ", UInt(addresses.destination.port))
    }

    private func write(_ envelope: SMTPEnvelope, to header: inout HTTPHeaderWriter) {
        header.field("Auth-SMTP-Helo: ", envelope.helo)
        header.field("Auth-SMTP-From: ", envelope.from)
        header.field("Auth-SMTP-To: ", envelope.to)
    }

    private func write(_ facts: TLSFacts, to header: inout HTTPHeaderWriter) {
        header.field("Auth-SSL: ", "on")
        let fields: [(StaticString, [UInt8]?, HTTPHeaderWriter.Escaping)] = [
            ("Auth-SSL-Protocol: ", facts.protocolVersion, .controls),
            ("Auth-SSL-Cipher: ", facts.cipher, .controls),
            ("Auth-SSL-Verify: ", facts.verification, .controls),
            ("Auth-SSL-Subject: ", facts.subject, .controls),
            ("Auth-SSL-Issuer: ", facts.issuer, .controls),
            ("Auth-SSL-Serial: ", facts.serial, .controls),
            ("Auth-SSL-Fingerprint: ", facts.fingerprint, .controls),
            ("Auth-SSL-Cert: ", facts.certificate, .reversible),
        ]
        for (name, value, escaping) in fields {
            if let value, !value.isEmpty { header.field(name, value, escaping) }
        }
    }
}
