import CKernel
import Glibc

/// Host names as the system resolves them. It blocks, so it is for start and reload alone.
public enum NameLookup {
    /// All addresses of a host, in the system's order, each once; none where there is no such host.
    public static func addresses(of host: String, port: UInt16) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        // With AI_ADDRCONFIG a machine whose only IPv6 address is ::1 would not be told of it.
        hints.ai_flags = 0
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var entry = list
        while let current = entry {
            if let address = address(in: current.pointee, port: port), !found.contains(address) {
                found.append(address)
            }
            entry = current.pointee.ai_next
        }
        return found
    }

    /// Whether the file has the name in which a system looks first.
    public static func isInHostsFile(_ host: String, path: String = "/etc/hosts") -> Bool {
        guard let bytes = try? Files.start(of: path, byteCount: 1 << 20) else { return false }
        let wanted = host.lowercased()
        return bytes.split(separator: UInt8(ascii: "\n")).contains { line in
            let words = line.prefix { $0 != UInt8(ascii: "#") }.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            return words.dropFirst().contains { String(decoding: $0, as: UTF8.self).lowercased() == wanted }
        }
    }

    private static func address(in entry: addrinfo, port: UInt16) -> SocketAddress? {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: entry.ai_addr, count: min(Int(entry.ai_addrlen), $0.count)))
        }
        return switch SocketAddress(storage, length: entry.ai_addrlen) {
        case .ipv4(let address, _): .ipv4(address, port: port)
        case .ipv6(let high, let low, _): .ipv6(high, low, port: port)
        case .unix, nil: nil
        }
    }

    /// The machine's name, in lower case.
    public static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).lowercased()
    }
}
