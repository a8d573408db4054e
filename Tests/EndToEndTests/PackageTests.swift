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

    // MARK: Upgrades

    /// A service manager, as far as the package's scripts speak to it. Its service is the server whose number
    /// the pid file had.
    private func installServiceManager(on machine: PrivateMachine) throws {
        let stub = try Workspace.here().write("""
            #!/bin/sh
            echo "$*" >> /run/systemctl.log
            case "$*" in
            "show --property MainPID --value martlet.service") cat /run/main.pid ;;
            esac

            """, to: "systemctl")
        try machine.succeed("sh", "-ec", """
            mkdir -p /run/systemd/system
            install -m 755 \(stub) "$(command -v systemctl || echo /usr/bin/systemctl)"
            cp /run/martlet.pid /run/main.pid
            """)
    }

    /// A server of the installed package, to which an upgrade comes, with an upstream behind port 1143.
    private func installedServer(on machine: PrivateMachine, _ package: String) throws -> (server: ChildProcess, upstream: StubServer) {
        try machine.succeed("dpkg", "--install", package)
        let workspace = try Workspace.here()
        let upstream = try StubServer(at: .path(workspace.file("upstream"))) { session in
            try session.send("* OK upstream ready\r\n")
            while let command = try session.text() { try session.send("\(command.prefix { $0 != " " }) OK done\r\n") }
        }
        try #require(chmod(workspace.file("upstream"), 0o666) == 0)
        let configuration = try workspace.write(
            "server { listen 127.0.0.1:1143; protocol imap; proxy_pass unix:\(workspace.file("upstream")); }", to: "one.conf")
        try machine.succeed("cp", configuration, "/etc/martlet/mail.d/")
        let server = try start(on: machine)
        try installServiceManager(on: machine)
        return (server, upstream)
    }

    /// Logs in, and says what it is answered, once now and once when the file `/run/go` is there.
    private static let session = """
        exec 3<>/dev/tcp/127.0.0.1/1143
        read -r greeting <&3
        printf 'a LOGIN demo secret\\r\\n' >&3
        read -r answer <&3
        echo "$answer" >> /run/session
        until [ -e /run/go ]; do sleep 0.05; done
        printf 'b NOOP\\r\\n' >&3
        read -r answer <&3
        echo "$answer" >> /run/session
        """

    /// Connects until the file `/run/stop` is there, and notes each greeting that does not come.
    private static let clients = """
        import os, socket
        while not os.path.exists("/run/stop"):
            try:
                with socket.create_connection(("127.0.0.1", 1143), 10) as client:
                    if not client.recv(100).startswith(b"* OK"): raise OSError("no greeting")
                open("/run/greeted", "a").write(".")
            except OSError as error:
                open("/run/refused", "a").write("%s\\n" % error)
        """

    @Test func `an upgrade of the package hands a running service over, and nobody is cut off or turned away`() throws {
        let machine = try PrivateMachine()
        let package = try package()
        let (server, upstream) = try installedServer(on: machine, package)
        let old = try machine.succeed("cat", "/run/martlet.pid")
        let session = try machine.start(["bash", "-ec", Self.session])
        try eventually("a session") { try machine.run("cat", "/run/session").standardOutput.contains("a OK") }
        let clients = try machine.start(["python3", "-c", Self.clients])
        try eventually("clients") { try machine.run("test", "-s", "/run/greeted").succeeded }
        let upgrade = try machine.run("dpkg", "--install", package)
        #expect(upgrade.succeeded && !upgrade.standardError.contains("martlet:"), "\(upgrade)")
        let new = try machine.succeed("cat", "/run/martlet.pid")
        #expect(new != old)
        #expect(try machine.succeed("cat", "/run/martlet.pid.oldbin") == old)
        // A client that comes now is the new binary's.
        try machine.succeed("touch", "/run/stop")
        #expect(try clients.awaitExit() == .code(0))
        #expect(try machine.run("cat", "/run/refused").standardOutput == "")
        try machine.succeed("touch", "/run/go")
        #expect(try session.awaitExit() == .code(0))
        #expect(try machine.succeed("cat", "/run/session").contains("b OK done"))
        #expect(try server.awaitExit() == .code(0))
        #expect(try machine.run("test", "-e", "/run/martlet.pid.oldbin").status == .code(1))
        try machine.succeed("martlet", "-s", "stop")
        try eventually("the end of the new") { try machine.run("test", "-e", "/run/martlet.pid").status == .code(1) }
        withExtendedLifetime(upstream) {}
    }

    @Test func `an upgrade whose program cannot serve leaves the service to the old one`() throws {
        let machine = try PrivateMachine()
        let package = try package()
        let (server, upstream) = try installedServer(on: machine, package)
        let old = try machine.succeed("cat", "/run/martlet.pid")
        try machine.succeed("sed", "-i", "1i working_directory /nonexistent;", "/etc/martlet/martlet.conf")
        let upgrade = try machine.run("dpkg", "--install", "--force-confold", package)
        #expect(upgrade.succeeded)
        #expect(upgrade.standardError.contains("martlet: the new program has not taken over, the old one goes on"), "\(upgrade)")
        #expect(try machine.succeed("cat", "/run/martlet.pid") == old)
        #expect(server.exitStatus == nil)
        #expect(try !machine.succeed("cat", "/run/systemctl.log").contains("restart"))
        try machine.succeed("touch", "/run/go")
        try machine.succeed("bash", "-ec", Self.session)
        #expect(try machine.succeed("cat", "/run/session").contains("b OK done"))
        try machine.succeed("kill", "-TERM", old)
        #expect(try server.awaitExit() == .code(0))
        withExtendedLifetime(upstream) {}
    }

    // MARK: Its server

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
