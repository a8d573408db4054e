import Kernel
import Protocols
import TLS

extension Session {
    /// What the upstream may be told of the client. Questions to the kernel and to OpenSSL are asked only where
    /// the answer is told.
    var clientFacts: ClientFacts {
        guard server.tellsOfClients else { return .untold }
        var facts = ClientFacts(source: identity.address.endpoint, hostName: identity.hostName.bytes)
        facts.destination = identity.destination ?? client.source.localAddress?.unmapped.endpoint
        facts.hopsLeft = identity.hopsLeft - 1
        facts.session = identity.session
        facts.forwarded = identity.forwarded
        if server.tellsOfTLS { facts.tls = security.map { ClientTLS($0) } ?? identity.tls }
        return facts
    }
}

extension ClientTLS {
    @LoopActor fileprivate init(_ connection: TLSServerConnection) {
        func bytes(_ text: String?) -> [UInt8]? { text.map { Array($0.utf8) } }
        self.init()
        protocolVersion = bytes(connection.protocolVersion)
        cipher = bytes(connection.cipher)
        serverName = bytes(connection.serverName)
        applicationProtocol = bytes(connection.applicationProtocol)
        signatureAlgorithm = bytes(connection.signatureAlgorithm)
        keyAlgorithm = bytes(connection.keyAlgorithm)
        verification = connection.verificationNumber
        certificate = connection.clientCertificate.map {
            Certificate(commonName: bytes($0.commonName), isOfThisConnection: !connection.isResumed)
        }
    }
}
