import Foundation
import Glibc

/// This machine as a test may change it: what is written below `/etc`, `/usr` and `/var` is seen in there
/// only, and `/run`, the processes and the network with all its ports are its own. It goes with the test.
/// Only root can have one.
public final class PrivateMachine: Sendable {
    private let workspace: Workspace
    private let child: ChildProcess
    private let firstProcess: pid_t
    /// Where all that has been written is found, as seen from inside.
    public let changes: String

    public init() throws {
        workspace = try Workspace.here()
        changes = workspace.file("changes")
        try FileManager.default.createDirectory(atPath: changes, withIntermediateDirectories: true)
        let namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        child = try ChildProcess(["unshare"] + namespaces + ["bash", "-euc", Self.setUp, "bash", changes], in: workspace)
        let child = child
        try eventually("a private machine") {
            guard child.exitStatus == nil else { throw TestFailure("no private machine: \(child.errors)") }
            return child.output.contains("ready")
        }
        guard let first = ProcessView(child.pid).children.first else { throw TestFailure("a private machine without processes") }
        firstProcess = first.pid
    }

    /// The first process stays, and buries whom others have left behind.
    private static let setUp = """
        mount -t tmpfs changes "$1"
        for folder in etc usr var; do
            mkdir -p "$1/$folder" "$1/.work/$folder"
            mount -t overlay -o "lowerdir=/$folder,upperdir=$1/$folder,workdir=$1/.work/$folder" overlay "/$folder"
        done
        mount -t tmpfs run /run
        python3 -c 'import fcntl, socket, struct
        fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))'
        echo ready
        sleep infinity & wait
        """

    private func inside(_ command: [String]) -> [String] {
        ["nsenter", "--target", "\(firstProcess)", "--mount", "--net", "--pid"] + command
    }

    /// Runs a command to its end.
    public func run(_ command: String..., file: String = #fileID, line: Int = #line) throws -> CommandResult {
        try TestSupport.run(inside(command), in: workspace, file: file, line: line)
    }

    /// Runs a command, which must succeed, and returns what it prints.
    @discardableResult
    public func succeed(_ command: String..., file: String = #fileID, line: Int = #line) throws -> String {
        try TestSupport.succeed(inside(command), in: workspace, file: file, line: line).trimmingCharacters(in: .newlines)
    }

    /// Starts a command that goes on.
    public func start(_ command: [String]) throws -> ChildProcess {
        try ChildProcess(inside(command), in: workspace)
    }
}

extension ChildProcess {
    fileprivate var output: String { Self.text(of: standardOutput) }
    /// What it has written to its standard error so far.
    public var errors: String { Self.text(of: standardError) }

    private static func text(of path: String) -> String {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
