import Foundation
import TestSupport
import Testing

/// What `-t` says of directives for TLS (`mail-directives.md`, section 7).
@Suite(.ownWorkspace) struct TLSConfigurationTests {
    /// Lines from the third on, in a `mail` block. PORT and OTHER are ports, CERT and KEY a good pair, CA
    /// its authority, LOCKED a key that WRONG does not open, DIR the folder.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let text: String
        /// The emergency, which is at the end of `mail` where nginx sees the fault no sooner; `…` at its
        /// end stands for words of the library's.
        let message: String

        init(_ text: String, _ message: String) {
            testDescription = text
            self.text = text
            self.message = message
        }
    }

    private static let pair = "ssl_certificate CERT; ssl_certificate_key KEY;"

    /// A server with TLS, a good certificate, and more.
    private static func secured(_ more: String) -> String {
        "server { protocol imap; listen 127.0.0.1:PORT ssl; \(pair) \(more) }"
    }

    static let faults: [Case] = [
        Case("server { protocol imap;\nlisten 127.0.0.1:PORT ssl; }",
             "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive in FILE:4"),
        Case("server { protocol imap; listen 127.0.0.1:PORT;\nstarttls on; }",
             "no \"ssl_certificate\" is defined for the \"starttls\" directive in FILE:4"),
        Case("server { protocol imap; listen 127.0.0.1:PORT;\n\nstarttls only; }",
             "no \"ssl_certificate\" is defined for the \"starttls\" directive in FILE:5"),
        Case("starttls on;\nserver { protocol imap; listen 127.0.0.1:PORT; }",
             "no \"ssl_certificate\" is defined for the \"starttls\" directive in FILE:3"),
        Case("server { protocol imap; listen 127.0.0.1:PORT; starttls on;\nlisten 127.0.0.1:OTHER ssl; }",
             "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive in FILE:4"),
        Case("server { protocol imap;\nlisten 127.0.0.1:PORT ssl; ssl_certificate CERT; }",
             "no \"ssl_certificate_key\" is defined for the \"listen ... ssl\" directive in FILE:4"),
        Case("server { protocol imap; listen 127.0.0.1:PORT;\nstarttls on; ssl_certificate CERT; }",
             "no \"ssl_certificate_key\" is defined for the \"starttls\" directive in FILE:4"),
        Case("server { protocol imap;\nlisten 127.0.0.1:PORT ssl; \(pair) ssl_certificate CA; }",
             "no \"ssl_certificate_key\" is defined for certificate \"CA\" and the \"listen ... ssl\" directive in FILE:4"),
        Case("server { protocol imap; listen 127.0.0.1:PORT ssl; ssl_certificate missing.pem; ssl_certificate_key KEY; }",
             "cannot load certificate \"DIR/missing.pem\": BIO_new_file() failed (SSL: error:…"),
        Case("server { protocol imap; listen 127.0.0.1:PORT ssl; ssl_certificate CERT; ssl_certificate_key missing.key; }",
             "cannot load certificate key \"DIR/missing.key\": BIO_new_file() failed (SSL: error:…"),
        Case("server { protocol imap; listen 127.0.0.1:PORT ssl; ssl_certificate CERT; ssl_certificate_key LOCKED; ssl_password_file WRONG; }",
             "cannot load certificate key \"LOCKED\": PEM_read_bio_PrivateKey() failed (SSL: error:…"),
        Case("server { protocol imap; listen 127.0.0.1:PORT ssl; ssl_certificate CA; ssl_certificate_key KEY; }",
             "SSL_CTX_use_PrivateKey(\"KEY\") failed (SSL: error:…"),
        Case(secured("ssl_ciphers nonsense;"), "SSL_CTX_set_cipher_list(\"nonsense\") failed (SSL: error:…"),
        Case(secured("ssl_ecdh_curve nonsense;"), "SSL_CTX_set1_curves_list(\"nonsense\") failed…"),
        Case(secured("ssl_conf_command Nonsense x;"), "SSL_CONF_cmd(\"Nonsense\", \"x\") failed (SSL: error:…"),
        Case(secured("ssl_conf_command Options Nonsense;"),
             "SSL_CONF_cmd(\"Options\", \"Nonsense\") failed (SSL: error:…"),
        Case(secured("ssl_dhparam missing;"), "BIO_new_file(\"DIR/missing\") failed (SSL: error:…"),
        Case(secured("ssl_dhparam CERT;"), "PEM_read_bio_DHparams(\"CERT\") failed (SSL: error:…"),
        Case("ssl_password_file missing;", "open() \"DIR/missing\" failed (2: No such file or directory) in FILE:3"),
        Case("ssl_password_file WRONG;\nssl_password_file WRONG;", "\"ssl_password_file\" directive is duplicate in FILE:4"),
        Case("starttls maybe;", "invalid value \"maybe\" in FILE:3"),
        Case("ssl_verify_client maybe;", "invalid value \"maybe\" in FILE:3"),
        Case("ssl_protocols TLSv1.4;", "invalid value \"TLSv1.4\" in FILE:3"),
        Case("ssl_session_cache nonsense;", "invalid session cache \"nonsense\" in FILE:3"),
        Case("ssl_session_cache shared:a:1;", "session cache \"shared:a:1\" is too small in FILE:3"),
        Case("ssl_session_cache builtin:x;", "invalid session cache \"builtin:x\" in FILE:3"),
        Case(secured("ssl_session_cache shared:a:1m; }\nserver { protocol imap; listen 127.0.0.1:OTHER ssl; \(pair)\nssl_session_cache shared:a:2m;"),
             "the size 2097152 of shared memory zone \"a\" conflicts with already declared size 1048576 in FILE:5"),
    ]

    /// What differs from nginx 1.22.
    static let newFaults: [Case] = [
        Case(secured("ssl_verify_client on;"),
             "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client"),
        Case(secured("ssl_verify_client optional;"),
             "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client"),
        Case("ssl_session_cache shared:a;", "invalid session cache \"shared:a\" in FILE:3"),
        Case(secured("ssl_verify_client on; ssl_client_certificate missing;"),
             "failed to load \"DIR/missing\": BIO_new_file() failed (SSL: error:…"),
        Case(secured("ssl_trusted_certificate missing;"), "failed to load \"DIR/missing\": BIO_new_file() failed (SSL: error:…"),
        Case(secured("ssl_client_certificate KEY;"), "failed to load \"KEY\": PEM_read_bio_X509() failed…"),
        Case(secured("ssl_verify_client on; ssl_client_certificate CA; ssl_crl missing;"),
             "failed to load \"DIR/missing\": BIO_new_file() failed (SSL: error:…"),
        Case(secured("ssl_session_ticket_key CERT;"), "\"CERT\" must be 48 or 80 bytes"),
        Case(secured("ssl_session_ticket_key missing;"), "open() \"DIR/missing\" failed (2: No such file or directory)"),
        Case("server { protocol imap; listen 127.0.0.1:PORT;\nssl on; }",
             "no \"ssl_certificate\" is defined for the \"ssl\" directive in FILE:4"),
    ]

    /// Files that are good though they look odd.
    static let good: [String] = [
        "server { protocol imap; listen 127.0.0.1:PORT; ssl_certificate missing.pem; ssl_certificate_key missing.key; }",
        "server { protocol imap; listen 127.0.0.1:PORT; ssl_verify_client on; }",
        "ssl_certificate CERT; ssl_certificate_key KEY; server { protocol imap; listen 127.0.0.1:PORT ssl; }",
        secured("ssl_verify_client optional_no_ca;"),
        "starttls on; server { protocol imap; listen 127.0.0.1:PORT; ssl on; \(pair) }",
        "server { protocol imap; listen 127.0.0.1:PORT ssl; listen 127.0.0.1:OTHER; starttls only; \(pair) ssl_session_cache builtin:100 shared:a:1m; }",
    ]

    private func test(_ text: String) throws -> (file: String, result: CommandResult, complete: (String) -> String) {
        let (workspace, certificates) = (try Workspace.here(), try Certificates.shared())
        try workspace.write("wrong\n", to: "wrong")
        let names = [
            "PORT": "\(try Ports.free())", "OTHER": "\(try Ports.free())", "DIR": workspace.path, "CERT": certificates[.ecdsa].path,
            "KEY": certificates[.ecdsa].key, "CA": certificates.authority, "LOCKED": certificates.lockedKey, "WRONG": workspace.file("wrong"),
            "FILE": workspace.file("test.conf"),
        ]
        func complete(_ text: String) -> String {
            text.replacing(#/\b[A-Z]{2,}\b/#) { names[String($0.output)] ?? String($0.output) }
        }
        try workspace.write("\(ProgramUnderTest.preamble) events {}\nmail { auth_http 127.0.0.1:1;\n\(complete(text))\n}\n", to: "test.conf")
        let result = try run([ProgramUnderTest.path, "-t", "-p", workspace.path, "-c", "test.conf", "-e", "start.log"])
        return (workspace.file("test.conf"), result, complete)
    }

    @Test(arguments: faults + newFaults) func `-t says what is wrong, and where`(_ case: Case) throws {
        let (file, result, complete) = try test(`case`.text)
        #expect(result.status == .code(1))
        let lines = result.standardError.split(separator: "\n").filter { $0.contains("[emerg]") }
        let expected = "\(ProgramUnderTest.name): [emerg] \(complete(`case`.message))"
        #expect(lines.count == 1)
        let line = String(lines.first ?? "")
        if expected.hasSuffix("…") {
            #expect(line.hasPrefix(expected.dropLast()), "\(line)")
        } else {
            #expect(line == expected)
        }
        #expect(result.standardError.hasSuffix("\(ProgramUnderTest.name): configuration file \(file) test failed\n"))
    }

    @Test(arguments: good) func `-t finds nothing where TLS is not used, or used well`(_ text: String) throws {
        let (_, result, _) = try test(text)
        #expect(result.status == .code(0), "\(result.standardError)")
    }

    /// As files say that were written before `listen … ssl`.
    @Test func `ssl on has every listener speak TLS, and is warned of`() throws {
        let port = try Ports.free()
        let auth = try StubAuthServer(accepting: try StubServer.imap())
        let server = try ServerUnderTest(
            mail: "server { listen 127.0.0.1:\(port); protocol imap; auth_http \(auth.url); ssl on; \(Certificates.shared()[.ecdsa].directives) }",
            until: .connects)
        let client = try LineClient(port)
        try client.startTLS()
        try client.converse(Speech.imap.login() + Speech.imap.welcome)
        try server.awaitLog("the \"ssl\" directive is deprecated, use the \"listen ... ssl\" directive instead in \(server.folder)/server.conf:")
    }
}
