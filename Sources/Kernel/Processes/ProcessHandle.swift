import CKernel
import Glibc

/// A hold on one process: what is sent to it reaches that one or nobody, even if another gets its number
/// in the meantime.
package struct ProcessHandle: ~Copyable {
    private let id: Int32
    /// Nil where the kernel, or what confines this process, has no such thing; then the number must do.
    private let descriptor: CInt?

    package init(_ id: Int32) throws(KernelError) {
        self.id = id
        let number = kernel_pidfd_open(id)
        if number < 0 && errno == ESRCH { throw KernelError("kill(\(id), 0)") }
        descriptor = number < 0 ? nil : number
    }

    deinit { if let descriptor { _ = close(descriptor) } }

    package borrowing func send(_ signal: Signal) throws(KernelError) {
        guard let descriptor else { return try signal.send(to: id) }
        if kernel_pidfd_send_signal(descriptor, signal.number) != 0 { throw KernelError("kill(\(id), \(signal.number))") }
    }
}
