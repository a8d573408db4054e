import Foundation
import Configuration
import TestSupport
import Testing

@testable import TLS

@Suite struct ClientVerificationTests {
    /// What a server with these directives makes of a client with that certificate.
    private func verdict(
        _ directives: String, _ certificate: String?, commands: [(String, String)] = []
    ) throws -> (verification: Verification, fault: VerificationFault?) {
        let authority = try TestAuthority.here()
        return try onLoop {
            let context = try TLSServerContext(authority.directives("ecdsa") + directives.replacing("FOLDER", with: authority.folder))
            let pair = try TLSPair(context, ClientHabits(certificate: certificate, commands: commands))
            defer { pair.close() }
            let (server, client) = try pair.shakeHands()
            guard server == .done, client == .done else { throw TestFailure("no handshake: \(server), \(client)") }
            return (pair.server.verification, pair.server.verificationFault())
        }
    }

    private static let ca = "ssl_client_certificate FOLDER/ca.pem;"
    private static let crl = "ssl_crl FOLDER/ca.crl;"
    private static let selfSigned = "self-signed certificate"
    private static let noIssuer = "unable to verify the first certificate"

    private static let cases: [(String, String?, Verification, VerificationFault?)] = [
        ("ssl_verify_client off;", "client", .none, nil),
        ("ssl_verify_client on;" + ca, "client", .success, nil),
        ("ssl_verify_client on;" + ca, nil, .none, .missing),
        ("ssl_verify_client on;" + ca, "self", .failed(selfSigned), .certificateError("(18:self-signed certificate)")),
        ("ssl_verify_client on;" + ca, "unknown", .failed(noIssuer), .certificateError("(21:\(noIssuer))")),
        ("ssl_verify_client on;" + ca, "expired", .failed("certificate has expired"), .certificateError("(10:certificate has expired)")),
        ("ssl_verify_client on; ssl_trusted_certificate FOLDER/ca.pem;", "client", .success, nil),
        ("ssl_verify_client optional;" + ca, "client", .success, nil),
        ("ssl_verify_client optional;" + ca, nil, .none, nil),
        ("ssl_verify_client optional;" + ca, "self", .failed(selfSigned), .certificateError("(18:self-signed certificate)")),
        ("ssl_verify_client optional_no_ca;", "client", .failed(noIssuer), nil),
        ("ssl_verify_client optional_no_ca;", "self", .failed(selfSigned), nil),
        ("ssl_verify_client optional_no_ca;", nil, .none, nil),
        ("ssl_verify_client optional_no_ca;" + ca, "client", .success, nil),
        ("ssl_verify_client optional_no_ca;" + ca, "expired", .failed("certificate has expired"), .certificateError("(10:certificate has expired)")),
        // That nobody known has issued it does not hide that it has expired.
        ("ssl_verify_client optional_no_ca;", "expired", .failed("certificate has expired"), .certificateError("(10:certificate has expired)")),
        ("ssl_verify_client on;" + ca + crl, "client", .success, nil),
        ("ssl_verify_client on;" + ca, "revoked", .success, nil),
        ("ssl_verify_client on;" + ca + crl, "revoked", .failed("certificate revoked"), .certificateError("(23:certificate revoked)")),
        ("ssl_verify_client optional_no_ca;" + ca + crl, "revoked", .failed("certificate revoked"), .certificateError("(23:certificate revoked)")),
        ("ssl_verify_client on;" + ca, "chain", .success, nil),
        ("ssl_verify_client on; ssl_verify_depth 0;" + ca, "chain", .failed("certificate chain too long"),
         .certificateError("(22:certificate chain too long)")),
        ("ssl_verify_client on;" + ca, "deep", .failed(noIssuer), .certificateError("(21:\(noIssuer))")),
        ("ssl_verify_client on; ssl_client_certificate FOLDER/cas.pem;", "deep", .success, nil),
    ]

    @Test func `a balancer's header can tell of the connection and of both certificates`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let context = try TLSServerContext(
                authority.directives("rsa") + Self.ca.replacing("FOLDER", with: authority.folder) + "ssl_verify_client optional_no_ca;")
            for (certificate, number) in [("client", 0), ("expired", 10), (nil, 1)] as [(String?, UInt32)] {
                let pair = try TLSPair(context, ClientHabits(certificate: certificate))
                defer { pair.close() }
                _ = try pair.shakeHands()
                #expect(pair.server.verificationNumber == number)
                #expect((pair.server.clientCertificate?.commonName != nil) == (certificate != nil))
                #expect(pair.server.signatureAlgorithm?.hasSuffix("SHA256") == true)
                #expect(pair.server.keyAlgorithm == "RSA2048")
                #expect(pair.server.applicationProtocol == nil)
            }
        }
    }

    @Test(arguments: cases)
    func `a client is judged as the directives say`(
        _ directives: String, _ certificate: String?, _ verification: Verification, _ fault: VerificationFault?
    ) throws {
        for version in ["TLSv1.2", "TLSv1.3"] {
            let verdict = try verdict(directives, certificate, commands: [("MaxProtocol", version)])
            #expect(verdict.verification == verification && verdict.fault == fault)
        }
    }

    @Test func `clients are told the names of the client certificate file alone`() throws {
        let authority = try TestAuthority.here()
        for (directives, count) in [
            ("ssl_client_certificate FOLDER/cas.pem; ssl_trusted_certificate FOLDER/stranger.pem;", 2),
            ("ssl_trusted_certificate FOLDER/cas.pem;", 0),
        ] {
            try onLoop {
                let words = authority.directives("ecdsa") + "ssl_verify_client optional;" + directives.replacing("FOLDER", with: authority.folder)
                let pair = try TLSPair(try TLSServerContext(words))
                defer { pair.close() }
                try pair.shakeHands()
                #expect(pair.client.namedAuthorities == count)
            }
        }
    }

    @Test(arguments: [
        ("ssl_verify_client on;", "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client"),
        ("ssl_verify_client optional;", "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client"),
        ("ssl_verify_client on; ssl_client_certificate FOLDER/gone;", #"failed to load "FOLDER/gone": BIO_new_file() failed"#),
        ("ssl_trusted_certificate FOLDER/rsa.key;", #"failed to load "FOLDER/rsa.key": PEM_read_bio_X509() failed"#),
        ("ssl_verify_client optional_no_ca; ssl_crl FOLDER/ca.pem;", #"failed to load "FOLDER/ca.pem": PEM_read_bio_X509_CRL() failed"#),
    ])
    func `authorities that are missing or cannot be read are refused`(_ directives: String, _ start: String) throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let words = authority.directives("ecdsa") + directives.replacing("FOLDER", with: authority.folder)
            let error = #expect(throws: ConfigurationError.self) { _ = try TLSServerContext(words) }
            #expect(error?.message.hasPrefix(start.replacing("FOLDER", with: authority.folder)) == true)
        }
    }
}

@Suite(.ownWorkspace) struct ClientCertificateTests {
    @Test func `a certificate is told in the auth server's forms`() throws {
        let authority = try TestAuthority.here()
        let certificate = try onLoop {
            let context = try TLSServerContext(authority.directives("ecdsa") + "ssl_verify_client optional_no_ca;")
            let pair = try TLSPair(context, ClientHabits(certificate: "client"))
            defer { pair.close() }
            #expect(pair.server.clientCertificate == nil)
            try pair.shakeHands()
            return try #require(pair.server.clientCertificate)
        }
        #expect(certificate.subject == #"CN=cli ent,O=A B\, Inc,C=DE"# && certificate.issuer == #"CN=Test CA,O=Good\, Inc"#)
        let workspace = try Workspace.here()
        func openssl(_ question: String) throws -> String {
            try run(["openssl", "x509", "-in", authority.file("client.pem"), "-noout", question, "-sha1"], in: workspace).standardOutput
        }
        let (serial, fingerprint) = (try openssl("-serial"), try openssl("-fingerprint"))
        #expect(serial == "serial=\(certificate.serial)\n")
        #expect(fingerprint.lowercased().replacing(":", with: "") == "sha1 fingerprint=\(certificate.fingerprint)\n")
        let file = try String(contentsOfFile: authority.file("client.pem"), encoding: .utf8)
        #expect(certificate.pem == file)
    }
}
