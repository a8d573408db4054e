import Foundation
import Glibc

/// Where a test connects to or listens at: loopback, or a UNIX socket.
public enum Address: Sendable, CustomStringConvertible {
    /// A port of 127.0.0.1.
    case port(UInt16)
    /// A port of 127.0.0.N.
    case loopback(UInt8, UInt16)
    /// A port of ::1.
    case ipv6(UInt16)
    case path(String)

    /// As `auth_http` and log lines write it.
    public var description: String {
        switch self {
        case .port(let port): "127.0.0.1:\(port)"
        case .loopback(let host, let port): "127.0.0.\(host):\(port)"
        case .ipv6(let port): "[::1]:\(port)"
        case .path(let path): "unix:\(path)"
        }
    }

    var family: CInt {
        switch self {
        case .port, .loopback: AF_INET
        case .ipv6: AF_INET6
        case .path: AF_UNIX
        }
    }

    func withSockaddr(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        switch self {
        case .port(let port):
            return Address.loopback(1, port).withSockaddr(body)
        case .loopback(let host, let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = (0x7F00_0000 | UInt32(host)).bigEndian
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
        case .ipv6(let port):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_addr = in6addr_loopback
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in6>.size)) }
            }
        case .path(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
            }
        }
    }
}

/// Why bytes did not come or go.
public enum WireError: Error, Equatable {
    case timedOut
    /// The other side has closed or reset the connection.
    case closed
    case system(call: String, errno: CInt)
}

/// Held while a descriptor exists that a new process would inherit (`accept4` is not to be had here),
/// and while one is started: a connection kept open by a stranger would never end.
let inheritance = NSLock()

/// A stream socket of the test's own side: it blocks, but never past a deadline. One thread reads
/// and one may write; `shutDown` may come from any.
public final class Socket: @unchecked Sendable {
    public let descriptor: CInt

    private init(owning descriptor: CInt) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { _ = Glibc.close(descriptor) }

    private static func make(_ family: CInt) throws(WireError) -> Socket {
        let descriptor = socket(family, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system(call: "socket", errno: errno) }
        return Socket(owning: descriptor)
    }

    /// Connects, with small writes sent at once.
    /// - Parameters:
    ///   - source: where to connect from; port 0 lets the kernel choose.
    ///   - receiveBuffer: how little the kernel shall take on this side's behalf.
    public static func connect(
        to address: Address, from source: Address? = nil, receiveBuffer: CInt? = nil, by deadline: Deadline = .usual
    ) throws(WireError) -> Socket {
        let socket = try make(address.family)
        if let receiveBuffer { socket.set(SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
        if address.family != AF_UNIX { socket.set(CInt(IPPROTO_TCP), TCP_NODELAY, 1) }
        if let source, source.withSockaddr({ Glibc.bind(socket.descriptor, $0, $1) }) != 0 {
            throw .system(call: "bind", errno: errno)
        }
        if address.withSockaddr({ Glibc.connect(socket.descriptor, $0, $1) }) != 0 {
            guard errno == EINPROGRESS || errno == EAGAIN else { throw .system(call: "connect", errno: errno) }
            try socket.wait(for: POLLOUT, by: deadline)
            let failure = socket.get(SOL_SOCKET, SO_ERROR)
            guard failure == 0 else { throw .system(call: "connect", errno: failure) }
        }
        return socket
    }

    /// Binds and listens; port 0 lets the kernel choose.
    public static func listen(at address: Address, backlog: CInt = 511) throws(WireError) -> Socket {
        let socket = try make(address.family)
        socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
        guard address.withSockaddr({ Glibc.bind(socket.descriptor, $0, $1) }) == 0 else {
            throw .system(call: "bind", errno: errno)
        }
        guard Glibc.listen(socket.descriptor, backlog) == 0 else { throw .system(call: "listen", errno: errno) }
        // The workers of a server under test are another user.
        if case .path(let path) = address { _ = chmod(path, 0o777) }
        return socket
    }

    /// The next connection; nil once the listener has been shut down.
    public func accept() throws(WireError) -> Socket? {
        while true {
            do throws(WireError) { try wait(for: POLLIN, by: .after(.seconds(3600))) } catch { return nil }
            let accepted: Socket? = inheritance.withLock {
                let descriptor = Glibc.accept(self.descriptor, nil, nil)
                return descriptor >= 0 ? Socket(owning: descriptor) : nil
            }
            if let accepted {
                accepted.set(CInt(IPPROTO_TCP), TCP_NODELAY, 1)
                return accepted
            }
            switch errno {
            case EAGAIN, ECONNABORTED, EINTR: continue
            default: return nil
            }
        }
    }

    /// The local port; 0 for a UNIX socket.
    public var port: UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return result == 0 && address.sin_family == AF_INET ? UInt16(bigEndian: address.sin_port) : 0
    }

    /// Sends everything.
    public func send(_ bytes: some Collection<UInt8>, by deadline: Deadline = .usual) throws(WireError) {
        let bytes = Array(bytes)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, CInt(MSG_NOSIGNAL))
            }
            if count >= 0 { sent += count; continue }
            switch errno {
            case EAGAIN: try wait(for: POLLOUT, by: deadline)
            case EINTR: continue
            case EPIPE, ECONNRESET: throw .closed
            default: throw .system(call: "send", errno: errno)
            }
        }
    }

    /// Sends what the kernel takes until it takes nothing for `quiet`: then the other side has
    /// stopped reading.
    /// - Returns: how many bytes went.
    public func sendUntilStuck(_ bytes: [UInt8], quiet: Duration) throws(WireError) -> Int {
        var sent = 0
        while true {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress!, bytes.count, CInt(MSG_NOSIGNAL))
            }
            if count >= 0 { sent += count; continue }
            guard errno == EAGAIN else { throw .closed }
            do throws(WireError) { try wait(for: POLLOUT, by: .after(quiet)) } catch { return sent }
        }
    }

    /// What has come, at least one byte; empty once the other side has ended its sending.
    public func receive(upTo limit: Int = 65536, by deadline: Deadline = .usual) throws(WireError) -> [UInt8] {
        while true {
            var count = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, initialized in
                count = recv(descriptor, buffer.baseAddress!, limit, 0)
                initialized = max(count, 0)
            }
            if count >= 0 { return bytes }
            switch errno {
            case EAGAIN: try wait(for: POLLIN, by: deadline)
            case EINTR: continue
            case ECONNRESET, EPIPE: throw .closed
            default: throw .system(call: "recv", errno: errno)
            }
        }
    }

    /// Ends this side's sending; the other may go on.
    public func finishSending() { _ = shutdown(descriptor, CInt(SHUT_WR)) }

    /// Ends both directions, and whatever another thread waits for here.
    public func shutDown() { _ = shutdown(descriptor, CInt(SHUT_RDWR)) }

    /// Makes the close to come a reset instead of an end.
    public func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    private func set(_ level: CInt, _ name: CInt, _ value: CInt) {
        var value = value
        _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<CInt>.size))
    }

    private func get(_ level: CInt, _ name: CInt) -> CInt {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(descriptor, level, name, &value, &length) == 0 ? value : errno
    }

    private func wait(for events: CInt, by deadline: Deadline) throws(WireError) {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        while true {
            switch poll(&entry, 1, deadline.pollTimeout) {
            case 0: throw .timedOut
            case 1...:
                if Int32(entry.revents) & POLLNVAL != 0 { throw .closed }
                return
            default: if errno != EINTR { throw .system(call: "poll", errno: errno) }
            }
        }
    }
}

/// Lets this process have so many descriptors, or as many as it may.
/// - Returns: how many it may have now.
public func raiseDescriptorLimit(to wanted: Int) -> Int {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    if limit.rlim_cur < wanted {
        limit.rlim_cur = min(rlim_t(wanted), limit.rlim_max)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    return Int(clamping: limit.rlim_cur)
}
