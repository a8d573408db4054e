import CKernel
import Glibc

/// A socket to which one says how one is: that of a service manager (`sd_notify(3)`).
public struct NotificationSocket: Sendable, Equatable {
    private let name: [UInt8]

    /// - Parameter name: a path, or a name without a file behind `@`.
    public init?(_ name: String) {
        self.name = Array(name.utf8)
        guard name.hasPrefix("/") || name.hasPrefix("@"), 2...SocketAddress.maximumPathLength ~= self.name.count else { return nil }
    }

    /// Sends one datagram, from a socket of its own: nobody else gets to hold it.
    /// - Throws: `KernelError.wouldBlock` as its number where the receiver has to read first.
    public func send(_ text: String) throws(KernelError) {
        let type = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = FileDescriptor(owning: try retrying("socket()") { socket(AF_UNIX, type, 0) })
        let (bytes, flags) = (Array(text.utf8), CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
        _ = try retrying("sendto() \"\(String(decoding: name, as: UTF8.self))\"") {
            withKernelForm { CInt(truncatingIfNeeded: sendto(descriptor.number, bytes, bytes.count, flags, $0, $1)) }
        }
    }

    private func withKernelForm<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { path in
            path.copyBytes(from: name)
            if name[0] == UInt8(ascii: "@") { path[0] = 0 }
        }
        // Without a file, every byte counts, so that there must be none behind the name.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
