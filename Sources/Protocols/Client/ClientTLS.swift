/// The TLS that a client speaks, with us or with a balancer before us. What is nil is not known.
public struct ClientTLS: Sendable, Equatable {
    /// `TLSv1.3`.
    public var protocolVersion: [UInt8]?
    public var cipher: [UInt8]?
    /// The host that the client believes to talk to.
    public var serverName: [UInt8]?
    /// The protocol that both have agreed upon.
    public var applicationProtocol: [UInt8]?
    /// Whether the client has shown a certificate, and that on this connection or on an earlier one of its
    /// TLS session.
    public var certificate: Certificate?
    /// Zero where the certificate is good, else OpenSSL's number for the fault; 1 where there is none.
    public var verification: UInt32 = 1
    /// How our own certificate is signed, such as `RSA-SHA256`, and what its key is, such as `RSA2048`.
    public var signatureAlgorithm: [UInt8]?
    public var keyAlgorithm: [UInt8]?

    public struct Certificate: Sendable, Equatable {
        /// Whose it is; the common name of the subject.
        public var commonName: [UInt8]?
        public var isOfThisConnection: Bool

        public init(commonName: [UInt8]? = nil, isOfThisConnection: Bool = true) {
            self.commonName = commonName
            self.isOfThisConnection = isOfThisConnection
        }
    }

    public init() {}
}
