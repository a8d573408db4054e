import Foundation
import TestSupport

/// A certificate authority of this run, and the certificates that it has made: by OpenSSL's own commands,
/// into a folder that goes when the tests end.
struct TestAuthority {
    let folder: String

    /// Made once, by whichever test asks first.
    static let shared: Result<TestAuthority, any Error> = Result { try TestAuthority() }

    static func here() throws -> TestAuthority { try shared.get() }

    func file(_ name: String) -> String { "\(folder)/\(name)" }

    /// The directives for certificate and key of that name.
    func directives(_ names: String...) -> String {
        names.map { "ssl_certificate \(file($0)).pem; ssl_certificate_key \(file($0)).key; " }.joined()
    }

    private init() throws {
        folder = try scratchFolder.get().path
        try Data(configuration.utf8).write(to: URL(fileURLWithPath: file("ca.cnf")))
        try Data().write(to: URL(fileURLWithPath: file("index.txt")))
        try authority("ca", "/O=Good, Inc/CN=Test CA")
        try authority("stranger", "/CN=Unknown CA")
        try signed("rsa", "/CN=mail.example", names: "DNS:mail.example,DNS:*.pool.example", key: "rsa:2048")
        try signed("ecdsa", "/CN=mail.example", names: "DNS:mail.example")
        try signed("address", "/CN=address", names: "IP:127.0.0.1,IP:::1")
        try signed("other", "/CN=other.example", names: "DNS:other.example")
        try signed("client", "/C=DE/O=A B, Inc/CN=cli ent", names: "email:client@mail.example")
        try signed("unknown", "/CN=nobody", names: "DNS:nobody", by: "stranger")
        try signed("middle", "/CN=Middle CA", names: "DNS:middle", authority: true)
        try signed("deep", "/CN=deep", names: "DNS:deep", by: "middle")
        try signed("deepest", "/CN=deepest", names: "DNS:deepest", by: "middle", authority: true)
        try openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -keyout self.key -out self.pem -subj /CN=self")
        try issued("expired", "-startdate 20200101000000Z -enddate 20200102000000Z")
        try issued("revoked", "-days 9")
        try openssl("ca -config ca.cnf -revoke revoked.pem")
        try openssl("ca -config ca.cnf -gencrl -crldays 9 -out ca.crl")
        try join(["deep.pem", "middle.pem"], as: "chain.pem")
        try openssl("pkey -in deep.key -out chain.key")
        try join(["ca.pem", "middle.pem"], as: "cas.pem")
        try openssl("pkey -in rsa.key -aes128 -passout pass:s3cret -out locked.key")
    }

    // MARK: Commands

    private func authority(_ name: String, _ subject: String) throws {
        try openssl(
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
             "-keyout", "\(name).key", "-out", "\(name).pem", "-subj", subject])
    }

    private func signed(
        _ name: String, _ subject: String, names: String, by issuer: String = "ca", key: String = "ec", authority: Bool = false
    ) throws {
        let curve = key == "ec" ? ["-pkeyopt", "ec_paramgen_curve:P-256"] : []
        try openssl(
            ["req", "-x509", "-newkey", key] + curve + [
                "-nodes", "-days", "9", "-CA", "\(issuer).pem", "-CAkey", "\(issuer).key", "-keyout", "\(name).key",
                "-out", "\(name).pem", "-subj", subject, "-addext", "subjectAltName=\(names)",
                "-config", "ca.cnf", "-extensions", authority ? "authority" : "leaf",
            ])
    }

    /// Signs with the command that keeps a list of what it has signed, and may revoke it.
    private func issued(_ name: String, _ validity: String) throws {
        try openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \(name).key -out \(name).csr -subj /CN=\(name)")
        try openssl("ca -batch -notext -config ca.cnf -in \(name).csr -out \(name).pem \(validity)")
    }

    private func join(_ parts: [String], as name: String) throws {
        let whole = try parts.map { try String(contentsOfFile: file($0), encoding: .utf8) }.joined()
        try Data(whole.utf8).write(to: URL(fileURLWithPath: file(name)))
    }

    private func openssl(_ line: String) throws { try openssl(line.split(separator: " ").map(String.init)) }

    private func openssl(_ arguments: [String]) throws {
        let result = try run(["openssl"] + arguments, directory: folder, in: try scratchFolder.get())
        guard result.succeeded else { throw TestFailure("openssl \(arguments): \(result.standardError)") }
    }
}

private let configuration = """
    [req]
    distinguished_name = subject
    [subject]
    [leaf]
    basicConstraints = CA:FALSE
    [authority]
    basicConstraints = critical,CA:TRUE
    [ca]
    default_ca = test
    [test]
    database = index.txt
    rand_serial = yes
    new_certs_dir = .
    certificate = ca.pem
    private_key = ca.key
    default_md = sha256
    policy = anything
    [anything]
    commonName = supplied

    """

/// The folder, and its end with the process.
private let scratchFolder: Result<Workspace, any Error> = Result {
    let workspace = try Workspace()
    atexit { if let path = try? scratchFolder.get().path { try? FileManager.default.removeItem(atPath: path) } }
    return workspace
}
