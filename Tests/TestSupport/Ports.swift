import Foundation
import Glibc

/// Ports for servers under test: below the range that the kernel gives to connecting sockets, and
/// unique among all test processes of the machine. A process reserves a hundred at a time by binding
/// an abstract UNIX socket, which goes with it however it ends.
public enum Ports {
    private struct State {
        var reservations: [CInt] = []
        var next = 0
        var end = 0
    }

    nonisolated(unsafe) private static var state = State()
    private static let lock = NSLock()
    private static let first = 20_000
    private static let blockSize = 100
    private static let blockCount = 120

    /// The first of so many neighbouring ports at which nobody listens, and which no other call returns.
    public static func free(inARow count: Int = 1) throws -> UInt16 {
        lock.lock()
        defer { lock.unlock() }
        while true {
            if state.next + count > state.end { try reserveBlock() }
            let ports = (state.next..<state.next + count).map { UInt16($0) }
            state.next += count
            if ports.allSatisfy({ (try? Socket.listen(at: .port($0))) != nil }) { return ports[0] }
        }
    }

    private static func reserveBlock() throws {
        let start = Int(getpid()) % blockCount
        for offset in 0..<blockCount {
            let block = (start + offset) % blockCount
            guard let reservation = reserve("\0martlet-test-ports-\(block)") else { continue }
            state.reservations.append(reservation)
            state.next = first + block * blockSize
            state.end = state.next + blockSize
            return
        }
        throw TestFailure("no block of ports is free")
    }

    private static func reserve(_ name: String) -> CInt? {
        let descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name.utf8) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.utf8.count)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        if result == 0 { return descriptor }
        _ = close(descriptor)
        return nil
    }
}
