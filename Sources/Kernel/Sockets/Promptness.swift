import CKernel
import Glibc

extension FileDescriptor {
    /// Has what is written to a TCP socket go out at once: nothing waits for more to go with it, and nothing that stays
    /// within the machine for the clock. What a listening socket accepts inherits both, which saves it the calls.
    /// - Parameters:
    ///   - address: where the socket is bound, or will be connected to.
    ///   - system: what the socket has as long as nobody sets anything else.
    ///   - call: how an error names the call that failed.
    borrowing func sendAtOnce(
        at address: SocketAddress, system: CongestionControl = .ofSystem,
        named call: @autoclosure () -> String = "setsockopt(TCP_NODELAY)"
    ) throws(KernelError) {
        if address.isUnix { return }
        try setOption(CInt(IPPROTO_TCP), TCP_NODELAY, 1, named: call())
        if system.isPaced && address.isLoopback { CongestionControl.reno.use(for: number) }
    }
}

extension EventSource {
    /// Whether the kernel sends by the clock what is written, as much at a time as it takes the path to carry.
    public var isPaced: Bool { CongestionControl(of: number)?.isPaced ?? false }
}

/// How the kernel shares out a path's capacity among connections: `TCP_CONGESTION` in tcp(7).
struct CongestionControl {
    let name: String
    /// BBR, of whatever version, measures a path and sends by timers at the rate that it has found. Within the machine
    /// it finds none, and the timers cost more than the sending.
    let isPaced: Bool

    /// What needs no permission, and is in every kernel. Within the machine, where nothing is lost, it lets go whatever the
    /// other side has room for.
    static let reno = CongestionControl(name: "reno")

    /// What new connections have, as of the start of the program. It is the operator's choice for the paths that lead out
    /// of the machine.
    static let ofSystem: CongestionControl = {
        let number = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return reno }
        defer { Glibc.close(number) }
        return CongestionControl(of: number) ?? reno
    }()

    /// TCP_CA_NAME_MAX of linux/tcp.h.
    private static let longestName = 16

    init(name: String) {
        self.name = name
        isPaced = name.hasPrefix("bbr")
    }

    /// Asks what a connection has; nil where it is none of TCP's.
    init?(of number: CInt) {
        var name = [CChar](repeating: 0, count: Self.longestName)
        var length = socklen_t(name.count)
        guard getsockopt(number, CInt(IPPROTO_TCP), TCP_CONGESTION, &name, &length) == 0 else { return nil }
        self.init(name: String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
    }

    /// From before the connection is made: it keeps the clock of what it began with. Where that is refused, all stays as it is.
    fileprivate func use(for number: CInt) {
        var name = name
        _ = name.withUTF8 { setsockopt(number, CInt(IPPROTO_TCP), TCP_CONGESTION, $0.baseAddress, socklen_t($0.count)) }
    }
}
