import CKernel
import Glibc

/// Where a socket is bound or connected to: an IPv4 or IPv6 address with a port, or a path.
public enum SocketAddress: Sendable, Hashable, CustomStringConvertible {
    /// Address and port in the order that people write them, not the network's.
    case ipv4(UInt32, port: UInt16)
    /// The two halves of the address, high one first.
    case ipv6(UInt64, UInt64, port: UInt16)
    /// A socket in the file system; an empty path is a client that has no name.
    case unix(String)

    /// The longest path that a socket address holds, its final NUL left out.
    public static let maximumPathLength = 107

    /// Reads an IPv4 or IPv6 literal without brackets.
    public init?(literal: String, port: UInt16) {
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, literal, &four) == 1 {
            self = .ipv4(UInt32(bigEndian: four.s_addr), port: port)
        } else if inet_pton(AF_INET6, literal, &six) == 1 {
            self = Self(six, port: port)
        } else {
            return nil
        }
    }

    private init(_ address: in6_addr, port: UInt16) {
        self = withUnsafeBytes(of: address) { bytes in
            .ipv6(
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)), port: port)
        }
    }

    public var port: UInt16 {
        switch self {
        case .ipv4(_, let port), .ipv6(_, _, let port): port
        case .unix: 0
        }
    }

    public var isUnix: Bool { if case .unix = self { true } else { false } }

    /// Whether this is the address that stands for all of the machine's.
    public var isWildcard: Bool {
        switch self {
        case .ipv4(let address, _): address == 0
        case .ipv6(let high, let low, _): high == 0 && low == 0
        case .unix: false
        }
    }

    /// Whether it leads to this machine by any of the addresses that are for that alone.
    public var isLoopback: Bool {
        switch unmapped {
        case .ipv4(let address, _): address >> 24 == 127
        case .ipv6(let high, let low, _): high == 0 && low == 1
        case .unix: false
        }
    }

    /// The address that stands for all of the machine's, with the same port; a path has none and stays.
    public var wildcard: SocketAddress {
        switch self {
        case .ipv4(_, let port): .ipv4(0, port: port)
        case .ipv6(_, _, let port): .ipv6(0, 0, port: port)
        case .unix: self
        }
    }

    /// Whether sockets at both can be bound only if they agree to share the port: it is the same address, or
    /// one of them covers the other.
    public func overlaps(_ other: SocketAddress) -> Bool {
        self == other || !isUnix && wildcard == other.wildcard && (isWildcard || other.isWildcard)
    }

    /// An IPv4 client of an IPv6 socket, as the IPv4 client that it is.
    public var unmapped: SocketAddress {
        if case .ipv6(0, let low, let port) = self, low >> 32 == 0xffff {
            .ipv4(UInt32(truncatingIfNeeded: low), port: port)
        } else {
            self
        }
    }

    /// The bytes of the address, in the order that people write them; none for a path.
    public var octets: [UInt8] {
        switch self {
        case .ipv4(let address, _): Self.octets(address)
        case .ipv6(let high, let low, _): Self.octets(high) + Self.octets(low)
        case .unix: []
        }
    }

    private static func octets<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        stride(from: Number.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> $0) }
    }

    /// The address alone: `127.0.0.1`, `::1` without brackets, `unix:` or `unix:/path`.
    public var host: String {
        switch self {
        case .ipv4(let address, _): Self.text(address)
        case .ipv6(let high, let low, _): Self.text(high, low)
        case .unix(let path): "unix:" + path
        }
    }

    /// As logs and messages show it: `127.0.0.1:110`, `[::1]:110`, `unix:/path`.
    public var description: String {
        switch self {
        case .ipv4(let address, let port): Self.text(address, port: port)
        case .ipv6(_, _, let port): "[\(host)]:\(port)"
        case .unix: host
        }
    }

    /// By hand, because each session has its client's address written, and the system's way takes longer than
    /// all the rest of the question to the auth server.
    private static func text(_ address: UInt32, port: UInt16? = nil) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 21) { text in
            var count = 0
            func append(_ byte: UInt8) {
                text[count] = byte
                count += 1
            }
            func append(number: UInt32) {
                if number >= 10 { append(number: number / 10) }
                append(0x30 + UInt8(number % 10))
            }
            for part in 0..<4 {
                if part > 0 { append(UInt8(ascii: ".")) }
                append(number: address >> UInt32(24 - 8 * part) & 0xFF)
            }
            if let port {
                append(UInt8(ascii: ":"))
                append(number: UInt32(port))
            }
            return String(decoding: UnsafeBufferPointer(rebasing: text[..<count]), as: UTF8.self)
        }
    }

    private static func text(_ high: UInt64, _ low: UInt64) -> String {
        var address = (high.bigEndian, low.bigEndian)
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        inet_ntop(AF_INET6, &address, &buffer, socklen_t(buffer.count))
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension SocketAddress {
    var family: CInt {
        switch self {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    /// Hands the address to a call in the form that the kernel knows.
    func withKernelForm<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var storage = sockaddr_storage()
        return withUnsafeMutableBytes(of: &storage) { bytes in
            let start = bytes.baseAddress!
            let length: Int
            switch self {
            case .ipv4(let address, let port):
                start.storeBytes(
                    of: sockaddr_in(
                        sin_family: sa_family_t(AF_INET), sin_port: port.bigEndian,
                        sin_addr: in_addr(s_addr: address.bigEndian), sin_zero: (0, 0, 0, 0, 0, 0, 0, 0)),
                    as: sockaddr_in.self)
                length = MemoryLayout<sockaddr_in>.size
            case .ipv6(let high, let low, let port):
                var form = sockaddr_in6()
                form.sin6_family = sa_family_t(AF_INET6)
                form.sin6_port = port.bigEndian
                withUnsafeMutableBytes(of: &form.sin6_addr) {
                    $0.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
                    $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
                }
                start.storeBytes(of: form, as: sockaddr_in6.self)
                length = MemoryLayout<sockaddr_in6>.size
            case .unix(let path):
                start.storeBytes(of: sa_family_t(AF_UNIX), as: sa_family_t.self)
                let bytesOfPath = Array(path.utf8.prefix(Self.maximumPathLength))
                (start + 2).copyMemory(from: bytesOfPath, byteCount: bytesOfPath.count)
                length = 2 + bytesOfPath.count + 1
            }
            return body(start.assumingMemoryBound(to: sockaddr.self), socklen_t(length))
        }
    }

    init?(_ storage: sockaddr_storage, length: socklen_t) {
        switch CInt(storage.ss_family) {
        case AF_INET:
            let form = withUnsafeBytes(of: storage) { $0.load(as: sockaddr_in.self) }
            self = .ipv4(UInt32(bigEndian: form.sin_addr.s_addr), port: UInt16(bigEndian: form.sin_port))
        case AF_INET6:
            let form = withUnsafeBytes(of: storage) { $0.load(as: sockaddr_in6.self) }
            self = Self(form.sin6_addr, port: UInt16(bigEndian: form.sin6_port))
        case AF_UNIX:
            let path = withUnsafeBytes(of: storage) { $0[2..<max(2, min(Int(length), $0.count))].prefix { $0 != 0 } }
            self = .unix(String(decoding: path, as: UTF8.self))
        default:
            return nil
        }
    }

    /// Asks a socket for an address: its own with `getsockname`, the other side's with `getpeername`.
    static func ask(_ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, &length) }
        }
        return status == 0 ? SocketAddress(storage, length: length) : nil
    }
}
