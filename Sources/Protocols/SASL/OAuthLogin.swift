/// A login by token at an upstream that speaks AUTH: what is said in it, base64.
struct OAuthLogin: Sendable {
    let response: Secret
    private let mechanism: any OAuthMechanism.Type

    /// Nil where login or token cannot be said in this mechanism.
    init?(_ token: Secret, of login: [UInt8], by mechanism: any OAuthMechanism.Type) {
        guard let response = mechanism.initialResponse(login: login, token: token) else { return nil }
        self.response = response
        self.mechanism = mechanism
    }

    /// The response as a line of its own.
    var responseLine: Secret { Self.line(response) }

    /// What is said to the upstream's explanation of a refusal, which the refusal itself follows.
    var answerToError: Secret { Self.line(Secret(mechanism.answerToError.span)) }

    private static func line(_ text: Secret) -> Secret {
        var line = text
        line.append([.carriageReturn, .lineFeed])
        return line
    }
}

extension Credentials {
    /// What an upstream can check the login with. Where nobody has checked it before, a digest is of
    /// no use to it; where the auth server has, the secret is the one that came from there.
    func password(for route: UpstreamTerms) -> Secret? {
        route.upstreamDecides && !method.secretIsPassword ? nil : secret
    }
}
