import Configuration
import TestSupport
import Testing

@testable import TLS

private let legs = Schema(groups: [TLSClientSettings<UpstreamLeg>.self, TLSClientSettings<AuthServerLeg>.self])

func upstreamSettings(_ directives: String) throws -> TLSClientSettings<UpstreamLeg> {
    try legs.settings(directives, in: .server)[TLSClientSettings<UpstreamLeg>.self]
}

extension TLSClientContext {
    /// A context as a server block with these directives has it for its upstreams.
    convenience init(_ directives: String = "", protocolName: String = "imap") throws {
        try self.init(try upstreamSettings(directives), protocolName: protocolName)
    }
}

@Suite(.ownWorkspace) struct TLSClientContextTests {
    /// What stops the start. FOLDER is where the certificates are.
    private func refusal(_ directives: String) throws -> String {
        let folder = try TestAuthority.here().folder
        let settings = try upstreamSettings(directives.replacing("FOLDER", with: folder))
        return try onLoop {
            do throws(ConfigurationError) {
                _ = try TLSClientContext(settings, protocolName: "imap")
                return "ok"
            } catch {
                return error.message.replacing(folder, with: "FOLDER")
            }
        }
    }

    @Test(arguments: [
        "", "proxy_ssl_verify on; proxy_ssl_trusted_certificate FOLDER/ca.pem; proxy_ssl_crl FOLDER/ca.crl;",
        "proxy_ssl_certificate FOLDER/client.pem; proxy_ssl_certificate_key FOLDER/client.key;",
        "proxy_ssl_certificate FOLDER/rsa.pem; proxy_ssl_certificate_key FOLDER/locked.key; proxy_ssl_password_file PASSWORDS;",
        "proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; proxy_ssl_protocols TLSv1.2; proxy_ssl_ciphers HIGH;",
        // As in nginx, these are read only where certificates are verified, and a key alone is none.
        "proxy_ssl_trusted_certificate /nowhere; proxy_ssl_crl /nowhere;", "proxy_ssl_certificate_key /nowhere;",
    ])
    func `what is there and whole is taken`(_ directives: String) throws {
        let passwords = try Workspace.here().write("wrong\ns3cret\n", to: "passwords")
        #expect(try refusal(directives.replacing("PASSWORDS", with: passwords)) == "ok")
    }

    static let missing = "BIO_new_file() failed (SSL: error:80000002:system library::No such file or directory:calling fopen(FILE, r) error:10000080:BIO routines::no such file)"

    private static func missing(_ file: String) -> String { missing.replacing("FILE", with: file) }

    @Test(arguments: [
        ("proxy_ssl_verify on;", "no proxy_ssl_trusted_certificate for proxy_ssl_verify"),
        ("proxy_ssl_verify on; proxy_ssl_trusted_certificate /no;", "failed to load \"/no\": " + missing("/no")),
        (
            "proxy_ssl_verify on; proxy_ssl_trusted_certificate FOLDER/ca.pem; proxy_ssl_crl /no;",
            "failed to load \"/no\": " + missing("/no")
        ),
        ("proxy_ssl_certificate /no;", "no \"proxy_ssl_certificate_key\" is defined for certificate \"/no\""),
        ("proxy_ssl_certificate /no; proxy_ssl_certificate_key /key;", "cannot load certificate \"/no\": " + missing("/no")),
        (
            "proxy_ssl_certificate FOLDER/client.pem; proxy_ssl_certificate_key /no;",
            "cannot load certificate key \"/no\": " + missing("/no")
        ),
        (
            "proxy_ssl_certificate FOLDER/client.pem; proxy_ssl_certificate_key FOLDER/client.key; proxy_ssl_password_file /no;",
            "open() \"/no\" failed (2: No such file or directory)"
        ),
        (
            "proxy_ssl_ciphers NONE;",
            "SSL_CTX_set_cipher_list(\"NONE\") failed (SSL: error:0A0000B9:SSL routines::no cipher match)"
        ),
    ])
    func `what is missing or wrong is said in nginx's words`(_ directives: String, _ message: String) throws {
        #expect(try refusal(directives) == message)
    }

    @Test(arguments: [
        ("proxy_ssl_certificate FOLDER/client.pem; proxy_ssl_certificate_key FOLDER/rsa.key;", "SSL_CTX_use_PrivateKey(\"FOLDER/rsa.key\") failed"),
        ("proxy_ssl_certificate FOLDER/rsa.pem; proxy_ssl_certificate_key FOLDER/locked.key;", "cannot load certificate key \"FOLDER/locked.key\": "),
        ("proxy_ssl_conf_command No Such;", "SSL_CONF_cmd(\"No\", \"Such\") failed (SSL: "),
        ("proxy_ssl_verify on; proxy_ssl_trusted_certificate FOLDER/ca.key;", "failed to load \"FOLDER/ca.key\": "),
        ("proxy_ssl_verify on; proxy_ssl_trusted_certificate FOLDER/ca.pem; proxy_ssl_crl FOLDER/ca.pem;", "failed to load \"FOLDER/ca.pem\": "),
    ])
    func `what OpenSSL will not have is said with its words`(_ directives: String, _ start: String) throws {
        let message = try refusal(directives)
        #expect(message.hasPrefix(start), "\(message)")
    }

    @Test func `messages name the leg that they are about`() throws {
        let settings = try legs.settings("auth_http_ssl_verify on;", in: .server)[TLSClientSettings<AuthServerLeg>.self]
        try onLoop {
            #expect(throws: ConfigurationError("no auth_http_ssl_trusted_certificate for auth_http_ssl_verify")) {
                try TLSClientContext(settings, protocolName: "http/1.1")
            }
        }
    }

    @Test func `blocks that say the same share a context, and others do not`() throws {
        try onLoop {
            let contexts = TLSClientContexts()
            let texts = ["", "proxy_ssl_name a;", "proxy_ssl_protocols TLSv1.3;", "proxy_ssl_session_reuse off;"]
            let all = try texts.map { try contexts.context(for: try upstreamSettings($0), protocolName: "imap") }
                + [try contexts.context(for: try upstreamSettings(""), protocolName: "pop3")]
                + [try contexts.context(for: TLSClientSettings<AuthServerLeg>(), protocolName: "imap")]
            #expect(Set(all.map { ObjectIdentifier($0) }).count == all.count)
            let inherited = try legs.settings(mail: "proxy_ssl_name a;", server: "")[TLSClientSettings<UpstreamLeg>.self]
            #expect(try contexts.context(for: inherited, protocolName: "imap") === all[1])
        }
    }
}
