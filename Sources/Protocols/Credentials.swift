/// How a client proved who it is, as the auth server is told in `Auth-Method`.
public enum AuthMethod: String, Sendable, CaseIterable {
    case plain, apop, cramMD5 = "cram-md5", external, none, xoauth2, oauthbearer

    /// Whether the secret is a password or token that an upstream can be given.
    public var secretIsPassword: Bool {
        switch self {
        case .plain, .xoauth2, .oauthbearer: true
        case .apop, .cramMD5, .external, .none: false
        }
    }
}

/// What a client offered as proof of who it is. Many steps pass it on, so it takes each of them one word.
public final class Credentials: Sendable, Equatable {
    public let method: AuthMethod
    public let login: [UInt8]
    /// The password or token; for APOP and CRAM-MD5 the client's digest; nil where there is none.
    public let secret: Secret?
    /// The challenge that the digest answers, APOP and CRAM-MD5 only.
    public let salt: [UInt8]?
    /// What an SMTP client has said of itself and its message, method `none` only.
    public let envelope: SMTPEnvelope?

    public init(
        method: AuthMethod, login: [UInt8], secret: Secret?, salt: [UInt8]? = nil, envelope: SMTPEnvelope? = nil
    ) {
        self.method = method
        self.login = login
        self.secret = secret
        self.salt = salt
        self.envelope = envelope
    }

    public static func == (left: Credentials, right: Credentials) -> Bool {
        left.method == right.method && left.login == right.login && left.secret == right.secret && left.salt == right.salt
            && left.envelope == right.envelope
    }
}

/// An unauthenticated SMTP client's words, each the raw line without its end (`mail-smtp.md`, section 6).
public struct SMTPEnvelope: Sendable, Equatable {
    public let helo: [UInt8]
    public let from: [UInt8]
    public let to: [UInt8]

    public init(helo: [UInt8], from: [UInt8], to: [UInt8]) {
        self.helo = helo
        self.from = from
        self.to = to
    }
}
