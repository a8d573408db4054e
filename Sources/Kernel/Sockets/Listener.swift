import CKernel
import Glibc

/// A socket that waits for connections. It outlives workers and reloads; the master owns it.
package struct ListeningSocket: ~Copyable, Sendable {
    package let descriptor: FileDescriptor
    package let address: SocketAddress

    /// Makes a socket, binds it and lets it listen (`processes.md`, section 6.1).
    /// - Parameter listens: false where a configuration is only being tried out.
    package static func bind(_ address: SocketAddress, backlog: Int, listens: Bool = true) throws(KernelError) -> ListeningSocket {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = FileDescriptor(
            owning: try retrying("socket() \(address)") { socket(address.family, type, 0) })
        try descriptor.setOption(SOL_SOCKET, SO_REUSEADDR, 1, named: "setsockopt(SO_REUSEADDR) \(address)")
        if case .ipv6 = address {
            try descriptor.setOption(CInt(IPPROTO_IPV6), IPV6_V6ONLY, 1, named: "setsockopt(IPV6_V6ONLY) \(address)")
        }
        if !address.isUnix {
            // Accepted connections inherit it, which saves each a call.
            try descriptor.setOption(CInt(IPPROTO_TCP), TCP_NODELAY, 1, named: "setsockopt(TCP_NODELAY) \(address)")
        }
        if address.isUnix { try descriptor.bindForEverybody(address) } else { try descriptor.bind(address) }
        let listener = ListeningSocket(descriptor: descriptor, address: address)
        if listens { try listener.listen(backlog: backlog) }
        return listener
    }

    /// Sets how many connections may wait; also on a socket that listens already.
    package borrowing func listen(backlog: Int) throws(KernelError) {
        _ = try retrying("listen() to \(address), backlog \(backlog)") {
            Glibc.listen(descriptor.number, CInt(clamping: backlog))
        }
    }
}

extension FileDescriptor {
    fileprivate borrowing func bind(_ address: SocketAddress) throws(KernelError) {
        _ = try retrying("bind() to \(address)") {
            address.withKernelForm { Glibc.bind(number, $0, $1) }
        }
    }

    /// Binds a socket in the file system, to which everybody may connect, as nginx does. The file gets
    /// the mode that the socket has, less the umask: no path is looked up again, which could lead to
    /// another file by then.
    fileprivate borrowing func bindForEverybody(_ address: SocketAddress) throws(KernelError) {
        if fchmod(number, 0o666) != 0 { throw KernelError("chmod() \"\(address)\"") }
        let before = umask(0)
        defer { umask(before) }
        try bind(address)
    }

    borrowing func setOption(_ level: CInt, _ name: CInt, _ value: CInt, named call: @autoclosure () -> String) throws(KernelError) {
        var value = value
        if setsockopt(number, level, name, &value, socklen_t(MemoryLayout<CInt>.size)) != 0 { throw KernelError(call()) }
    }
}

/// A connection that has just been accepted.
package struct AcceptedConnection: ~Copyable {
    package let descriptor: FileDescriptor
    package let peer: SocketAddress

    /// Hands the connection over to the loop.
    @LoopActor package consuming func source() -> EventSource { EventSource(descriptor, isStream: true) }
}

extension EventSource {
    /// Takes the next waiting connection, or nil where none waits.
    package func accept() throws(KernelError) -> AcceptedConnection? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let flags = CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let accepted = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { kernel_accept4(number, $0, &length, flags) }
        }
        if accepted == -1 {
            if errno == EAGAIN || errno == EINTR { return nil }
            throw KernelError("accept4()")
        }
        return AcceptedConnection(
            descriptor: FileDescriptor(owning: accepted),
            peer: SocketAddress(storage, length: length) ?? .unix(""))
    }
}
