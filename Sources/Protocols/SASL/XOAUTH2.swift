/// `user=LOGIN^Aauth=Bearer TOKEN^A^A`, the large providers' mechanism from before RFC 7628
/// (`mail-imap.md`, section 7).
public struct XOAUTH2: OAuthMechanism {
    public static let name = "XOAUTH2"
    public static let keyword = "xoauth2"
    public static let isAlwaysAccepted = false
    public static let takesInitialResponse = true
    public static let needsAuthServer = false
    public static let method = AuthMethod.xoauth2

    private static let userPrefix = "user="

    public init(salt: [UInt8]) {}

    public var firstChallenge: [UInt8] { [] }

    public mutating func receive(_ response: Span<UInt8>) -> SASLStep {
        guard let separator = response.firstIndex(of: .startOfHeading),
            response.hasKeyword(Self.userPrefix), separator >= Self.userPrefix.utf8.count
        else {
            return .malformed(note: "client sent invalid login in AUTH XOAUTH2 command")
        }
        let login = response.bytes(in: Self.userPrefix.utf8.count..<separator)
        // The token is one field: what stands behind another separator would be a field of its own.
        let end = response.count - 2
        guard end > separator, response.firstIndex(of: .startOfHeading, from: separator + 1) == end,
            response[end + 1] == .startOfHeading,
            let token = BearerPair.token(in: response, (separator + 1)..<end)
        else {
            return .malformed(note: "client sent invalid token in AUTH XOAUTH2 command")
        }
        return .credentials(
            Credentials(method: Self.method, login: login, secret: Secret(response.extracting(token))))
    }

    public static func initialResponse(login: [UInt8], token: Secret) -> Secret? {
        BearerPair.response(header: Array(userPrefix.utf8) + login, token: token)
    }

    public static let answerToError: [UInt8] = []

    public static func isAnswerToError(_ line: Span<UInt8>) -> Bool { line.isEmpty }
}
