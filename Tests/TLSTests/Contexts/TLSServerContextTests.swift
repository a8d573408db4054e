import Foundation
import Configuration
import TestSupport
import Testing

@testable import TLS

@Suite(.ownWorkspace) struct TLSServerContextTests {
    /// Why no context comes of these directives; `FOLDER` is where the certificates are.
    private func refusal(_ directives: String) throws -> String {
        let folder = try TestAuthority.here().folder
        return try onLoop {
            do {
                _ = try TLSServerContext(directives.replacing("FOLDER", with: folder))
                return "ok"
            } catch let error as ConfigurationError {
                return error.message.replacing(folder, with: "FOLDER")
            }
        }
    }

    private static let pair = "ssl_certificate FOLDER/rsa.pem; ssl_certificate_key FOLDER/rsa.key;"

    private static let refusals: [(String, String)] = [
        (pair, "ok"),
        ("", #"no "ssl_certificate" is defined for the "listen ... ssl" directive in /etc/martlet/m.conf:7"#),
        ("ssl_certificate FOLDER/rsa.pem;",
         #"no "ssl_certificate_key" is defined for the "listen ... ssl" directive in /etc/martlet/m.conf:7"#),
        (pair + "ssl_certificate FOLDER/ecdsa.pem;",
         #"no "ssl_certificate_key" is defined for certificate "FOLDER/ecdsa.pem" and the "listen ... ssl" directive in /etc/martlet/m.conf:7"#),
        ("ssl_certificate FOLDER/gone; ssl_certificate_key FOLDER/rsa.key;",
         #"cannot load certificate "FOLDER/gone": BIO_new_file() failed (SSL: error:80000002:system library::No such file or directory:calling fopen(FOLDER/gone, r) error:10000080:BIO routines::no such file)"#),
        ("ssl_certificate FOLDER/rsa.key; ssl_certificate_key FOLDER/rsa.key;",
         #"cannot load certificate "FOLDER/rsa.key": PEM_read_bio_X509_AUX() failed (SSL: error:0480006C:PEM routines::no start line:Expecting: TRUSTED CERTIFICATE)"#),
        ("ssl_certificate FOLDER/rsa.pem; ssl_certificate_key FOLDER/gone;",
         #"cannot load certificate key "FOLDER/gone": BIO_new_file() failed (SSL: error:80000002:system library::No such file or directory:calling fopen(FOLDER/gone, r) error:10000080:BIO routines::no such file)"#),
        ("ssl_certificate FOLDER/rsa.pem; ssl_certificate_key FOLDER/ecdsa.key;",
         #"SSL_CTX_use_PrivateKey("FOLDER/ecdsa.key") failed (SSL: error:03000065:digital envelope routines::different key types error:05800073:x509 certificate routines::key type mismatch)"#),
        ("ssl_certificate FOLDER/ecdsa.pem; ssl_certificate_key FOLDER/other.key;",
         #"SSL_CTX_use_PrivateKey("FOLDER/other.key") failed (SSL: error:05800074:x509 certificate routines::key values mismatch)"#),
        (pair + "ssl_ciphers NONSENSE;",
         #"SSL_CTX_set_cipher_list("NONSENSE") failed (SSL: error:0A0000B9:SSL routines::no cipher match)"#),
        (pair + "ssl_ecdh_curve nonsense;",
         #"SSL_CTX_set1_curves_list("nonsense") failed (SSL: error:0A080106:SSL routines::passed invalid argument:group 'nonsense' cannot be set)"#),
        (pair + "ssl_conf_command Nonsense x;",
         #"SSL_CONF_cmd("Nonsense", "x") failed (SSL: error:0A000182:SSL routines::unknown cmd name:cmd=Nonsense)"#),
        (pair + "ssl_dhparam FOLDER/rsa.pem;",
         #"PEM_read_bio_DHparams("FOLDER/rsa.pem") failed (SSL: error:0480006C:PEM routines::no start line:Expecting: DH PARAMETERS)"#),
        (pair + "ssl_password_file FOLDER/gone;", #"open() "FOLDER/gone" failed (2: No such file or directory) in /etc/martlet/m.conf:1"#),
    ]

    @Test(arguments: refusals)
    func `what makes no context is refused in nginx's words`(_ directives: String, _ message: String) throws {
        let refusal = try refusal(directives)
        #expect(refusal == message)
    }

    @Test func `a locked key opens with any of the passwords, whatever else the file holds`() throws {
        let workspace = try Workspace.here()
        let directives = "ssl_certificate FOLDER/rsa.pem; ssl_certificate_key FOLDER/locked.key;"
        func with(_ passwords: String) throws -> String {
            try refusal("\(directives) ssl_password_file \(workspace.write(passwords, to: "passwords"));")
        }
        #expect(try with("wrong\n\ns3cret\n") == "ok")
        #expect(try with("s3cret\r\nwrong") == "ok")
        #expect(try with("wrong\n").hasPrefix(#"cannot load certificate key "FOLDER/locked.key": PEM_read_bio_PrivateKey() failed (SSL: "#))
        #expect(try refusal(directives).hasPrefix(#"cannot load certificate key "FOLDER/locked.key": PEM_read_bio_PrivateKey() failed (SSL: "#))
        let long = String(repeating: "x", count: 4096)
        #expect(try with("\(long)\ns3cret\n") == #"too long line in "\#(workspace.file("passwords"))" in /etc/martlet/m.conf:1"#)
        #expect(try with("\(long.dropLast())\ns3cret\n") == "ok")
    }

    @Test func `certificate and key may stand in the configuration itself, and are not printed`() throws {
        let authority = try TestAuthority.here()
        var settings = TLSSettings()
        func data(_ name: String) throws -> PEMSource {
            .data(Array(try String(contentsOfFile: authority.file(name), encoding: .utf8).utf8))
        }
        settings.certificates = [try data("rsa.pem")]
        settings.certificateKeys = [try data("rsa.key")]
        let good = settings
        settings.certificateKeys = [try data("ca.crl")]
        let bad = settings
        try onLoop {
            _ = try TLSServerContext(good, protocolName: "imap", identity: "", mode: "starttls", at: nil, resumption: TLSResumption())
            let error = #expect(throws: ConfigurationError.self) {
                _ = try TLSServerContext(bad, protocolName: "imap", identity: "", mode: "starttls", at: nil, resumption: TLSResumption())
            }
            #expect(error?.message.hasPrefix(#"cannot load certificate key "data:": PEM_read_bio_PrivateKey() failed (SSL: "#) == true)
        }
    }

    @Test func `compression of certificates that the library cannot do is warned of`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let context = try TLSServerContext(authority.directives("rsa") + "ssl_certificate_compression on;")
            let isSupported = context.warnings.isEmpty
            #expect(isSupported || context.warnings == [#""ssl_certificate_compression" ignored, not supported"#])
            #expect(try TLSServerContext(authority.directives("rsa")).warnings.isEmpty)
        }
    }

    // MARK: What clients get

    private func negotiated(_ directives: String, _ habits: ClientHabits = .usual) throws -> String {
        try onLoop {
            let pair = try TLSPair(try TLSServerContext(directives), habits)
            defer { pair.close() }
            let (server, client) = try pair.shakeHands()
            guard server == .done, client == .done else { return "none" }
            #expect(pair.server.protocolVersion == pair.client.version && pair.server.cipher == pair.client.cipher)
            return "\(pair.client.version) \(pair.client.cipher) \(pair.client.serverCertificate)"
        }
    }

    private static let upTo12 = ("MaxProtocol", "TLSv1.2")

    @Test func `settings decide what is spoken`() throws {
        let authority = try TestAuthority.here()
        let rsa = authority.directives("rsa")
        func client(_ commands: (String, String)...) -> ClientHabits { ClientHabits(commands: commands) }
        #expect(try negotiated(rsa) == "TLSv1.3 TLS_AES_256_GCM_SHA384 mail.example RSA")
        #expect(try negotiated(rsa, client(Self.upTo12)) == "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384 mail.example RSA")
        #expect(try negotiated(rsa, client(("MaxProtocol", "TLSv1.1"), ("CipherString", "DEFAULT@SECLEVEL=0"))) == "none")
        #expect(try negotiated(rsa + "ssl_protocols TLSv1.3;", client(Self.upTo12)) == "none")
        #expect(try negotiated(rsa + "ssl_protocols TLSv1.2;").hasPrefix("TLSv1.2 "))
        #expect(
            try negotiated(
                rsa + "ssl_protocols TLSv1.1; ssl_ciphers DEFAULT@SECLEVEL=0;", client(("CipherString", "DEFAULT@SECLEVEL=0"))
            ).hasPrefix("TLSv1.1 "))
        #expect(try negotiated(rsa + "ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;", client(Self.upTo12)).contains(" ECDHE-RSA-AES128-GCM-SHA256 "))
        let twoCiphers = client(Self.upTo12, ("CipherString", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"))
        #expect(try negotiated(rsa, twoCiphers).contains("AES128"))
        #expect(try negotiated(rsa + "ssl_prefer_server_ciphers on;", twoCiphers).contains("AES256"))
        #expect(try negotiated(rsa + "ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;").contains("TLS_AES_128_GCM_SHA256"))
        #expect(try negotiated(rsa + "ssl_conf_command MaxProtocol TLSv1.2;").hasPrefix("TLSv1.2 "))
        #expect(try negotiated(rsa + "ssl_ecdh_curve X25519;", client(("Groups", "P-256"))) == "none")
        #expect(try negotiated(rsa + "ssl_ecdh_curve X25519:prime256v1;", client(("Groups", "P-256"))) != "none")
    }

    @Test func `keys are exchanged by DHE with a file of parameters, and not without`() throws {
        let authority = try TestAuthority.here()
        let workspace = try Workspace.here()
        let made = try run(["openssl", "dhparam", "-out", workspace.file("dh.pem"), "-dsaparam", "2048"], in: workspace)
        #expect(made.succeeded)
        let onlyDHE = ClientHabits(commands: [Self.upTo12, ("CipherString", "DHE-RSA-AES128-GCM-SHA256")])
        #expect(try negotiated(authority.directives("rsa"), onlyDHE) == "none")
        #expect(try negotiated(authority.directives("rsa") + "ssl_dhparam \(workspace.file("dh.pem"));", onlyDHE).contains("DHE-RSA-AES128-GCM-SHA256"))
    }

    @Test func `RSA and ECDSA stand side by side`() throws {
        let both = try TestAuthority.here().directives("rsa", "ecdsa")
        func client(_ algorithms: String) -> ClientHabits { ClientHabits(commands: [("SignatureAlgorithms", algorithms)]) }
        #expect(try negotiated(both, client("ecdsa_secp256r1_sha256")).hasSuffix(" ECDSA"))
        #expect(try negotiated(both, client("rsa_pss_rsae_sha256")).hasSuffix(" RSA"))
    }

    @Test(arguments: [
        (["imap"], "imap"), (["smtp", "imap"], "imap"), ([], ""), (["pop3"], nil), (["IMAP"], nil), (["ima", "imap4"], nil),
    ] as [([String], String?)])
    func `a client that names protocols must name ours`(_ offered: [String], _ chosen: String?) throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let pair = try TLSPair(try TLSServerContext(authority.directives("ecdsa")), ClientHabits(protocols: offered))
            defer { pair.close() }
            let (server, client) = try pair.shakeHands()
            if let chosen {
                #expect(server == .done && client == .done && pair.client.chosenProtocol == chosen)
            } else {
                let text = "SSL_do_handshake() failed (SSL: error:0A0000EB:SSL routines::no application protocol)"
                #expect(server == .failed(TLSError(text, isClientFault: true)))
                guard case .failed(let error) = client else { return #expect(client != .done) }
                #expect(error.text.contains("alert no application protocol"))
            }
        }
    }

    @Test(arguments: [
        ("mail.example", "mail.example RSA"), ("other.example", "other.example ECDSA"), ("OTHER.example", "other.example ECDSA"),
        ("a.pool.example", "mail.example RSA"), ("a.b.pool.example", "other.example ECDSA"), ("no.example", "other.example ECDSA"),
        (nil, "other.example ECDSA"),
    ] as [(String?, String)])
    func `the first certificate that covers the client's name is shown, else the first of all`(_ name: String?, _ shown: String) throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let context = try TLSServerContext(authority.directives("other", "rsa", "ecdsa"))
            let algorithm = shown.hasSuffix("RSA") ? "rsa_pss_rsae_sha256" : "ecdsa_secp256r1_sha256"
            let pair = try TLSPair(context, ClientHabits(serverName: name, commands: [("SignatureAlgorithms", algorithm)]))
            defer { pair.close() }
            try pair.shakeHands()
            #expect(pair.client.serverCertificate == shown && pair.server.serverName == name)
        }
    }

    @Test func `a client asked for a name gets no certificate of another`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let context = try TLSServerContext(authority.directives("rsa", "other"))
            let onlyRSA = [("SignatureAlgorithms", "rsa_pss_rsae_sha256")]
            let pair = try TLSPair(context, ClientHabits(serverName: "other.example", commands: onlyRSA))
            defer { pair.close() }
            let (server, _) = try pair.shakeHands()
            guard case .failed(let error) = server else { return #expect(server != .done) }
            #expect(error.isClientFault)
        }
    }
}
