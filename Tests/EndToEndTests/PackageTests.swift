import Foundation
import Glibc
import TestSupport
import Testing

/// `scripts/package` and what it packs, on a machine that is the test's own.
@Suite(.ownWorkspace) struct PackageTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    private static let log = "/var/log/martlet/error.log"

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appendingPathComponent(path), encoding: .utf8)
    }

    /// The values of a key of a unit.
    private func values(_ key: String, of unit: String) throws -> [String] {
        try text("etc/systemd/\(unit)").split(separator: "\n").filter { $0.hasPrefix(key + "=") }
            .map { String($0.dropFirst(key.count + 1)) }
    }

    /// The path of a package that holds the program under test.
    private func package() throws -> String {
        let script = Self.root.appendingPathComponent("scripts/package").path
        let result = try run([script, "--binary", ProgramUnderTest.path, "--output", Workspace.here().path])
        guard result.succeeded else { throw TestFailure("package: \(result.standardError)") }
        return result.standardOutput.trimmingCharacters(in: .newlines)
    }

    @Test func `a package is installed, serves as its unit has it, and leaves nothing when it is purged`() throws {
        let machine = try PrivateMachine()
        try machine.succeed("dpkg", "--install", package())
        let test = try machine.run("martlet", "-t")
        #expect(test.standardError.hasSuffix("martlet: configuration file /etc/martlet/martlet.conf test is successful\n"))
        #expect(try machine.succeed("stat", "--format", "%U:%G %a", Self.log) == "martlet:adm 640")

        let server = try start(on: machine)
        try serveOneClient(on: machine)
        try machine.succeed("rm", Self.log)
        try machine.succeed("martlet", "-s", "reopen")
        try eventually("a log that is the workers'") {
            try machine.run("stat", "--format", "%U", Self.log).standardOutput == "martlet\n"
        }
        try machine.succeed("martlet", "-s", "quit")
        #expect(try server.awaitExit() == .code(0))

        try machine.succeed("dpkg", "--remove", "martlet")
        #expect(try traces(on: machine).contains("/etc/martlet/martlet.conf"))
        #expect(try machine.run("test", "-e", "/usr/sbin/martlet").status == .code(1))
        // What a site has put there itself would stay.
        try machine.succeed("rm", "/etc/martlet/mail.d/one.conf")
        try machine.succeed("dpkg", "--purge", "martlet")
        let traces = try traces(on: machine)
        #expect(traces == "")
    }

    /// Starts the server with the command and the powers that its unit gives it.
    private func start(on machine: PrivateMachine) throws -> ChildProcess {
        let powers = try values("CapabilityBoundingSet", of: "martlet.service").flatMap { $0.split(separator: " ") }
            .map { "+" + $0.dropFirst("CAP_".count).lowercased() }
        #expect(powers.count > 1)
        let command = try values("ExecStart", of: "martlet.service")[0]
        let server = try machine.start(
            ["setpriv", "--no-new-privs", "--bounding-set", (["-all"] + powers).joined(separator: ","), "sh", "-c", "exec \(command)"])
        try eventually("a pid file, \(server.errors)") { try machine.run("test", "-s", "/run/martlet.pid").succeeded }
        return server
    }

    /// A client asks the server of the installed configuration, which asks the auth server that came with
    /// it, which sends it to a server in a file of its own, whose upstream is a stub.
    private func serveOneClient(on machine: PrivateMachine) throws {
        let workspace = try Workspace.here()
        let upstream = try StubServer(at: .path(workspace.file("upstream"))) { session in
            try session.send("* OK upstream ready\r\n")
            while let command = try session.text() { try session.send("\(command.prefix { $0 != " " }) OK done\r\n") }
        }
        // For workers, who are another user, to connect to.
        #expect(chmod(workspace.file("upstream"), 0o666) == 0)
        let configuration = try workspace.write(
            "server { listen 127.0.0.1:1143; protocol imap; proxy_pass unix:\(workspace.file("upstream")); }", to: "one.conf")
        try machine.succeed("cp", configuration, "/etc/martlet/mail.d/")
        try machine.succeed("martlet", "-s", "reload")
        try eventually("old workers that leave") { try machine.run("grep", "gracefully shutting down", Self.log).succeeded }

        let users = try workspace.write("demo@example.org martlet\n", to: "users")
        let authServer = try machine.start(
            ["/usr/share/doc/martlet/examples/auth-server.py", "--users", users, "--imap", "127.0.0.1:1143"])
        try eventually("an auth server, \(authServer.errors)") {
            try machine.run("curl", "--silent", "http://127.0.0.1:9143/").succeeded
        }
        try machine.succeed(
            "curl", "--silent", "--show-error", "--user", "demo@example.org:martlet", "imap://127.0.0.1:143/", "--request", "NOOP")
        #expect(try upstream.session().receivedText.contains("LOGIN \"demo@example.org\" \"martlet\"\r\n"))
    }

    /// Whatever still has the name: files, the user and its group, and what dpkg knows.
    private func traces(on machine: PrivateMachine) throws -> String {
        try machine.succeed("sh", "-c", """
            find \(machine.changes) /run -name '*martlet*' ! -type c
            getent passwd martlet || true
            getent group martlet || true
            dpkg-query --show martlet 2>/dev/null || true
            """)
    }

    /// Martlet takes a socket of systemd for the `listen` of its address, so the lists must agree.
    @Test func `the socket unit has the addresses of the configuration`() throws {
        let listens = try text("etc/martlet.conf").split(separator: "\n").compactMap {
            $0.wholeMatch(of: #/ *listen (\d+);/#).map { "0.0.0.0:\($0.1)" }
        }
        #expect(listens.count == 3)
        #expect(try values("ListenStream", of: "martlet.socket") == listens)
    }
}
