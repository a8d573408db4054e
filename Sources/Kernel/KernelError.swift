import Glibc

/// A system call that failed, and why.
public struct KernelError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The call as log lines name it, such as `bind()`.
    public let call: String
    public let number: CInt

    public init(_ call: String, _ number: CInt) {
        self.call = call
        self.number = number
    }

    /// What `errno` says of a call that has just failed.
    public init(_ call: String) { self.init(call, errno) }

    /// The errno as log lines end in it: `98: Address already in use`.
    public var reason: String { "\(number): \(String(cString: strerror(number)))" }

    /// `bind() failed (98: Address already in use)`.
    public var description: String { "\(call) failed (\(reason))" }

    public static let addressInUse = EADDRINUSE
    public static let noSuchProcess = ESRCH
    public static let wouldBlock = EAGAIN
    public static let timedOut = ETIMEDOUT
    public static let outOfSpace = ENOSPC
    public static let protocolFault = EPROTO

    /// Whether this process, or the system, has no descriptor left (`processes.md`, section 8.1).
    public var isOutOfDescriptors: Bool { number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM }
    /// A client that left between its connect and our accept.
    public var isAbortedConnection: Bool { number == ECONNABORTED }
    /// Faults of the network or of the other side, as against faults of ours: nginx logs them at
    /// `error`, all others at `crit`.
    public var isOrdinaryConnectionFault: Bool {
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
