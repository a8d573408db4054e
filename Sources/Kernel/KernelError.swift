import Glibc

/// A system call that failed, and why.
package struct KernelError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The call as log lines name it, such as `bind()`.
    package let call: String
    package let number: CInt

    package init(_ call: String, _ number: CInt = errno) {
        self.call = call
        self.number = number
    }

    /// The errno as log lines end in it: `98: Address already in use`.
    package var reason: String { "\(number): \(String(cString: strerror(number)))" }

    /// `bind() failed (98: Address already in use)`.
    package var description: String { "\(call) failed (\(reason))" }

    package static let addressInUse = EADDRINUSE
    package static let noSuchProcess = ESRCH
    package static let wouldBlock = EAGAIN
    package static let timedOut = ETIMEDOUT
    package static let outOfSpace = ENOSPC
    package static let protocolFault = EPROTO

    /// Whether this process, or the system, has no descriptor left (`processes.md`, section 8.1).
    package var isOutOfDescriptors: Bool { number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM }
    /// A client that left between its connect and our accept.
    package var isAbortedConnection: Bool { number == ECONNABORTED }
    /// Faults of the network or of the other side, as against faults of ours: nginx logs them at
    /// `error`, all others at `crit`.
    package var isOrdinaryConnectionFault: Bool {
        switch number {
        case ECONNREFUSED, ECONNRESET, ECONNABORTED, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ETIMEDOUT, EPIPE, ENOTCONN: true
        default: false
        }
    }
}

/// Runs a call that fails with -1, and runs it again while a signal interrupts it.
@inline(__always)
func retrying(_ name: @autoclosure () -> String, _ call: () -> CInt) throws(KernelError) -> CInt {
    while true {
        let result = call()
        if result != -1 { return result }
        if errno != EINTR { throw KernelError(name()) }
    }
}
