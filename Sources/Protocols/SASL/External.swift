/// A login that something outside of the dialogue vouches for, mostly a client certificate
/// (RFC 4422, appendix A). There is no password: none of an earlier attempt is passed on either.
public struct External: SASLMechanism {
    public static let name = "EXTERNAL"
    public static let keyword = "external"
    public static let isAlwaysAccepted = false
    public static let takesInitialResponse = true
    public static let needsAuthServer = true

    public init(salt: [UInt8]) {}

    /// nginx's word: clients that know no challenge of EXTERNAL take it for LOGIN's.
    public var firstChallenge: [UInt8] { Array("Username:".utf8) }

    public mutating func receive(_ response: Span<UInt8>) -> SASLStep {
        .credentials(Credentials(method: .external, login: response.bytes(), secret: nil))
    }
}
