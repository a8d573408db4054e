import Foundation
import Protocols
import Testing

@Suite struct AuthRequestTests {
    private static func request(_ credentials: Credentials, tls: AuthRequest.TLSFacts? = nil) -> AuthRequest {
        AuthRequest(
            .init(uri: bytes("/auth?x=1"), host: bytes("auth.example")), credentials: credentials,
            protocolName: "imap", attempt: 1, clientAddress: "192.0.2.1", tls: tls)
    }

    private static func plain(_ login: String, _ password: String?) -> Credentials {
        Credentials(method: .plain, login: bytes(login), secret: password.map { Secret(bytes($0)) })
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static func lines(_ request: borrowing AuthRequest) -> [String] {
        var lines = String(decoding: request.encode().bytes, as: UTF8.self).components(separatedBy: "\r\n")
        #expect(lines.suffix(2) == ["", ""])
        lines.removeLast(2)
        return lines
    }

    @Test func `a question is nginx's, and asks to keep the connection`() {
        let text = """
            GET /auth?x=1 HTTP/1.0\r
            Host: auth.example\r
            Connection: keep-alive\r
            Auth-Method: plain\r
            Auth-User: user@example.org\r
            Auth-Pass: secret\r
            Auth-Protocol: imap\r
            Auth-Login-Attempt: 1\r
            Client-IP: 192.0.2.1\r
            \r

            """
        #expect(Self.request(Self.plain("user@example.org", "secret")).encode().bytes == Self.bytes(text))
    }

    @Test func `everything known is told in nginx's order`() {
        let envelope = SMTPEnvelope(
            helo: Self.bytes("client.example"), from: Self.bytes("MAIL FROM:<a@example.org> SIZE=1"),
            to: Self.bytes("RCPT TO:<b@example.net>"))
        let request = AuthRequest(
            .init(uri: Self.bytes("/auth?x=1"), host: Self.bytes("auth.example")),
            credentials: Credentials(method: .none, login: [], secret: nil, salt: nil, envelope: envelope),
            protocolName: "smtp", attempt: 12, clientAddress: "192.0.2.1", clientHost: Self.bytes("[UNAVAILABLE]"),
            proxyHeader: .init(
                source: .init(text: Self.bytes("2001:db8::1"), port: 50000),
                destination: .init(text: Self.bytes("2001:db8::2"), port: 25)),
            tls: .init(
                protocolVersion: Self.bytes("TLSv1.3"), cipher: Self.bytes("TLS_AES_256_GCM_SHA384"),
                verification: Self.bytes("FAILED:self-signed certificate"), subject: Self.bytes("CN=cli ent,O=A B\\, Inc"),
                issuer: Self.bytes("CN=ca"), serial: Self.bytes("4DD9F9"), fingerprint: Self.bytes("9ec837"),
                certificate: Self.bytes("-----BEGIN CERTIFICATE-----\nMII+/=\n")),
            extraHeaders: [(name: Self.bytes("X-Key"), value: Self.bytes("a b%")), (name: Self.bytes("X-Other"), value: [])])
        #expect(
            Self.lines(request) == [
                "GET /auth?x=1 HTTP/1.0",
                "Host: auth.example",
                "Connection: keep-alive",
                "Auth-Method: none",
                "Auth-User: ",
                "Auth-Pass: ",
                "Auth-Protocol: smtp",
                "Auth-Login-Attempt: 12",
                "Client-IP: 192.0.2.1",
                "Client-Host: [UNAVAILABLE]",
                "Proxy-Protocol-Addr: 2001:db8::1",
                "Proxy-Protocol-Port: 50000",
                "Proxy-Protocol-Server-Addr: 2001:db8::2",
                "Proxy-Protocol-Server-Port: 25",
                "Auth-SMTP-Helo: client.example",
                "Auth-SMTP-From: MAIL FROM:<a@example.org> SIZE=1",
                "Auth-SMTP-To: RCPT TO:<b@example.net>",
                "Auth-SSL: on",
                "Auth-SSL-Protocol: TLSv1.3",
                "Auth-SSL-Cipher: TLS_AES_256_GCM_SHA384",
                "Auth-SSL-Verify: FAILED:self-signed certificate",
                "Auth-SSL-Subject: CN=cli ent,O=A B\\, Inc",
                "Auth-SSL-Issuer: CN=ca",
                "Auth-SSL-Serial: 4DD9F9",
                "Auth-SSL-Fingerprint: 9ec837",
                "Auth-SSL-Cert: -----BEGIN%20CERTIFICATE-----%0AMII+/=%0A",
                "X-Key: a b%",
                "X-Other: ",
            ])
    }

    @Test func `a digest goes with the salt that it answers`() {
        let salt = Self.bytes("<1.2@mx.example>")
        let digest = Secret(Self.bytes("b913a602"))
        for method in [AuthMethod.apop, .cramMD5] {
            let lines = Self.lines(
                Self.request(Credentials(method: method, login: Self.bytes("u"), secret: digest, salt: salt)))
            #expect(lines[3] == "Auth-Method: \(method == .apop ? "apop" : "cram-md5")")
            #expect(lines[4...7] == ["Auth-User: u", "Auth-Pass: b913a602", "Auth-Salt: <1.2@mx.example>", "Auth-Protocol: imap"])
        }
    }

    @Test func `of TLS facts the unknown and the empty are not told`() {
        let request = Self.request(Self.plain("u", "p"), tls: .init(verification: Self.bytes("NONE"), subject: []))
        #expect(Self.lines(request).suffix(2) == ["Auth-SSL: on", "Auth-SSL-Verify: NONE"])
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `in a login, a password and a certificate nginx's bytes are escaped and no others`(_ byte: UInt8) {
        let request = Self.request(
            Credentials(method: .plain, login: [byte], secret: Secret([byte, byte])), tls: .init(certificate: [byte]))
        let isEscaped = byte <= 0x20 || byte == UInt8(ascii: "%")
        let hex = String(byte, radix: 16, uppercase: true)
        let escaped = isEscaped ? Self.bytes("%" + (hex.count == 1 ? "0" : "") + hex) : [byte]
        let encoded = request.encode().bytes
        #expect(encoded.contains(Self.bytes("\r\nAuth-User: ") + escaped + Self.bytes("\r\nAuth-Pass: ") + escaped + escaped + [13, 10]))
        #expect(encoded.contains(Self.bytes("\r\nAuth-SSL-Cert: ") + escaped + Self.bytes("\r\n\r\n")))
    }

    @Test(arguments: Array(UInt8(0)...0x1F) + [0x7F])
    func `no value can end its line or carry a control byte`(_ byte: UInt8) {
        let bad = [UInt8(ascii: "a"), byte, UInt8(ascii: "b")]
        let request = AuthRequest(
            .init(uri: bad, host: bad),
            credentials: Credentials(
                method: .none, login: bad, secret: Secret(bad), salt: bad, envelope: .init(helo: bad, from: bad, to: bad)),
            protocolName: "smtp", attempt: 1, clientAddress: String(decoding: bad, as: UTF8.self), clientHost: bad,
            proxyHeader: .init(source: .init(text: bad, port: 1), destination: .init(text: bad, port: 2)),
            tls: .init(
                protocolVersion: bad, cipher: bad, verification: bad, subject: bad, issuer: bad, serial: bad,
                fingerprint: bad, certificate: bad),
            extraHeaders: [(name: bad, value: bad)])
        let lines = Self.lines(request)
        #expect(lines.count == 28)
        // nginx sends DEL raw in logins, passwords and certificates, where it does no harm.
        let others = lines.filter { !["Auth-User", "Auth-Pass", "Auth-SSL-Cert"].contains($0.components(separatedBy: ":")[0]) }
        #expect(others.joined().utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        #expect(others.count { $0.contains("b") && $0.contains("%") } == 18)
    }

    @Test func `bytes beyond ASCII are sent as they are`() {
        let request = Self.request(Self.plain("jürgen", "pässwörd"))
        #expect(Self.lines(request)[4...5] == ["Auth-User: jürgen", "Auth-Pass: pässwörd"])
    }
}

extension [UInt8] {
    fileprivate func contains(_ part: [UInt8]) -> Bool {
        indices.contains { self[$0...].starts(with: part) }
    }
}
