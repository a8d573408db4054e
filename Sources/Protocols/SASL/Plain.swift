/// Authorization identity, NUL, authentication identity, NUL, password (RFC 4616, section 2). The
/// first is not looked at; login and password may be empty (`mail-imap.md`, section 6).
public struct Plain: SASLMechanism {
    public static let name = "PLAIN"
    public static let keyword = "plain"
    public static let isAlwaysAccepted = true
    public static let takesInitialResponse = true
    public static let needsAuthServer = false

    public init(salt: [UInt8]) {}

    public var firstChallenge: [UInt8] { [] }

    public mutating func receive(_ response: Span<UInt8>) -> SASLStep {
        guard let first = response.firstIndex(of: 0), first + 1 < response.count else {
            return .malformed(note: "client sent invalid login in AUTH PLAIN command")
        }
        guard let second = response.firstIndex(of: 0, from: first + 1) else {
            return .malformed(note: "client sent invalid password in AUTH PLAIN command")
        }
        let login = response.bytes(in: (first + 1)..<second)
        let password = Secret(response.extracting((second + 1)..<response.count))
        return .credentials(Credentials(method: .plain, login: login, secret: password))
    }

    /// What a client says to log in, base64. Nil where login or password hold a NUL, which would end
    /// its field.
    public static func initialResponse(login: [UInt8], password: Secret) -> Secret? {
        if login.span.firstIndex(of: 0) != nil || password.span.firstIndex(of: 0) != nil { return nil }
        var message = Secret(capacity: login.count + password.count + 2)
        message.append(0)
        message.append(login.span)
        message.append(0)
        message.append(password.span)
        return Base64.encode(message)
    }
}
