import CKernel
import Glibc

/// Children: making them, and hearing how they ended.
public enum ChildProcess {
    /// How a process ended.
    public enum End: Sendable, Equatable {
        case exited(Int32)
        case signalled(Int32, dumpedCore: Bool)
    }

    /// Forks. The process has one thread, or the child would be missing the others.
    /// - Returns: the child's id in the parent, nil in the child.
    public static func fork() throws(KernelError) -> Int32? {
        fflush(nil)
        let id = Glibc.fork()
        if id < 0 { throw KernelError("fork()") }
        return id == 0 ? nil : id
    }

    /// Takes the next child that has ended, or nil where none has.
    public static func reap() -> (id: Int32, end: End)? {
        var status: CInt = 0
        while true {
            let id = waitpid(-1, &status, WNOHANG)
            if id > 0 { return (id, end(from: status)) }
            if id == 0 || errno != EINTR { return nil }
        }
    }

    /// Reads the status word of `wait(2)`.
    static func end(from status: CInt) -> End {
        kernel_wait_exited(status) != 0
            ? .exited(kernel_wait_exit_code(status))
            : .signalled(kernel_wait_signal(status), dumpedCore: kernel_wait_dumped_core(status) != 0)
    }
}
