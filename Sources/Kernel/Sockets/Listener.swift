import CKernel
import Glibc

/// A socket that waits for connections. It outlives workers and reloads; the master owns it.
public struct ListeningSocket: ~Copyable, Sendable {
    public let descriptor: FileDescriptor
    public let address: SocketAddress

    /// Makes a socket, binds it and lets it listen (`processes.md`, section 6.1).
    /// - Parameters:
    ///   - sharesPort: whether other sockets, which have been told so too, are bound to the same port.
    ///   - listens: false where somebody else is to say when, or a configuration is only being tried out.
    public static func bind(
        _ address: SocketAddress, _ options: Options = Options(), sharesPort: Bool = false, listens: Bool = true
    ) throws(KernelError) -> ListeningSocket {
        let socket = ListeningSocket(descriptor: try open(address, isMultipath: options.isMultipath), address: address)
        try socket.set(SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR")
        if sharesPort { try socket.sharePort() }
        if case .ipv6 = address {
            try socket.set(CInt(IPPROTO_IPV6), IPV6_V6ONLY, options.isIPv6Only ? 1 : 0, "IPV6_V6ONLY")
        }
        if address.isUnix {
            try socket.descriptor.bindForEverybody(address)
        } else {
            try socket.descriptor.sendAtOnce(at: address, named: "setsockopt(TCP_NODELAY) \(address)")
            try socket.descriptor.bind(address)
        }
        if listens { try socket.listen(backlog: options.backlog) }
        return socket
    }

    /// Without multipath TCP in the kernel, the address is served in the plain kind, which all clients speak.
    private static func open(_ address: SocketAddress, isMultipath: Bool) throws(KernelError) -> FileDescriptor {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        if isMultipath && !address.isUnix {
            let number = socket(address.family, type, multipathTCP)
            if number >= 0 { return FileDescriptor(owning: number) }
        }
        return FileDescriptor(owning: try retrying("socket() \(address)") { socket(address.family, type, 0) })
    }

    private static let multipathTCP: CInt = 262

    /// Whether connections may have several paths: where it was asked for and the kernel can do it.
    public var isMultipath: Bool { option(SO_PROTOCOL) == Self.multipathTCP }
    /// Whether a socket for all IPv6 addresses takes no IPv4 clients.
    public var isIPv6Only: Bool { option(IPV6_V6ONLY, of: CInt(IPPROTO_IPV6)) != 0 }
    public var isListening: Bool { option(SO_ACCEPTCONN) != 0 }
    /// The number by which `/proc` lists the socket; nil where the system does not say.
    public var inode: UInt64? {
        var status = stat()
        return fstat(descriptor.number, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    /// Lets other sockets have the same port that are told so too, and belong to the same user.
    public borrowing func sharePort() throws(KernelError) {
        if !address.isUnix { try set(SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT") }
    }

    /// Sets how many connections may wait; also on a socket that listens already.
    public borrowing func listen(backlog: Int) throws(KernelError) {
        _ = try retrying("listen() to \(address), backlog \(backlog)") {
            Glibc.listen(descriptor.number, CInt(clamping: backlog))
        }
    }

    private borrowing func set(_ level: CInt, _ name: CInt, _ value: CInt, _ words: String) throws(KernelError) {
        try descriptor.setOption(level, name, value, named: "setsockopt(\(words)) \(address)")
    }

    private borrowing func option(_ name: CInt, of level: CInt = SOL_SOCKET) -> CInt {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(descriptor.number, level, name, &value, &length) == 0 ? value : 0
    }
}

extension ListeningSocket {
    /// Whether a socket in the file system is a leftover: nobody listens there any more. A link to one is
    /// not looked behind.
    public static func isAbandoned(_ path: String) -> Bool {
        guard Files.isSocket(path) else { return false }
        do throws(KernelError) {
            let descriptor = try open(.unix(path), isMultipath: false)
            _ = try retrying("connect()") {
                SocketAddress.unix(path).withKernelForm { Glibc.connect(descriptor.number, $0, $1) }
            }
            return false
        } catch {
            return error.number == ECONNREFUSED
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
public struct AcceptedConnection: ~Copyable {
    public let descriptor: FileDescriptor
    public let peer: SocketAddress

    /// Hands the connection over to the loop. What has just been accepted has room for what is said to it.
    @LoopActor public consuming func source() -> EventSource {
        let source = EventSource(descriptor, isStream: true)
        source.isWritable = true
        source.reportsWritable = false
        return source
    }
}

extension EventSource {
    /// Takes the next waiting connection, or nil where none waits.
    public func accept() throws(KernelError) -> AcceptedConnection? {
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
