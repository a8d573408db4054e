/// A login, a space, and a digest of the challenge keyed with the password (RFC 2195). Whether the
/// digest is right only the auth server can say.
public struct CRAMMD5: SASLMechanism {
    public static let name = "CRAM-MD5"
    public static let keyword = "cram-md5"
    public static let isAlwaysAccepted = false
    public static let takesInitialResponse = false
    public static let needsAuthServer = true

    private static let digestLength = 32
    private let salt: [UInt8]

    public init(salt: [UInt8]) { self.salt = salt }

    public var firstChallenge: [UInt8] { salt }

    public mutating func receive(_ response: Span<UInt8>) -> SASLStep {
        guard let space = response.firstIndex(of: .space), response.count - space - 1 == Self.digestLength else {
            return .malformed(note: "client sent invalid CRAM-MD5 hash in AUTH CRAM-MD5 command")
        }
        let digest = Secret(response.extracting((space + 1)..<response.count))
        return .credentials(
            Credentials(method: .cramMD5, login: response.bytes(in: 0..<space), secret: digest, salt: salt))
    }
}
