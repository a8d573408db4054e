/// A login and a password, each asked for in turn (draft-murchison-sasl-login). Both may be empty.
package struct Login: SASLMechanism {
    package static let name = "LOGIN"
    package static let keyword = "login"
    package static let isAlwaysAccepted = true
    package static let takesInitialResponse = true
    package static let needsAuthServer = false

    private enum State {
        case awaitingLogin
        case awaitingPassword(login: [UInt8])
    }

    private var state = State.awaitingLogin

    package init(salt: [UInt8]) {}

    package var firstChallenge: [UInt8] { Array("Username:".utf8) }

    package mutating func receive(_ response: Span<UInt8>) -> SASLStep {
        switch state {
        case .awaitingLogin:
            state = .awaitingPassword(login: response.bytes())
            return .challenge(Array("Password:".utf8))
        case .awaitingPassword(let login):
            return .credentials(Credentials(method: .plain, login: login, secret: Secret(response)))
        }
    }
}
