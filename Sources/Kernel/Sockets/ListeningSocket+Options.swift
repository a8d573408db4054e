import Glibc

extension ListeningSocket {
    /// What a listening socket is made with and set to. Connections that it accepts inherit most of it.
    public struct Options: Sendable, Equatable {
        /// How many connections may wait to be accepted.
        public var backlog = 511
        /// Bytes; nil leaves the system's figure.
        public var receiveBuffer: Int?
        public var sendBuffer: Int?
        /// Nil leaves the socket as the system makes it.
        public var keepAlive: KeepAlive?
        /// Whether a socket for all IPv6 addresses takes no IPv4 clients.
        public var isIPv6Only = true
        public var isMultipath = false

        public init() {}
    }

    /// How the system finds out that the other side has gone silently.
    public enum KeepAlive: Sendable, Equatable {
        case off, on
        /// On, with figures of one's own; nil leaves the system's.
        case after(idle: Duration?, interval: Duration?, count: Int?)
    }

    /// Sets what may be set at any time, whether the socket listens yet or not.
    /// - Returns: what the system refuses. The socket serves without it.
    public borrowing func adjust(to options: Options) -> [KernelError] {
        var faults: [KernelError] = []
        for row in options.adjustments {
            do throws(KernelError) {
                try descriptor.setOption(
                    row.level, row.option, CInt(clamping: row.value),
                    named: "setsockopt(\(row.name), \(row.value)) \(address)")
            } catch {
                faults.append(error)
            }
        }
        return faults
    }
}

extension ListeningSocket.Options {
    fileprivate typealias Adjustment = (level: CInt, option: CInt, value: Int, name: String)

    fileprivate var adjustments: [Adjustment] {
        let buffers: [(CInt, Int?, String)] = [(SO_RCVBUF, receiveBuffer, "SO_RCVBUF"), (SO_SNDBUF, sendBuffer, "SO_SNDBUF")]
        return buffers.compactMap { (option, value, name) in value.map { (SOL_SOCKET, option, $0, name) } }
            + (keepAlive?.adjustments ?? [])
    }
}

extension ListeningSocket.KeepAlive {
    fileprivate var adjustments: [ListeningSocket.Options.Adjustment] {
        let isOn = (SOL_SOCKET, SO_KEEPALIVE, self == .off ? 0 : 1, "SO_KEEPALIVE")
        guard case .after(let idle, let interval, let count) = self else { return [isOn] }
        let figures: [(CInt, Int?, String)] = [
            (TCP_KEEPIDLE, idle?.wholeSeconds, "TCP_KEEPIDLE"), (TCP_KEEPINTVL, interval?.wholeSeconds, "TCP_KEEPINTVL"),
            (TCP_KEEPCNT, count, "TCP_KEEPCNT"),
        ]
        return [isOn] + figures.compactMap { (option, value, name) in value.map { (CInt(IPPROTO_TCP), option, $0, name) } }
    }
}

extension Duration {
    fileprivate var wholeSeconds: Int { Int(components.seconds) }
}
