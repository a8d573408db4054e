import CKernel
import Glibc

/// A descriptor that this process closes, once, when its owner lets go of it.
public struct FileDescriptor: ~Copyable, Sendable {
    public let number: CInt

    public init(owning number: CInt) { self.number = number }

    // On Linux the number is free whatever close() returns, EINTR included.
    deinit { _ = Glibc.close(number) }

    /// Gives the descriptor away, to whoever closes it from now on.
    public consuming func release() -> CInt {
        let number = self.number
        discard self
        return number
    }

    /// Makes this descriptor also known as `number`, closing what that was: `dup2`.
    public borrowing func duplicate(onto number: CInt) throws(KernelError) {
        _ = try retrying("dup2()") { dup2(self.number, number) }
    }

    /// The standard error, borrowed: whoever holds the result must release it.
    public static let standardOutput: CInt = 1
    public static let standardError: CInt = 2
}

/// Writes to a descriptor that somebody else owns.
/// - Returns: how many bytes were taken.
public func write(_ bytes: Span<UInt8>, to descriptor: CInt) throws(KernelError) -> Int {
    let result = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    if result < 0 { throw KernelError("write()") }
    return result
}

/// Writes everything, however often it takes, to a descriptor that blocks. For the terminal, where
/// there is nobody left to tell of a failure.
public func writeAll(_ text: String, to descriptor: CInt) {
    writeAll(Array(text.utf8), to: descriptor)
}

public func writeAll(_ bytes: [UInt8], to descriptor: CInt) {
    bytes.withUnsafeBytes { buffer in
        var sent = 0
        while sent < buffer.count {
            let result = Glibc.write(descriptor, buffer.baseAddress! + sent, buffer.count - sent)
            if result < 0 && errno == EINTR { continue }
            if result <= 0 { return }
            sent += result
        }
    }
}

extension FileDescriptor {
    /// Another descriptor of the same thing, closed by an exec.
    public static func duplicate(of number: CInt) throws(KernelError) -> FileDescriptor {
        FileDescriptor(owning: try retrying("fcntl(F_DUPFD_CLOEXEC)") { kernel_fcntl(number, F_DUPFD_CLOEXEC, 0) })
    }
}
