import Foundation
import Glibc
import TestSupport
import Testing

/// Directives that no other suite has seen to change what a client or the system gets.
@Suite(.ownWorkspace) struct SettingsTests {
    private func capabilities(_ address: Address) throws -> String? {
        let client = try LineClient(address)
        try client.converse("S: * OK IMAP4 ready\nC: a CAPABILITY")
        return try client.line()?.split(separator: " ").dropFirst(2).first.map(String.init)
    }

    @Test func `an inner block wins over an outer one, wherever it stands`() throws {
        let (inherits, overrides) = (try Ports.free(), try Ports.free())
        let server = try ServerUnderTest(mail: """
            server { listen 127.0.0.1:\(inherits); protocol imap; }
            server { listen 127.0.0.1:\(overrides); protocol imap; imap_capabilities INNER; }
            imap_capabilities OUTER; auth_http 127.0.0.1:1;
            """)
        #expect(try capabilities(.port(inherits)) == "OUTER")
        #expect(try capabilities(.port(overrides)) == "INNER")
        withExtendedLifetime(server) {}
    }

    @Test func `an address of its own goes before the wildcard`() throws {
        let port = try Ports.free()
        let server = try ServerUnderTest(mail: """
            auth_http 127.0.0.1:1;
            server { listen *:\(port); protocol imap; imap_capabilities ANY; }
            server { listen 127.0.0.2:\(port); protocol imap; imap_capabilities TWO; }
            """)
        #expect(try capabilities(.port(port)) == "ANY")
        #expect(try capabilities(.loopback(2, port)) == "TWO")
        withExtendedLifetime(server) {}
    }

    @Test func `a UNIX socket is a listener too, and goes with its server`() throws {
        let path = try Workspace.here().file("imap.sock")
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer(accepting: upstream)
        let server = try ServerUnderTest(
            mail: "auth_http \(auth.url); server { listen unix:\(path); protocol imap; }")
        try LineClient(.path(path)).converse(Speech.imap.login() + Speech.imap.welcome)
        #expect(try auth.question()["Client-IP"] == "unix:")
        server.signal(SIGQUIT)
        try server.awaitExit()
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func `all three protocols are served by one process, in what ports imply`() throws {
        let ports = try Speech.allCases.map { _ in try Ports.free() }
        let server = try ServerUnderTest(mail: "auth_http 127.0.0.1:1;" + zip(Speech.allCases, ports).map {
            "server { listen 127.0.0.1:\($1); protocol \($0.rawValue); }"
        }.joined())
        for (speech, port) in zip(Speech.allCases, ports) { try LineClient(port).expect(speech.greeting) }
        withExtendedLifetime(server) {}
    }

    @Test func `the name of a server is in its greeting and its challenges`() throws {
        let auth = try StubAuthServer { _ in .close }
        try MailServer(.smtp, asking: auth, "server_name other.test;").client()
            .converse("S: 220 other.test ESMTP ready\nC: EHLO x\nS: 250-other.test")
        try MailServer(.pop3, asking: auth, "server_name other.test; pop3_auth apop;").client()
            .converse("S: +OK POP3 ready <…@other.test>")
    }

    @Test func `an error_log of a server takes its sessions' records out of the main one`() throws {
        let upstream = try StubServer.imap()
        let proxy = try MailServer(.imap, accepting: upstream, "error_log mail.log info;")
        _ = try proxy.loggedInClient(.imap)
        try proxy.server.awaitLog("client logged in", in: "mail.log")
        #expect(!proxy.server.log.contains("client logged in"))
    }

    @Test func `a level keeps out what is finer`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer { $0.number == 1 ? .accept(upstream.address) : .headers(["Auth-Status: OK"]) }
        let proxy = try MailServer(.imap, asking: auth, "error_log mail.log error;")
        _ = try proxy.loggedInClient(.imap)
        try proxy.client().converse(Speech.imap.login() + "S: \(Speech.imap.internalError)")
        try proxy.server.awaitLog("did not send server or port", in: "mail.log")
        #expect(!proxy.server.contents("mail.log").contains("[info]"))
    }

    @Test func `workers are what the file makes of them`() throws {
        let folder = try Workspace.here().path
        let server = try MailServer(
            .imap, accepting: try StubServer.imap(),
            main: "worker_priority 5; worker_rlimit_nofile 300; worker_rlimit_core 1m; working_directory \(folder);"
        ).server
        let worker = try server.awaitWorkers(1)[0]
        #expect(worker.priority == 5)
        #expect(worker.limit("Max open files") == "300 300")
        #expect(worker.limit("Max core file size") == "1048576 1048576")
        #expect(worker.workingDirectory == folder)
    }

    @Test func `a range of ports is a listener for each`() throws {
        let first = try Ports.free(inARow: 3)
        let last = first + 2
        let server = try ServerUnderTest(
            mail: "auth_http 127.0.0.1:1; server { listen 127.0.0.1:\(first)-\(last); protocol imap; imap_capabilities X; }",
            until: .nothing)
        for port in first...last { try eventually("port \(port)") { (try? capabilities(.port(port))) == "X" } }
        withExtendedLifetime(server) {}
    }
}
