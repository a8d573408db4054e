import Foundation
import TestSupport
import Testing

/// Clients that bring certificates, or none (`mail-tls.md`, section 6; `mail-auth-http.md`, section 2).
@Suite(.ownWorkspace) struct TLSClientCertificateTests {
    /// What becomes of a session after the handshake.
    enum Outcome: Sendable, Equatable {
        /// It goes on, and the auth server hears this as `Auth-SSL-Verify`; nil: nothing of it.
        case accepted(verify: String?)
        /// It ends with the word that a certificate is wrong, and this in the log.
        case wrong(reason: String)
        /// It ends with the word that a certificate is missing.
        case missing
    }

    private static let selfSigned = "18:self-signed certificate"
    private static let outdated = "10:certificate has expired"
    private static let unlisted = "3:unable to get certificate CRL"
    private static let revoked = "23:certificate revoked"

    /// A value of `ssl_verify_client`, whether there is a list of revocations, and what comes of each
    /// certificate. The reason is the last that was found: with a list, each issuer needs one.
    struct Policy: Sendable, CustomTestStringConvertible {
        let mode: String
        var hasRevocations = false
        let outcomes: [(Certificates.Name?, Outcome)]

        var testDescription: String { mode + (hasRevocations ? " with ssl_crl" : "") }
    }

    private static let good = (Certificates.Name?.some(.client), Outcome.accepted(verify: "SUCCESS"))
    private static let bad: [(Certificates.Name?, Outcome)] = [
        (.stranger, .wrong(reason: selfSigned)), (.outdatedClient, .wrong(reason: outdated)),
    ]
    private static let revocation: [(Certificates.Name?, Outcome)] = [
        (.stranger, .wrong(reason: unlisted)), (.outdatedClient, .wrong(reason: outdated)), (.revokedClient, .wrong(reason: revoked)),
    ]

    static let policies: [Policy] = [
        Policy(mode: "off", hasRevocations: true, outcomes: [nil, .client, .stranger, .outdatedClient, .revokedClient].map {
            ($0, .accepted(verify: nil))
        }),
        Policy(mode: "on", outcomes: [(nil, .missing), good] + bad),
        Policy(mode: "on", hasRevocations: true, outcomes: [good] + revocation),
        Policy(mode: "optional", outcomes: [(nil, .accepted(verify: "NONE")), good] + bad),
        Policy(mode: "optional", hasRevocations: true, outcomes: [good] + revocation),
        Policy(mode: "optional_no_ca", outcomes: [
            (nil, .accepted(verify: "NONE")), good, (.stranger, .accepted(verify: "FAILED:self-signed certificate")),
            (.outdatedClient, .wrong(reason: outdated)),
        ]),
        Policy(mode: "optional_no_ca", hasRevocations: true, outcomes: [good] + revocation),
    ]

    private static func farewell(_ speech: Speech, _ outcome: Outcome) -> String {
        let text = outcome == .missing ? "No required SSL certificate" : "SSL certificate error"
        return switch speech {
        case .imap: "S: * BYE \(text)\nS."
        case .pop3: "S: -ERR \(text)\nS."
        case .smtp: "S: 421 4.7.1 \(text)\nS."
        }
    }

    private func settings(_ mode: String, more: String = "") throws -> String {
        let certificates = try Certificates.shared()
        return "ssl_verify_client \(mode); ssl_client_certificate \(certificates.authority); \(more)"
    }

    private func order(_ name: Certificates.Name?, _ version: TLSOrder.Version? = nil) throws -> TLSOrder {
        TLSOrder(version, certificate: try name.map { try Certificates.shared()[$0] })
    }

    @Test(arguments: policies)
    func `ssl_verify_client decides who goes on`(_ policy: Policy) throws {
        let list = "ssl_crl \(try Certificates.shared().revocations);"
        let proxy = try TLSServer(settings(policy.mode, more: policy.hasRevocations ? list : ""))
        for (name, outcome) in policy.outcomes {
            for route in TLSRoute.all {
                let questions = proxy.auth.questions.count
                let client = try proxy.clientBeforeTLS(route.speech, route.way)
                try client.startTLS(order(name))
                if case .accepted(let verify) = outcome {
                    if route.way == .implicit { try client.expect(route.speech.greeting) }
                    try client.converse(route.speech.loginAfterGreeting() + route.speech.welcome)
                    #expect(try proxy.auth.question(questions)["Auth-SSL-Verify"] == verify)
                } else {
                    try client.converse(Self.farewell(route.speech, outcome))
                    #expect(proxy.auth.questions.count == questions)
                }
            }
        }
        for (_, outcome) in policy.outcomes {
            switch outcome {
            case .accepted: continue
            case .missing: try awaitInfo("client sent no required SSL certificate", proxy)
            case .wrong(let reason): try awaitInfo("client SSL certificate verify error: (\(reason))", proxy)
            }
        }
    }

    /// Waits for what all routes have left in the log.
    private func awaitInfo(_ text: String, _ proxy: TLSServer) throws {
        try proxy.server.awaitLog(text, count: TLSRoute.all.count)
        for line in proxy.server.log.split(separator: "\n") where line.contains(text) { #expect(line.contains("[info]")) }
    }

    @Test(arguments: [TLSOrder.Version.tls12, .tls13])
    func `a client without certificate hears so in either version`(_ version: TLSOrder.Version) throws {
        let client = try TLSServer(settings("on")).clientBeforeTLS(.imap, .implicit)
        try client.startTLS(order(nil, version))
        try client.converse("S: * BYE No required SSL certificate\nS.")
    }

    @Test func `a revoked certificate is as good as any where no list says so`() throws {
        _ = try TLSServer(settings("on")).loggedInClient(.imap, .implicit, order(.revokedClient))
    }

    @Test(arguments: [(0, "* BYE SSL certificate error"), (1, "* OK IMAP4 ready")])
    func `ssl_verify_depth says how far an authority may be`(_ depth: Int, _ first: String) throws {
        let proxy = try TLSServer(settings("on", more: "ssl_verify_depth \(depth);"))
        let client = try proxy.clientBeforeTLS(.imap, .implicit)
        try client.startTLS(order(.distantClient))
        try client.expect(first)
        if depth == 0 { try proxy.server.awaitLog("client SSL certificate verify error: (22:certificate chain too long)") }
    }

    @Test func `a trusted certificate need not be told to clients`() throws {
        let certificates = try Certificates.shared()
        func names(_ settings: String) throws -> String {
            let proxy = try TLSServer("ssl_verify_client optional; \(settings)")
            _ = try proxy.loggedInClient(.imap, .implicit, order(.client))
            #expect(try proxy.auth.question()["Auth-SSL-Verify"] == "SUCCESS")
            return try run(["openssl", "s_client", "-connect", "127.0.0.1:\(proxy.port(.imap, .implicit))"]).standardOutput
        }
        let told = try names("ssl_client_certificate \(certificates.authority);")
        #expect(told.contains("Acceptable client certificate CA names\nCN = Test Authority"))
        let (stranger, authority) = (certificates[.stranger].path, certificates.authority)
        let other = try names("ssl_client_certificate \(stranger); ssl_trusted_certificate \(authority);")
        #expect(other.contains("Acceptable client certificate CA names\nCN = stranger\n"))
        #expect(!other.contains("CA names\nCN = stranger\nCN = Test Authority"))
    }

    /// nginx takes it from 1.27.2 on.
    @Test func `a trusted certificate alone is enough`() throws {
        let proxy = try TLSServer("ssl_verify_client on; ssl_trusted_certificate \(Certificates.shared().authority);")
        _ = try proxy.loggedInClient(.imap, .implicit, order(.client))
    }

    @Test func `a certificate is judged by the server block that it was shown to`() throws {
        let certificates = try Certificates.shared()
        let proxy = try TLSServer("ssl_verify_client on;") {
            "ssl_client_certificate \($0 == .imap ? certificates.authority : certificates[.stranger].path);"
        }
        _ = try proxy.loggedInClient(.imap, .implicit, order(.client))
        let client = try proxy.clientBeforeTLS(.pop3, .implicit)
        try client.startTLS(order(.client))
        try client.converse("S: -ERR SSL certificate error\nS.")
        _ = try proxy.loggedInClient(.pop3, .implicit, order(.stranger))
    }

    // MARK: What the auth server hears

    /// What `openssl` says of a certificate, in the form of the headers.
    private func field(_ certificate: Certificate, _ options: String...) throws -> String {
        let result = try run(["openssl", "x509", "-noout", "-in", certificate.path, "-nameopt", "RFC2253"] + options)
        return result.standardOutput.drop { $0 != "=" }.dropFirst().trimmingCharacters(in: .newlines)
    }

    private func headers(_ question: AuthQuestion) -> [String] { question.lines.filter { $0.hasPrefix("Auth-SSL") } }

    @Test func `headers tell of TLS, and nothing of it where there is none`() throws {
        let proxy = try TLSServer()
        try proxy.plainClient(.imap, .starttls).converse(Speech.imap.login() + Speech.imap.welcome)
        #expect(try headers(proxy.auth.question()).isEmpty)
        for (index, route) in TLSRoute.all.enumerated() {
            _ = try proxy.loggedInClient(route.speech, route.way, TLSOrder(.tls13, ciphers: nil))
            #expect(try headers(proxy.auth.question(1 + index)) == [
                "Auth-SSL: on", "Auth-SSL-Protocol: TLSv1.3", "Auth-SSL-Cipher: TLS_AES_256_GCM_SHA384",
            ])
        }
        _ = try proxy.loggedInClient(.smtp, .implicit, TLSOrder(.tls12, ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256"))
        let question = try proxy.auth.question(1 + TLSRoute.all.count)
        #expect(question.text.hasSuffix("""
            Client-Host: [UNAVAILABLE]\r
            Auth-SSL: on\r
            Auth-SSL-Protocol: TLSv1.2\r
            Auth-SSL-Cipher: ECDHE-ECDSA-AES128-GCM-SHA256\r
            \r

            """))
    }

    @Test(arguments: [false, true])
    func `headers tell of the certificate, byte for byte`(_ passesCertificate: Bool) throws {
        let certificate = try Certificates.shared()[.client]
        let passing = "auth_http_pass_client_cert \(passesCertificate ? "on" : "off");"
        let proxy = try TLSServer(settings("on", more: passing + "auth_http_header X-Key value;"))
        _ = try proxy.loggedInClient(.imap, .implicit, order(.client))
        let fingerprint = try field(certificate, "-fingerprint", "-sha1").lowercased().replacingOccurrences(of: ":", with: "")
        let escaped = certificate.pem.replacingOccurrences(of: " ", with: "%20").replacingOccurrences(of: "\n", with: "%0A")
        let question = try proxy.auth.question()
        #expect(headers(question) == [
            "Auth-SSL: on", "Auth-SSL-Protocol: TLSv1.3", "Auth-SSL-Cipher: TLS_AES_256_GCM_SHA384", "Auth-SSL-Verify: SUCCESS",
            "Auth-SSL-Subject: CN=cli ent,O=A B\\, Inc,C=DE", "Auth-SSL-Issuer: CN=Test Authority",
            "Auth-SSL-Serial: \(try field(certificate, "-serial"))", "Auth-SSL-Fingerprint: \(fingerprint)",
        ] + (passesCertificate ? ["Auth-SSL-Cert: \(escaped)"] : []))
        #expect(question.lines.last == "X-Key: value")
    }

    @Test func `fields that nothing is known of are left out`() throws {
        let proxy = try TLSServer(settings("optional", more: "auth_http_pass_client_cert on;"))
        _ = try proxy.loggedInClient(.imap, .implicit, order(nil))
        #expect(try headers(proxy.auth.question()) == [
            "Auth-SSL: on", "Auth-SSL-Protocol: TLSv1.3", "Auth-SSL-Cipher: TLS_AES_256_GCM_SHA384", "Auth-SSL-Verify: NONE",
        ])
    }

    @Test func `the certificate is known after a resumption too`() throws {
        let proxy = try TLSServer(settings("on"))
        let first = try order(.client)
        _ = try proxy.loggedInClient(.imap, .implicit, first)
        let client = try proxy.clientBeforeTLS(.imap, .implicit)
        #expect(try client.startTLS(TLSOrder(resuming: first)).isResumed == true)
        try client.converse("S: * OK IMAP4 ready\n" + Speech.imap.loginAfterGreeting() + Speech.imap.welcome)
        #expect(try headers(proxy.auth.question(1)) == headers(proxy.auth.question(0)))
    }

    // MARK: EXTERNAL

    /// A login by EXTERNAL: the prompts and a response, or all in one line.
    private static func external(_ speech: Speech, inOneLine: Bool) -> String {
        let name = "user".base64
        let (command, prompt) = switch speech {
        case .imap: ("a AUTHENTICATE EXTERNAL", "+ VXNlcm5hbWU6")
        case .pop3: ("AUTH EXTERNAL", "+ VXNlcm5hbWU6")
        case .smtp: ("AUTH EXTERNAL", "334 VXNlcm5hbWU6")
        }
        return inOneLine ? "C: \(command) \(name)\n" : "C: \(command)\nS: \(prompt)\nC: \(name)\n"
    }

    @Test(arguments: [true, false])
    func `EXTERNAL leaves it to the auth server whom a certificate lets in`(_ inOneLine: Bool) throws {
        let proxy = try TLSServer(settings("on"), accepting: ["Auth-Pass: given"]) { "\($0)_auth plain external;" }
        for (index, route) in TLSRoute.all.enumerated() {
            let client = try proxy.client(route.speech, route.way, order(.client))
            try client.converse(Self.external(route.speech, inOneLine: inOneLine) + route.speech.welcome)
            let question = try proxy.auth.question(index)
            #expect(question["Auth-Method"] == "external")
            #expect(question["Auth-User"] == "user")
            #expect(question["Auth-Pass"] == "")
            #expect(question["Auth-SSL-Verify"] == "SUCCESS")
        }
        #expect(try proxy.upstream(.imap).session().notes["password"] == ["given"])
    }

    /// nginx minds the configuration only where there is no initial response.
    @Test(arguments: [true, false])
    func `EXTERNAL that is not offered is refused however it is asked for`(_ inOneLine: Bool) throws {
        let proxy = try TLSServer(settings("on"))
        for route in TLSRoute.all {
            let command = Self.external(route.speech, inOneLine: inOneLine).split(separator: "\n")[0]
            try proxy.client(route.speech, route.way, order(.client)).converse(
                "\(command)\nS: \(route.speech.refusal(ofTag: "a"))\n" + route.speech.noopScript)
        }
        #expect(proxy.auth.questions.isEmpty)
    }
}
