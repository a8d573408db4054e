/// One AUTHENTICATE or AUTH command of any protocol, from its mechanism's name to credentials. Each
/// command begins one afresh, so nothing of an earlier attempt can reach a later one.
public struct SASLExchange: Sendable {
    public enum Outcome: Sendable {
        /// Send this challenge, base64 already, in the protocol's continuation line, and go on with the client's answer.
        indirect case challenge([UInt8], SASLExchange)
        case credentials(Credentials)
        /// The protocol's invalid-command reply.
        case failed(note: String?)
    }

    private let mechanism: any SASLMechanism

    /// Starts an exchange.
    /// - Parameters:
    ///   - name: the mechanism as the client wrote it, in any case.
    ///   - enabled: the keywords that the server's directive lists.
    ///   - initialResponse: base64, nil where the client sent none.
    public static func begin(
        _ name: Span<UInt8>, enabled: [String], initialResponse: Secret?, salt: [UInt8]
    ) -> Outcome {
        guard let type = mechanism(named: name), type.isAlwaysAccepted || enabled.contains(type.keyword) else {
            return .failed(note: nil)
        }
        let exchange = SASLExchange(mechanism: type.init(salt: salt))
        guard let initialResponse else { return .challenge(Base64.encode(exchange.mechanism.firstChallenge), exchange) }
        return type.takesInitialResponse ? exchange.receive(initialResponse.span) : .failed(note: nil)
    }

    private static func mechanism(named name: Span<UInt8>) -> (any SASLMechanism.Type)? {
        for type in saslMechanisms where name.isKeyword(type.name, in: name.indices) { return type }
        return nil
    }

    /// Takes the client's next line, base64, without its end and cut at the first space.
    public func receive(_ line: Span<UInt8>) -> Outcome {
        var mechanism = mechanism
        guard let response = Base64.decode(line) else {
            let name = type(of: mechanism).name
            return .failed(note: "client sent invalid base64 encoding in AUTH \(name) command")
        }
        switch mechanism.receive(response.span) {
        case .challenge(let challenge): return .challenge(Base64.encode(challenge), SASLExchange(mechanism: mechanism))
        case .credentials(let credentials): return .credentials(credentials)
        case .malformed(let note): return .failed(note: note)
        }
    }
}

extension DialogueStart {
    /// `<random.time@server_name>`: what APOP and CRAM-MD5 clients digest with their password, and
    /// what `Auth-Salt` tells the auth server. One for the whole session.
    public func salt(at serverName: [UInt8]) -> [UInt8] {
        Array("<\(challenge).\(time)@".utf8) + serverName + [UInt8(ascii: ">")]
    }
}
