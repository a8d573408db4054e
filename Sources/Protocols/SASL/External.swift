/// A login that something outside of the dialogue vouches for, mostly a client certificate
/// (RFC 4422, appendix A). There is no password: none of an earlier attempt is passed on either.
package struct External: SASLMechanism {
    package static let name = "EXTERNAL"
    package static let keyword = "external"
    package static let isAlwaysAccepted = false
    package static let takesInitialResponse = true
    package static let needsAuthServer = true

    package init(salt: [UInt8]) {}

    /// nginx's word: clients that know no challenge of EXTERNAL take it for LOGIN's.
    package var firstChallenge: [UInt8] { Array("Username:".utf8) }

    package mutating func receive(_ response: Span<UInt8>) -> SASLStep {
        .credentials(Credentials(method: .external, login: response.bytes(), secret: nil))
    }
}
