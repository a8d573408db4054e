/// What a client, or a stub server, shall do in its TLS handshake.
public struct TLSOrder: Sendable, Encodable {
    public enum Version: String, Sendable, Encodable, CaseIterable {
        case tls10 = "TLSv1"
        case tls11 = "TLSv1_1"
        case tls12 = "TLSv1_2"
        case tls13 = "TLSv1_3"
    }

    /// By which `resume` finds the session of this connection.
    public let label = "\(TLSOrder.counter.next())"
    /// The only version to offer; nil: the client's usual ones.
    public var version: Version?
    /// What to offer up to TLS 1.2, in OpenSSL's words.
    public var ciphers: String?
    public var serverName: String?
    /// What to offer by ALPN; nil: no ALPN.
    public var applicationProtocols: [String]?
    private var isServer = false
    private var certificate: String?
    private var key: String?
    /// The order whose session to resume; what its context says (certificate, versions) goes with it.
    private var resume: String?
    /// A file of authorities that the server's certificate must come from. Its name must be `serverName`, if there is one.
    public var trusted: String?
    /// Whether the client closes without a `close_notify`.
    public var endsAbruptly = false
    /// Whether the client sends its handshake byte by byte.
    public var drips = false
    /// What the client says in the clear behind its `close_notify`.
    public var textAfterEnd = ""

    private static let counter = Counter()

    public init(
        _ version: Version? = nil, ciphers: String? = nil, serverName: String? = nil, applicationProtocols: [String]? = nil,
        certificate: Certificate? = nil, resuming earlier: TLSOrder? = nil, trusted: String? = nil, endsAbruptly: Bool = false
    ) {
        self.version = version
        self.ciphers = ciphers
        self.serverName = serverName
        self.applicationProtocols = applicationProtocols
        self.certificate = certificate?.path
        key = certificate?.key
        resume = earlier?.label
        self.trusted = trusted
        self.endsAbruptly = endsAbruptly
    }

    /// What a server shall do, for all its connections: it resumes sessions of one in another.
    /// - Parameter clientAuthority: who must have signed the client's certificate, if there must be one.
    public static func server(
        _ certificate: Certificate, _ version: Version? = nil, applicationProtocols: [String]? = nil,
        clientAuthority: String? = nil
    ) -> TLSOrder {
        var order = TLSOrder(version, applicationProtocols: applicationProtocols, certificate: certificate, trusted: clientAuthority)
        order.isServer = true
        return order
    }
}

/// How a client, or a stub server, saw its handshake end.
public struct TLSHandshake: Sendable, Decodable, CustomStringConvertible {
    /// Why there is no TLS; what follows `alert` is nil then.
    public let failure: String?
    /// The alert in the clear that the server refused with, by its number (RFC 8446, section 6).
    public let alert: Int?
    public let version: String?
    public let cipher: String?
    public let isResumed: Bool?
    public let applicationProtocol: String?
    /// The other side's certificate, as PEM; empty where a resumed session does not know it.
    public let certificate: String?
    /// What a server has been told that it is called.
    public let serverName: String?

    public var description: String {
        if let failure { return "\(failure), alert \(alert.map(String.init) ?? "none")" }
        return [version, cipher, applicationProtocol, isResumed == true ? "resumed" : nil].compactMap(\.self).joined(separator: ", ")
    }
}
