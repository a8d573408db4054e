import Foundation
import Glibc

/// A certificate with its key, in files.
public struct Certificate: Sendable {
    public let path: String
    public let key: String

    public var pem: String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
    public var keyPEM: String { (try? String(contentsOfFile: key, encoding: .utf8)) ?? "" }

    /// The directives that have a server use it.
    public var directives: String { "ssl_certificate \(path); ssl_certificate_key \(key);" }
}

/// Certificates good and bad, of one authority, made once for the whole run. Keys are elliptic but for
/// `rsa`, because they are made faster.
public final class Certificates: Sendable {
    public enum Name: String, CaseIterable, Sendable {
        /// Servers', for `mail.test` and 127.0.0.1.
        case ecdsa, rsa, replacement, outdated
        /// A server's for `other.test`.
        case other
        /// Clients'. `distant` comes from an authority that the authority vouches for, and brings its certificate.
        case client, outdatedClient, revokedClient, distantClient
        /// A client's that only itself vouches for.
        case stranger
    }

    private let workspace: Workspace

    public static func shared() throws -> Certificates { try instance.get() }

    private static let instance = Result { try Certificates() }

    private init() throws {
        workspace = try Workspace()
        atexit { if case .success(let made) = Certificates.instance { made.workspace.tearDown() } }
        let result = try run(["bash", "-euc", Self.script], directory: workspace.path, in: workspace)
        guard result.succeeded else { throw TestFailure("no certificates: \(result.standardError)") }
    }

    public subscript(_ name: Name) -> Certificate {
        Certificate(path: workspace.file("\(name).pem"), key: workspace.file("\(name).key"))
    }

    /// The authority of all but `stranger`, and what it has revoked.
    public var authority: String { workspace.file("authority.pem") }
    public var revocations: String { workspace.file("revocations.pem") }

    /// The key of `ecdsa` behind a passphrase, and a file that has it among wrong ones.
    public var lockedKey: String { workspace.file("locked.key") }
    public var passphrases: String { workspace.file("passphrases") }

    public var dhParameters: String { workspace.file("dh.pem") }

    /// `openssl ca` is for what `openssl req` cannot: dates in the past, and a list of revocations.
    private static let script = #"""
        echo unique_subject=no > index.txt.attr
        : > index.txt
        cat > ca.conf <<END
        [ca]
        default_ca = it
        [it]
        database = index.txt
        new_certs_dir = .
        rand_serial = yes
        default_md = sha256
        default_days = 2
        default_crl_days = 2
        policy = any
        certificate = authority.pem
        private_key = authority.key
        x509_extensions = leaf
        [any]
        countryName = optional
        organizationName = optional
        commonName = supplied
        [req]
        distinguished_name = any
        [leaf]
        basicConstraints = CA:FALSE
        [server]
        basicConstraints = CA:FALSE
        subjectAltName = DNS:mail.test, IP:127.0.0.1
        [authority]
        basicConstraints = critical, CA:TRUE
        keyUsage = critical, keyCertSign, cRLSign
        END
        openssl genrsa -out rsa.key 2048 2> rsa.log &
        key() { [[ -e $1.key ]] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }
        alone() {
            key "$1"
            openssl req -x509 -new -config ca.conf -key "$1.key" -subj "$2" -extensions "$3" -days 2 -out "$1.pem"
        }
        # The certificate, what it is for, whose it is; then what else `openssl ca` is told.
        sign() {
            local name=$1 extensions=$2 subject=$3
            shift 3
            key "$name"
            openssl req -new -config ca.conf -key "$name.key" -subj "$subject" -out "$name.csr"
            openssl ca -batch -notext -config ca.conf -extensions "$extensions" -in "$name.csr" -out "$name.pem" "$@" 2> "$name.log"
        }
        alone authority '/CN=Test Authority' authority
        alone stranger '/CN=stranger' leaf
        for name in ecdsa replacement; do sign $name server '/CN=mail.test'; done
        sign other leaf '/CN=other.test' -extfile <(printf '[leaf]\nsubjectAltName = DNS:other.test\n')
        sign outdated server '/CN=mail.test' -startdate 20200101000000Z -enddate 20200102000000Z
        sign client leaf '/C=DE/O=A B, Inc/CN=cli ent' -preserveDN
        sign outdatedClient leaf '/CN=outdated' -startdate 20200101000000Z -enddate 20200102000000Z
        sign revokedClient leaf '/CN=revoked'
        openssl ca -config ca.conf -revoke revokedClient.pem 2> revoke.log
        openssl ca -config ca.conf -gencrl -out revocations.pem 2> gencrl.log
        sign middle authority '/CN=Middle Authority'
        sign distantClient leaf '/CN=distant' -cert middle.pem -keyfile middle.key
        cat middle.pem >> distantClient.pem
        openssl ec -in ecdsa.key -aes128 -passout pass:open -out locked.key 2> locked.log
        printf 'wrong\n\nopen\n' > passphrases
        openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out dh.pem
        wait
        sign rsa server '/CN=mail.test'
        """#
}
