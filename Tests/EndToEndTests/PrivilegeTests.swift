import Foundation
import Glibc
import TestSupport
import Testing

/// What a worker may and holds (`processes.md`, section 5.2; `security.md`, rule 10).
@Suite(.ownWorkspace) struct PrivilegeTests {
    private static let noCapability = "0000000000000000"

    private func server(_ main: String, program: [String] = [ProgramUnderTest.path], descriptors: [CInt] = []) throws -> ServerUnderTest {
        let port = try Ports.free()
        let text = ServerUnderTest.configuration(
            main: main, mail: "auth_http 127.0.0.1:1; server { listen 127.0.0.1:\(port); protocol imap; }")
        return try ServerUnderTest(configuration: text, program: program, descriptors: descriptors)
    }

    private func worker(_ main: String) throws -> ProcessView { try server(main).awaitWorkers(1)[0] }

    /// A user who is in more groups than one, where the machine has such.
    private var sociableUser: (name: String, group: String) {
        get throws {
            let groups = try String(contentsOfFile: "/etc/group", encoding: .utf8).split(separator: "\n")
            let member = groups.lazy.compactMap { $0.split(separator: ":").dropFirst(3).first?.split(separator: ",").first }.first
            let name = member.map(String.init) ?? "nobody"
            return (name, try run(["id", "-gn", name]).standardOutput.trimmingCharacters(in: .whitespacesAndNewlines))
        }
    }

    @Test func `a worker has the groups of its user, and none of root's`() throws {
        let user = try sociableUser
        let worker = try worker("user \(user.name) \(user.group);")
        let groups = try run(["id", "-G", user.name]).standardOutput.split { " \n".contains($0) }
        #expect(Set(worker.status("Groups")?.split(separator: " ") ?? []) == Set(groups))
        let ids = try ["-u", "-g"].map { try run(["id", $0, user.name]).standardOutput.trimmingCharacters(in: .whitespacesAndNewlines) }
        #expect(worker.status("Uid") == [String](repeating: ids[0], count: 4).joined(separator: "\t"))
        #expect(worker.status("Gid") == [String](repeating: ids[1], count: 4).joined(separator: "\t"))
    }

    @Test(arguments: ["user nobody nogroup;", "user root root;"])
    func `a worker has no capability, can get none, and gains nothing by an exec`(_ main: String) throws {
        let worker = try worker(main)
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] { #expect(worker.status(set) == Self.noCapability, "\(set)") }
        #expect(worker.status("NoNewPrivs") == "1")
    }

    @Test func `a master that is not root keeps what it was given, and hands none of it to workers`() throws {
        let folder = try Workspace.here().path
        try #require(chmod(folder, 0o777) == 0)
        let program = [
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+net_bind_service",
            "--ambient-caps=+net_bind_service", "sh", "-c", "umask 0; exec \"$0\" \"$@\"", ProgramUnderTest.path,
        ]
        let port = try Ports.free()
        let text = ServerUnderTest.configuration(
            main: "error_log \(folder)/error.log info; pid \(folder)/a.pid;",
            mail: "auth_http 127.0.0.1:1; server { listen 127.0.0.1:\(port); protocol imap; }"
        ).replacingOccurrences(of: "pid server.pid;", with: "").replacingOccurrences(of: "error_log error.log debug;", with: "")
        let server = try ServerUnderTest(configuration: text, program: program, arguments: ["-e", "stderr"])
        let worker = try server.awaitWorkers(1)[0]
        #expect(server.master.status("CapEff") == "0000000000000400")
        #expect(server.master.status("NoNewPrivs") == "0")
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] { #expect(worker.status(set) == Self.noCapability, "\(set)") }
    }

    @Test func `a worker serves TLS with a key, by a configuration, that it could not read`() throws {
        let workspace = try Workspace.here()
        let certificate = try Certificates.shared()[.ecdsa]
        let key = try workspace.write(certificate.keyPEM, to: "key.pem")
        try #require(chmod(key, 0o600) == 0)
        let proxy = try TLSServer(
            certificates: "ssl_certificate \(certificate.path); ssl_certificate_key \(key);", main: "user nobody nogroup;")
        let configuration = proxy.server.folder + "/server.conf"
        try #require(chmod(configuration, 0o600) == 0)
        _ = try proxy.loggedInClient(.imap, .implicit)
        let worker = try proxy.server.awaitWorkers(1)[0]
        #expect(!worker.openFiles.contains(key) && !worker.openFiles.contains(configuration))
        // Whoever is what the worker is.
        let ids = try ["Uid", "Gid"].map { try #require(worker.status($0)?.split(separator: "\t").first) }
        let groups = try #require(worker.status("Groups")).split(separator: " ").joined(separator: ",")
        let identity = ["setpriv", "--reuid=\(ids[0])", "--regid=\(ids[1])", groups.isEmpty ? "--clear-groups" : "--groups=\(groups)"]
        for path in [key, configuration] {
            #expect(try run(identity + ["--inh-caps=-all", "--bounding-set=-all", "cat", path]).standardError.contains("Permission denied"))
        }
        // What it has at hand of its master's does not help either.
        #expect(worker.procOwner == 0)
    }

    @Test(arguments: [("", false), ("worker_rlimit_core 0;", false), ("worker_rlimit_core 1m; working_directory /tmp;", true)])
    func `only a worker that may leave a core file can be looked into by its user`(_ main: String, _ isDumpable: Bool) throws {
        let worker = try worker("user nobody nogroup; \(main)")
        #expect(worker.procOwner == (isDumpable ? 65534 : 0))
        #expect(worker.workingDirectory == (isDumpable ? "/tmp" : ProcessView(getpid()).workingDirectory))
    }

    @Test func `a worker holds open what it serves by, and nothing of what its master was started with`() throws {
        let path = try Workspace.here().write("secret", to: "key")
        try #require(chmod(path, 0o600) == 0)
        let key = open(path, O_RDONLY | O_CLOEXEC)
        defer { _ = close(key) }
        let server = try server("user nobody nogroup;", descriptors: [key])
        let worker = try server.awaitWorkers(1)[0]
        #expect(server.master.openFiles.contains(path))
        let folder = server.folder
        // Standard input, output and error; the log of all; the loop and its signals; a listener, and the master's channel.
        let output = try Workspace.here().path + "/stdout."
        // And for a moment yet the connection of whoever has looked whether it serves.
        try eventually("nothing else to be open") {
            let kinds = worker.openFiles.map { file in ["socket:", "anon_inode:"].first { file.hasPrefix($0) } ?? file }
            return kinds.filter { !$0.hasPrefix(output) } == [
                "/dev/null", folder + "/error.log", folder + "/error.log", "anon_inode:", "anon_inode:", "socket:", "socket:",
            ]
        }
        #expect(worker.openFiles.contains("anon_inode:[signalfd]") && worker.openFiles.contains("anon_inode:[eventpoll]"))
    }
}
