/// `user=LOGIN^Aauth=Bearer TOKEN^A^A`, the large providers' mechanism from before RFC 7628
/// (`mail-imap.md`, section 7).
package struct XOAUTH2: OAuthMechanism {
    package static let name = "XOAUTH2"
    package static let keyword = "xoauth2"
    package static let isAlwaysAccepted = false
    package static let takesInitialResponse = true
    package static let needsAuthServer = false
    package static let method = AuthMethod.xoauth2

    private static let userPrefix = "user="

    package init(salt: [UInt8]) {}

    package var firstChallenge: [UInt8] { [] }

    package mutating func receive(_ response: Span<UInt8>) -> SASLStep {
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

    package static func initialResponse(login: [UInt8], token: Secret) -> Secret? {
        BearerPair.response(header: Array(userPrefix.utf8) + login, token: token)
    }

    package static let answerToError: [UInt8] = []

    package static func isAnswerToError(_ line: Span<UInt8>) -> Bool { line.isEmpty }
}
