/// A login and a password, each asked for in turn (draft-murchison-sasl-login). Both may be empty.
public struct Login: SASLMechanism {
    public static let name = "LOGIN"
    public static let keyword = "login"
    public static let isAlwaysAccepted = true
    public static let takesInitialResponse = true
    public static let needsAuthServer = false

    private enum State {
        case awaitingLogin
        case awaitingPassword(login: [UInt8])
    }

    private var state = State.awaitingLogin

    public init(salt: [UInt8]) {}

    public var firstChallenge: [UInt8] { Array("Username:".utf8) }

    public mutating func receive(_ response: Span<UInt8>) -> SASLStep {
        switch state {
        case .awaitingLogin:
            state = .awaitingPassword(login: response.bytes())
            return .challenge(Array("Password:".utf8))
        case .awaitingPassword(let login):
            return .credentials(Credentials(method: .plain, login: login, secret: Secret(response)))
        }
    }
}
