extension AuthResponse.Verdict {
    /// The longest `Auth-Wait` that is obeyed: whoever writes a longer one means "never", and a client
    /// that waits holds a connection.
    static let longestWait = Duration.seconds(60 * 60)

    /// What the auth server got wrong, as the log says it.
    private struct Fault: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    /// Decides in nginx's order, but needs a 2xx status, an `Auth-Status` and no contradiction for a yes.
    init(of head: HTTPResponseHead, in bytes: Span<UInt8>) {
        do throws(Fault) {
            guard let status = try Self.value(of: .status, head) else {
                try Self.requireSuccess(head)
                throw Fault("did not send status")
            }
            if HTTPText(bytes, status).isEqual(to: "WAIT") {
                self = .wait(Self.wait(head, bytes) ?? .zero)
            } else if HTTPText(bytes, status).isEqual(to: "OK") {
                try Self.requireSuccess(head)
                self = try Self.accepted(head, bytes)
            } else {
                self = .refused(Self.refusal(saying: status, head, bytes), wait: Self.wait(head, bytes))
            }
        } catch {
            self = .failure(error.text)
        }
    }

    /// nginx reads a yes out of an error page, too; here a yes needs a status that is one.
    private static func requireSuccess(_ head: HTTPResponseHead) throws(Fault) {
        guard let status = head.status else { throw Fault("sent no status line") }
        guard 200..<300 ~= status.code else { throw Fault("sent status \(status.code)") }
    }

    private static func accepted(_ head: HTTPResponseHead, _ bytes: Span<UInt8>) throws(Fault) -> Self {
        guard let server = try value(of: .server, head), !server.isEmpty,
            let port = try value(of: .port, head), !port.isEmpty
        else { throw Fault("did not send server or port") }
        let user = try value(of: .user, head)
        let password = try value(of: .password, head)
        let (name, address) = try place(server, bytes)
        return .accepted(
            server: name, address: address, port: try portNumber(port, bytes),
            user: user.map { HTTPText(bytes, $0).array },
            password: password.map { Secret(bytes.extracting($0)) },
            security: try value(of: .security, head).map { (range) throws(Fault) in try security(range, bytes) })
    }

    /// A word that is not known may have meant TLS, so it is none to go on with.
    private static func security(_ range: Range<Int>, _ bytes: Span<UInt8>) throws(Fault) -> UpstreamSecurity {
        let words = UpstreamSecurity.words
        guard let word = words.first(where: { HTTPText(bytes, range).array.elementsEqual($0.0.utf8) }) else {
            throw Fault("sent invalid upstream security:\"\(string(range, bytes))\"")
        }
        return word.1
    }

    /// The name of a host, or an address, of which the text comes without brackets.
    private static func place(_ range: Range<Int>, _ bytes: Span<UInt8>) throws(Fault) -> (String, InternetAddress?) {
        let text = bytes.extracting(range)
        let isBracketed = text.count > 2 && text[0] == UInt8(ascii: "[") && text[text.count - 1] == UInt8(ascii: "]")
        let literal = isBracketed ? text.extracting(1..<text.count - 1) : text
        if let address = InternetAddress(literal), address.isIPv6 || !isBracketed {
            return (HTTPText(literal).string, address)
        }
        guard ServerName.isOne(text) else { throw Fault("sent invalid server address:\"\(string(range, bytes))\"") }
        return (HTTPText(text).string, nil)
    }

    private static func portNumber(_ range: Range<Int>, _ bytes: Span<UInt8>) throws(Fault) -> UInt16 {
        guard let number = HTTPText(bytes, range).number(), let port = UInt16(exactly: number), port > 0 else {
            throw Fault("sent invalid server port:\"\(string(range, bytes))\"")
        }
        return port
    }

    private static func refusal(saying text: Range<Int>, _ head: HTTPResponseHead, _ bytes: Span<UInt8>) -> Refusal {
        // Control bytes mean things to terminals and logs that no message should.
        let message = HTTPText(bytes, text).array.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: " ") : $0 }
        let code = head.lastValue(of: .errorCode).flatMap { smtpCode($0, bytes) }
        let saslError = head.lastValue(of: .saslError).flatMap { base64($0, bytes) }
        return Refusal(.message(message), smtpCode: code, saslError: saslError)
    }

    /// A code such as `451 4.3.0`. One that does not begin with 4 or 5 would tell an SMTP client that it
    /// is logged in.
    private static func smtpCode(_ range: Range<Int>, _ bytes: Span<UInt8>) -> [UInt8]? {
        let code = HTTPText(bytes, range)
        guard range.count >= 3, let number = HTTPText(bytes, range.prefix(3)).number(), 400..<600 ~= number,
            code.allSatisfy({ HTTPText.digit($0).map { $0 < 10 } ?? [UInt8(ascii: "."), UInt8(ascii: " ")].contains($0) }),
            range.count == 3 || bytes[range.lowerBound + 3] == UInt8(ascii: " ")
        else { return nil }
        return code.array
    }

    private static func base64(_ range: Range<Int>, _ bytes: Span<UInt8>) -> [UInt8]? {
        let text = HTTPText(bytes, range)
        return !text.isEmpty && text.allSatisfy(isBase64) ? text.array : nil
    }

    private static func isBase64(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="):
            true
        default: false
        }
    }

    /// Whole seconds; nil where there are none, or where they are no number.
    private static func wait(_ head: HTTPResponseHead, _ bytes: Span<UInt8>) -> Duration? {
        guard let range = head.lastValue(of: .wait),
            let seconds = HTTPText(bytes, range).number(), seconds > 0
        else { return nil }
        return min(.seconds(seconds), longestWait)
    }

    private static func value(of name: HTTPResponseHead.Name, _ head: HTTPResponseHead) throws(Fault) -> Range<Int>? {
        do {
            return try head.value(of: name)
        } catch {
            throw Fault("sent contradictory \"\(error.name.word)\" headers in response")
        }
    }

    private static func string(_ range: Range<Int>, _ bytes: Span<UInt8>) -> String {
        HTTPText(bytes, range).string
    }
}
