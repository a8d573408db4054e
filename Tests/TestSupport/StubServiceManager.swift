import Foundation
import Glibc

/// What a service manager listens at for the state of its services (`sd_notify(3)`).
public final class StubServiceManager: Sendable {
    /// What `NOTIFY_SOCKET` says.
    public let name: String
    private let descriptor: CInt

    /// - Parameter name: a path, or `@` and a name that no file has.
    public init(_ name: String) throws {
        self.name = name
        descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: name.utf8)
            if name.hasPrefix("@") { $0[0] = 0 }
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.utf8.count)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard result == 0 else { throw TestFailure("cannot bind \(name): \(String(cString: strerror(errno)))") }
    }

    deinit { _ = close(descriptor) }

    /// The next datagram.
    public func next(by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line) throws -> String {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, deadline.pollTimeout) == 1 else {
            throw TestFailure("the service manager hears nothing", at: Place(file: file, line: line))
        }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    /// Whether nobody has said anything more.
    public var isQuiet: Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 0
    }
}
