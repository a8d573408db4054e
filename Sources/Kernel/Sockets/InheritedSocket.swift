import CKernel
import Glibc

/// Why a descriptor that another process has left open is no listener, as the log says it.
public struct InheritedSocketFault: Error, Equatable {
    public let message: String
    /// The errno, where a call has failed.
    public let reason: String?

    private init(_ message: String, reason: String? = nil) {
        self.message = message
        self.reason = reason
    }

    fileprivate init(_ call: String) {
        let error = KernelError(call)
        self.init("\(call) failed", reason: error.reason)
    }

    fileprivate static func unsupportedFamily(_ number: CInt) -> Self {
        Self("the inherited socket #\(number) has an unsupported protocol family", reason: nil)
    }

    fileprivate static func notStream(_ number: CInt) -> Self {
        Self("the inherited socket #\(number) is not a stream socket", reason: nil)
    }
}

extension ListeningSocket {
    /// Takes over a socket that another process has bound and left open. Whoever left it may not have
    /// cared how it behaves: from here on it does not block and is closed by an exec, and connections do
    /// not hold back small pieces. A descriptor that is refused stays open: it is not known whose it is.
    public static func adopt(_ number: CInt) throws(InheritedSocketFault) -> ListeningSocket {
        let address = try boundAddress(of: number)
        guard try isStream(number, at: address) else { throw .notStream(number) }
        let flags = kernel_fcntl(number, F_GETFL, 0)
        guard flags >= 0, kernel_fcntl(number, F_SETFL, flags | O_NONBLOCK) == 0, kernel_fcntl(number, F_SETFD, FD_CLOEXEC) == 0
        else { throw InheritedSocketFault("fcntl() \(address)") }
        let socket = ListeningSocket(descriptor: FileDescriptor(owning: number), address: address)
        // What somebody has set on it himself he may have had a reason for.
        try? socket.descriptor.sendAtOnce(at: address, system: CongestionControl(of: number) ?? .ofSystem)
        return socket
    }

    private static func boundAddress(of number: CInt) throws(InheritedSocketFault) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
        }
        guard status == 0 else { throw InheritedSocketFault("getsockname() of the inherited socket #\(number)") }
        guard let address = SocketAddress(storage, length: length) else { throw .unsupportedFamily(number) }
        return address
    }

    private static func isStream(_ number: CInt, at address: SocketAddress) throws(InheritedSocketFault) -> Bool {
        var type: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &length) == 0 else {
            throw InheritedSocketFault("getsockopt(SO_TYPE) \(address)")
        }
        return type == CInt(SOCK_STREAM.rawValue)
    }
}

extension FileDescriptor {
    /// Gives the descriptor away to the program that this process is about to become.
    /// - Returns: its number there.
    public consuming func surviveExec() -> CInt {
        let number = release()
        _ = kernel_fcntl(number, F_SETFD, 0)
        return number
    }
}
