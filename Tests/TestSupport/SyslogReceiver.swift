import Foundation
import Glibc

/// A syslog server of a test's: a datagram socket whose records a test takes when it likes, or leaves lying.
public final class SyslogReceiver: @unchecked Sendable {
    public let address: Address
    private let descriptor: CInt

    /// Binds to a loopback port that the kernel chooses, or where told. Another user may send there.
    /// - Parameter receiveBuffer: how little shall lie there unread.
    public init(at address: Address = .port(0), receiveBuffer: CInt? = nil) throws {
        let number = socket(address.family, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
        guard number >= 0 else { throw WireError.system(call: "socket", errno: errno) }
        if var size = receiveBuffer { _ = setsockopt(number, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size)) }
        if case .path(let path) = address { _ = unlink(path) }
        guard address.withSockaddr({ Glibc.bind(number, $0, $1) }) == 0 else {
            let failure = errno
            _ = Glibc.close(number)
            throw WireError.system(call: "bind", errno: failure)
        }
        descriptor = number
        if case .path(let path) = address {
            _ = chmod(path, 0o777)
            self.address = address
        } else {
            var bound = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            _ = withUnsafeMutablePointer(to: &bound) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
            }
            self.address = .port(UInt16(bigEndian: bound.sin_port))
        }
    }

    deinit { close() }

    private var isOpen = true

    /// Goes away, as a syslog daemon that is stopped.
    public func close() {
        guard isOpen else { return }
        isOpen = false
        // A program that is just being started would keep it open for a moment longer.
        _ = inheritance.withLock { Glibc.close(descriptor) }
        if case .path(let path) = address { _ = unlink(path) }
    }

    /// What `server=` calls it.
    public var server: String {
        switch address {
        case .path(let path): "unix:\(path)"
        case .port(let port), .loopback(_, let port), .ipv6(let port): "127.0.0.1:\(port)"
        }
    }

    /// Takes the next datagram, if one has come.
    public func next() -> String? {
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// Takes datagrams until one holds the text.
    public func record(
        with text: String, by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line
    ) throws -> String {
        try eventually("a datagram with \"\(text)\"", by: deadline, file: file, line: line) {
            while let datagram = next() { if datagram.contains(text) { return datagram } }
            return nil
        }
    }
}
