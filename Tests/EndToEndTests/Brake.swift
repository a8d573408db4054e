import Glibc
import TestSupport

/// Keeps workers from coming to accept. With its settings each has something to say on the standard error before it
/// does, that of a processor which is not there, and waits until there is room for it in a pipe.
final class Brake: @unchecked Sendable {
    private let path: String
    private let pipe: CInt

    init() throws {
        path = try Workspace.here().file("standard-error")
        guard mkfifo(path, 0o600) == 0 else { throw TestFailure("no pipe \(path)") }
        pipe = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
    }

    deinit { _ = close(pipe) }

    /// What belongs into the main block.
    let settings = "error_log stderr alert; worker_cpu_affinity 1\(String(repeating: "0", count: 1000));"

    /// What the server is to be started by.
    var program: [String] { ["sh", "-c", "exec \"$0\" \"$@\" 2>'\(path)'", ProgramUnderTest.path] }

    /// The next worker to be started stays as it is before it accepts.
    func pull() {
        let page = [UInt8](repeating: 0x20, count: 4096)
        while write(pipe, page, page.count) > 0 {}
    }

    /// The worker that the brake keeps, as soon as it is there. It is stopped until it gets SIGCONT, and nobody else is kept.
    /// - Parameter earlier: the number of workers that have been started before it.
    func hold(of server: ServerUnderTest, after earlier: Int) throws -> ProcessView {
        let line = try server.awaitLog("sched_setaffinity() failed", count: earlier + 1)
        let words = line.split { " #".contains($0) }
        guard words.count > 3, let pid = pid_t(words[3]) else { throw TestFailure("no number in \(line)") }
        let worker = ProcessView(pid)
        worker.signal(SIGSTOP)
        try eventually("a worker that stands still") { worker.status("State")?.hasPrefix("T") == true }
        release()
        return worker
    }

    private func release() {
        var page = [UInt8](repeating: 0, count: 4096)
        while read(pipe, &page, page.count) > 0 {}
    }
}
