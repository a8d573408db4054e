/// The auth server's answer, of which only the header counts (`mail-auth-http.md`, sections 3 and 4).
public struct AuthResponse: Sendable, Equatable {
    /// Whether the next answer may follow on the same connection, right behind this one.
    public let keepsConnection: Bool
    public let verdict: Verdict

    public init(keepsConnection: Bool, verdict: Verdict) {
        self.keepsConnection = keepsConnection
        self.verdict = verdict
    }

    /// What the answer means. It fails closed: whatever is not a whole, consistent yes is none. It takes one word on its way.
    public indirect enum Verdict: Sendable, Equatable {
        /// The login is good, and the mailbox is there.
        /// - Parameters:
        ///   - server: an IPv4 or IPv6 address without brackets, or the name of a host.
        ///   - address: what `server` is, if it is an address.
        ///   - user: replaces the login, if not nil.
        ///   - password: replaces the secret, if not nil.
        ///   - security: replaces what `proxy_ssl` says, if not nil.
        case accepted(
            server: String, address: InternetAddress?, port: UInt16, user: [UInt8]?, password: Secret?, security: UpstreamSecurity?)
        /// The client hears no, after `wait` and with another try to come, or else at once for good.
        case refused(Refusal, wait: Duration?)
        /// Ask the same again after this long, which may be zero.
        case wait(Duration)
        /// The auth server is at fault. The text follows `auth http server ADDR ` in the log; it may hold
        /// any bytes the server sent.
        case failure(String)
    }

    /// The most bytes that one answer can take, and a reader must have room for.
    public static let maximumByteCount = HTTPResponseHead.maximumByteCount + HTTPBody.maximumByteCount

    /// Parses the answer that starts at the first byte. It is whole when its header and the body that it
    /// announces are there.
    /// - Parameter isEnd: whether the server has closed, so that nothing follows `bytes`.
    public static func parse(_ bytes: Span<UInt8>, isEnd: Bool) -> Parsed<AuthResponse> {
        switch parse(bytes) {
        case .incomplete where isEnd:
            let truncated = AuthResponse(keepsConnection: false, verdict: .failure("prematurely closed connection"))
            return .complete(truncated, byteCount: bytes.count)
        case let answer: return answer
        }
    }

    /// What `auth http server ADDR ` is followed by in the log when `parse` finds an answer invalid.
    public static func failureText(for fault: ParseFault) -> String {
        switch fault {
        case .header: "sent invalid header in response"
        case .tooLong: "sent too long response"
        default: "sent invalid response"
        }
    }

    private static func parse(_ bytes: Span<UInt8>) -> Parsed<AuthResponse> {
        switch HTTPResponseHead.parse(bytes) {
        case .incomplete: return .incomplete
        case .invalid(let fault, let byteCount): return .invalid(fault, byteCount: byteCount)
        case .complete(let head, let headEnd):
            guard let body = try? HTTPBody(of: head, in: bytes) else { return .invalid(.statusLine, byteCount: headEnd) }
            switch body.end(in: bytes, from: headEnd) {
            case .incomplete: return .incomplete
            case .malformed: return .invalid(.statusLine, byteCount: headEnd)
            case .unawaited: return complete(head, of: bytes, keepsConnection: false, byteCount: headEnd)
            case .at(let end): return complete(head, of: bytes, keepsConnection: head.keepsConnection, byteCount: end)
            }
        }
    }

    private static func complete(
        _ head: HTTPResponseHead, of bytes: Span<UInt8>, keepsConnection: Bool, byteCount: Int
    ) -> Parsed<AuthResponse> {
        let verdict = Verdict(of: head, in: bytes)
        return .complete(AuthResponse(keepsConnection: keepsConnection, verdict: verdict), byteCount: byteCount)
    }
}
