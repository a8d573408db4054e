/// A mechanism that carries an OAuth token. The proxy speaks both sides of it: the server's to
/// clients, and the client's to an upstream that must judge the token itself.
public protocol OAuthMechanism: SASLMechanism {
    static var method: AuthMethod { get }

    /// What a client says to log in, base64. Nil where login or token hold a byte that would end
    /// its field: no upstream may be told of another login than the one that was asked about.
    static func initialResponse(login: [UInt8], token: Secret) -> Secret?

    /// What a client answers to the challenge that tells it of an error, base64.
    static var answerToError: [UInt8] { get }

    /// Whether the client's line is that answer, so that the final reply can follow.
    static func isAnswerToError(_ line: Span<UInt8>) -> Bool
}

extension AuthMethod {
    /// The mechanism that carries this method's token, where it has one.
    public var oauthMechanism: (any OAuthMechanism.Type)? {
        switch self {
        case .xoauth2: XOAUTH2.self
        case .oauthbearer: OAUTHBEARER.self
        case .plain, .apop, .cramMD5, .external, .none: nil
        }
    }
}

/// The pair that carries the token in both mechanisms (RFC 7628, section 3.1).
enum BearerPair {
    static let prefix = "auth=Bearer "

    /// The token of a pair, whose end has been found already. May be empty.
    static func token(in response: Span<UInt8>, _ pair: Range<Int>) -> Range<Int>? {
        let start = pair.lowerBound + prefix.utf8.count
        guard start <= pair.upperBound, response.hasKeyword(prefix, at: pair.lowerBound) else { return nil }
        return start..<pair.upperBound
    }

    /// A header that names the login, the pair with the token, and the end, as base64.
    static func response(header: [UInt8], token: Secret) -> Secret? {
        if header.contains(.startOfHeading) || token.span.firstIndex(of: .startOfHeading) != nil { return nil }
        var response = Secret()
        response.append(header)
        response.append(.startOfHeading)
        response.append(prefix.utf8)
        response.append(token.span)
        response.append([.startOfHeading, .startOfHeading])
        return Base64.encode(response)
    }
}
