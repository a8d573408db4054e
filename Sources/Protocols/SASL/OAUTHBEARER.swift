/// `n,a=LOGIN,^Aauth=Bearer TOKEN^A^A` (RFC 7628, section 3.1). Other pairs, such as `host=`, are
/// not looked at (`mail-imap.md`, section 7).
public struct OAUTHBEARER: OAuthMechanism {
    public static let name = "OAUTHBEARER"
    public static let keyword = "oauthbearer"
    public static let isAlwaysAccepted = false
    public static let takesInitialResponse = true
    public static let needsAuthServer = false
    public static let method = AuthMethod.oauthbearer

    public init(salt: [UInt8]) {}

    public var firstChallenge: [UInt8] { [] }

    public mutating func receive(_ response: Span<UInt8>) -> SASLStep {
        guard let login = Self.login(in: response) else {
            return .malformed(note: "client sent invalid login in AUTH OAUTHBEARER command")
        }
        guard let token = Self.token(in: response) else {
            return .malformed(note: "client sent invalid token in AUTH OAUTHBEARER command")
        }
        return .credentials(Credentials(method: Self.method, login: login, secret: token))
    }

    /// The second field of the GS2 header, which a comma ends before the first pair (RFC 5801, section 4).
    private static func login(in response: Span<UInt8>) -> [UInt8]? {
        let header = response.extracting(0..<(response.firstIndex(of: .startOfHeading) ?? response.count))
        guard let first = header.firstIndex(of: .comma), header.hasKeyword("a=", at: first + 1),
            let second = header.firstIndex(of: .comma, from: first + 3), second > first + 3
        else { return nil }
        return unescape(header.bytes(in: (first + 3)..<second)[...])
    }

    private static func unescape(_ name: ArraySlice<UInt8>) -> [UInt8]? {
        var plain: [UInt8] = []
        var rest = name
        while let byte = rest.popFirst() {
            guard byte == .equalsSign else {
                plain.append(byte)
                continue
            }
            switch rest.prefix(2).map(\.lowercased) {
            case Array("2c".utf8): plain.append(.comma)
            case Array("3d".utf8): plain.append(.equalsSign)
            default: return nil
            }
            rest = rest.dropFirst(2)
        }
        return plain
    }

    /// The token of the first pair that has one. Each pair ends with ^A, the last one too.
    private static func token(in response: Span<UInt8>) -> Secret? {
        var start = response.firstIndex(of: .startOfHeading).map { $0 + 1 }
        while let pairStart = start, let pairEnd = response.firstIndex(of: .startOfHeading, from: pairStart) {
            if let token = BearerPair.token(in: response, pairStart..<pairEnd), !token.isEmpty {
                return Secret(response.extracting(token))
            }
            start = pairEnd + 1
        }
        return nil
    }

    public static func initialResponse(login: [UInt8], token: Secret) -> Secret? {
        var header = Array("n,a=".utf8)
        for byte in login {
            switch byte {
            case .comma: header += "=2C".utf8
            case .equalsSign: header += "=3D".utf8
            default: header.append(byte)
            }
        }
        header.append(.comma)
        return BearerPair.response(header: header, token: token)
    }

    /// A single ^A (RFC 7628, section 3.2.3).
    public static let answerToError = Array("AQ==".utf8)

    public static func isAnswerToError(_ line: Span<UInt8>) -> Bool { line.hasBytes(answerToError) }
}
