/// What an upstream may be told of a client, by PROXY header, `XCLIENT` or `ID`.
package struct ClientFacts: Sendable, Equatable {
    /// Where the client is; nil where it comes through the file system.
    package var source: Endpoint?
    /// Where it has connected to; nil also where nobody is to be told.
    package var destination: Endpoint?
    /// Its host name, or `[UNAVAILABLE]`, `[TEMPUNAVAIL]`.
    package var hostName: [UInt8]
    /// Nil where the client speaks none, or nobody is to be told.
    package var tls: ClientTLS?

    package init(
        source: Endpoint?, destination: Endpoint? = nil, hostName: [UInt8] = Array("[UNAVAILABLE]".utf8), tls: ClientTLS? = nil
    ) {
        self.source = source
        self.destination = destination
        self.hostName = hostName
        self.tls = tls
    }
}
