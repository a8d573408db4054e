import Foundation
import Glibc
import TestSupport
import Testing

/// The server's certificates, and what becomes of them in a reload (`mail-tls.md`, section 8).
@Suite(.ownWorkspace) struct TLSCertificateTests {
    private func certificate(_ name: Certificates.Name) throws -> Certificate { try Certificates.shared()[name] }

    @Test func `RSA and ECDSA stand side by side, and the client's offer chooses`() throws {
        let (rsa, ecdsa) = (try certificate(.rsa), try certificate(.ecdsa))
        let proxy = try TLSServer(certificates: rsa.directives + ecdsa.directives)
        for (ciphers, certificate) in [("aRSA", rsa), ("aECDSA", ecdsa)] {
            let handshake = try proxy.attempt(.imap, .implicit, TLSOrder(.tls12, ciphers: ciphers))
            #expect(handshake.certificate == certificate.pem)
        }
        #expect(try proxy.attempt(.imap, .implicit, TLSOrder(.tls13)).failure == nil)
    }

    @Test func `a client that checks is content, and sees the name`() throws {
        let proxy = try TLSServer()
        let authority = try Certificates.shared().authority
        for route in TLSRoute.all {
            let good = try proxy.attempt(route.speech, route.way, TLSOrder(serverName: "mail.test", trusted: authority))
            #expect(good.failure == nil)
        }
        let wrong = try proxy.attempt(.imap, .implicit, TLSOrder(serverName: "other.test", trusted: authority))
        #expect(wrong.failure?.contains("Hostname mismatch") == true)
    }

    @Test func `a whole chain is sent`() throws {
        let chain = try certificate(.distantClient)
        let proxy = try TLSServer(certificates: chain.directives)
        let seen = try proxy.attempt(.imap, .implicit, TLSOrder(trusted: try Certificates.shared().authority))
        #expect(seen.failure == nil)
    }

    @Test func `ssl_password_file opens a key that is locked`() throws {
        let certificates = try Certificates.shared()
        let locked = "ssl_certificate \(certificates[.ecdsa].path); ssl_certificate_key \(certificates.lockedKey);"
        let proxy = try TLSServer("ssl_password_file \(certificates.passphrases);", certificates: locked)
        #expect(try proxy.attempt(.imap, .implicit, TLSOrder()).certificate == certificates[.ecdsa].pem)
    }

    @Test func `a certificate may be written into the file itself`() throws {
        let ecdsa = try certificate(.ecdsa)
        let proxy = try TLSServer(certificates: "ssl_certificate \"data:\(ecdsa.pem)\"; ssl_certificate_key \"data:\(ecdsa.keyPEM)\";")
        #expect(try proxy.attempt(.imap, .implicit, TLSOrder()).certificate == ecdsa.pem)
    }

    @Test func `each server block has its own`() throws {
        let names: [Speech: Certificates.Name] = [.imap: .ecdsa, .pop3: .rsa, .smtp: .other]
        let directives = try names.mapValues { try certificate($0).directives }
        let proxy = try TLSServer(certificates: "") { directives[$0] ?? "" }
        for route in TLSRoute.all {
            let name = try #require(names[route.speech])
            #expect(try proxy.attempt(route.speech, route.way, TLSOrder()).certificate == certificate(name).pem)
        }
    }

    @Test func `relative paths start from the folder of the configuration file`() throws {
        let ecdsa = try certificate(.ecdsa)
        let workspace = try Workspace.here()
        try FileManager.default.createDirectory(atPath: workspace.file("etc"), withIntermediateDirectories: true)
        try workspace.write(ecdsa.pem, to: "etc/mine.pem")
        try workspace.write(ecdsa.keyPEM, to: "etc/mine.key")
        try workspace.write("""
            \(ProgramUnderTest.preamble)
            events {}
            mail { auth_http 127.0.0.1:1; server { listen 127.0.0.1:\(try Ports.free()) ssl; protocol imap;
            ssl_certificate mine.pem; ssl_certificate_key mine.key; } }
            """, to: "etc/test.conf")
        let result = try run([ProgramUnderTest.path, "-t", "-p", workspace.path, "-c", "etc/test.conf", "-e", "start.log"])
        #expect(result.status == .code(0), "\(result.standardError)")
    }

    // MARK: Names

    /// Certificates in their order, a name that a client asks for, and whose it is shown.
    static let choices: [([Certificates.Name], String?, Certificates.Name)] = [
        ([.ecdsa, .other], "mail.test", .ecdsa), ([.ecdsa, .other], "other.test", .other), ([.ecdsa, .other], "OTHER.test", .other),
        ([.ecdsa, .other], "unknown.test", .ecdsa), ([.ecdsa, .other], nil, .ecdsa),
        ([.other, .ecdsa], "mail.test", .ecdsa), ([.other, .ecdsa], "unknown.test", .other), ([.other, .ecdsa], nil, .other),
    ]

    @Test(arguments: choices)
    func `among several certificates the name chooses that a client asks for`(
        _ names: [Certificates.Name], _ name: String?, _ expected: Certificates.Name
    ) throws {
        let proxy = try TLSServer(certificates: names.map { try certificate($0).directives }.joined())
        for route in TLSRoute.all {
            for version in [TLSOrder.Version.tls12, .tls13] {
                let handshake = try proxy.attempt(route.speech, route.way, TLSOrder(version, serverName: name))
                #expect(handshake.certificate == (try certificate(expected).pem))
            }
        }
    }

    @Test func `a name may have RSA and ECDSA beside another's`() throws {
        let proxy = try TLSServer(certificates: [.other, .rsa, .ecdsa].map { try certificate($0).directives }.joined())
        let authority = try Certificates.shared().authority
        for (ciphers, name) in [("aRSA", Certificates.Name.rsa), ("aECDSA", .ecdsa)] {
            let order = TLSOrder(.tls12, ciphers: ciphers, serverName: "mail.test", trusted: authority)
            #expect(try proxy.attempt(.imap, .implicit, order).certificate == certificate(name).pem)
        }
        let order = TLSOrder(serverName: "other.test", trusted: authority)
        #expect(try proxy.attempt(.imap, .implicit, order).certificate == certificate(.other).pem)
    }

    // MARK: Reload

    /// A server whose certificate is in the workspace, so that it can be replaced.
    private struct Replaceable {
        let proxy: TLSServer

        init() throws {
            let workspace = try Workspace.here()
            try Self.place(.ecdsa)
            proxy = try TLSServer(
                certificates: "ssl_certificate \(workspace.file("now.pem")); ssl_certificate_key \(workspace.file("now.key"));")
        }

        static func place(_ name: Certificates.Name, keyOf key: Certificates.Name? = nil) throws {
            let (workspace, certificates) = (try Workspace.here(), try Certificates.shared())
            try workspace.write(certificates[name].pem, to: "now.pem")
            try workspace.write(certificates[key ?? name].keyPEM, to: "now.key")
        }

        func served() throws -> String? { try proxy.attempt(.imap, .implicit, TLSOrder()).certificate }
    }

    @Test func `a certificate replaced on disk is served after a reload, and old sessions go on`() throws {
        let replaceable = try Replaceable()
        let proxy = replaceable.proxy
        let (ecdsa, replacement) = (try certificate(.ecdsa).pem, try certificate(.replacement).pem)
        let old = try proxy.loggedInClient(.imap, .implicit)
        try Replaceable.place(.replacement)
        #expect(try replaceable.served() == ecdsa)
        proxy.server.signal(SIGHUP)
        try eventually("the new certificate") { try replaceable.served() == replacement }
        try old.converse("C: x y\nS: x y")
    }

    /// What is wrong with the files, and what is said of it; DIR is their folder.
    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let spoil: @Sendable (Workspace) throws -> Void
        let message: String

        init(_ name: String, _ message: String, spoil: @escaping @Sendable (Workspace) throws -> Void) {
            testDescription = name
            self.spoil = spoil
            self.message = message
        }
    }

    static let faults: [Fault] = [
        Fault("garbage", "cannot load certificate \"DIR/now.pem\": PEM_read_bio_X509_AUX() failed (SSL: error:") {
            try $0.write("garbage\n", to: "now.pem")
        },
        Fault("no file", "cannot load certificate \"DIR/now.pem\": BIO_new_file() failed (SSL: error:") {
            try FileManager.default.removeItem(atPath: $0.file("now.pem"))
        },
        Fault("a key that is garbage", "cannot load certificate key \"DIR/now.key\": PEM_read_bio_PrivateKey() failed (SSL: error:") {
            try $0.write("garbage\n", to: "now.key")
        },
        Fault("another's key", "SSL_CTX_use_PrivateKey(\"DIR/now.key\") failed (SSL: error:") { _ in
            try Replaceable.place(.ecdsa, keyOf: .other)
        },
    ]

    @Test(arguments: faults) func `a reload with a bad certificate keeps the old configuration`(_ fault: Fault) throws {
        let replaceable = try Replaceable()
        let server = replaceable.proxy.server
        let workspace = try Workspace.here()
        let workers = try server.awaitWorkers(1)
        try fault.spoil(workspace)
        server.signal(SIGHUP)
        let line = try server.awaitLog(fault.message.replacingOccurrences(of: "DIR", with: workspace.path))
        #expect(line.contains("[emerg]"))
        #expect(server.workers == workers)
        #expect(try replaceable.served() == certificate(.ecdsa).pem)
        // What was spoilt is mended, and the next reload goes well.
        try Replaceable.place(.replacement)
        server.signal(SIGHUP)
        try eventually("the new certificate") { try replaceable.served() == certificate(.replacement).pem }
    }

    @Test func `a key is read by the master alone`() throws {
        let workspace = try Workspace.here()
        try Replaceable.place(.ecdsa)
        #expect(chmod(workspace.file("now.key"), 0o600) == 0)
        let proxy = try TLSServer(
            certificates: "ssl_certificate \(workspace.file("now.pem")); ssl_certificate_key \(workspace.file("now.key"));",
            main: ProgramUnderTest.preamble.contains("user ") ? "" : "user nobody nogroup;")
        #expect(try proxy.attempt(.imap, .implicit, TLSOrder()).failure == nil)
    }
}
