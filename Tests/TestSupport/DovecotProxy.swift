import Foundation
import Glibc

/// A real Dovecot that proxies everybody, whatever the password, to a server of 127.0.0.1.
public final class DovecotProxy: Sendable {
    public let port: UInt16

    /// - Parameter name: `imap`, `pop3` or `submission`.
    public init(_ name: String, before target: UInt16, file: String = #fileID, line: Int = #line) throws {
        let workspace = try Workspace.here()
        let port = try Ports.free()
        self.port = port
        let folder = workspace.file("dovecot.\(port)")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let isRoot = getuid() == 0
        let (user, chroot) = (NSUserName(), isRoot ? "" : "chroot =")
        let configuration = """
            instance_name = martlet-\(folder)
            base_dir = \(folder)/run
            state_dir = \(folder)/state
            log_path = \(folder)/log
            protocols = \(name)
            listen = 127.0.0.1, ::1
            ssl = no
            disable_plaintext_auth = no
            default_internal_user = \(isRoot ? "dovecot" : user)
            default_login_user = \(isRoot ? "dovenull" : user)
            auth_mechanisms = plain login
            passdb {
              driver = static
              args = nopassword=y proxy=y host=127.0.0.1 port=\(target)
            }
            service anvil {
              \(chroot)
            }
            service \(name)-login {
              \(chroot)
              inet_listener \(name) {
                port = \(port)
              }
              inet_listener \(name)s {
                port = 0
              }
            }

            """
        let path = try workspace.write(configuration, to: "dovecot.\(port)/dovecot.conf")
        let child = try ChildProcess(["dovecot", "-F", "-c", path], in: workspace)
        workspace.onFailure { "Dovecot's log:\n" + (workspace.contents("dovecot.\(port)/log") ?? "") }
        try eventually("Dovecot at port \(port)", file: file, line: line) {
            if let status = child.exitStatus { throw TestFailure("Dovecot ended with \(status): \(workspace.contents("dovecot.\(port)/log") ?? "")") }
            return (try? Socket.connect(to: .port(port))) != nil
        }
    }
}
