import CKernel
import Glibc

/// A socket that datagrams leave by, all to one address. It never waits.
public struct DatagramSocket: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Makes the socket. Nothing is sent yet, but an address in the file system must have a socket behind it.
    public static func connect(to address: SocketAddress) throws(KernelError) -> DatagramSocket {
        DatagramSocket(descriptor: try makeDescriptor(to: address))
    }

    fileprivate static func makeDescriptor(to address: SocketAddress) throws(KernelError) -> FileDescriptor {
        let type = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = FileDescriptor(owning: try retrying("socket()") { socket(address.family, type, 0) })
        _ = try retrying("connect()") { address.withKernelForm { Glibc.connect(descriptor.number, $0, $1) } }
        return descriptor
    }

    /// Sends one datagram, or says that there is no room for it now.
    public borrowing func send(_ datagram: [UInt8]) -> Transfer {
        while true {
            let count = datagram.withUnsafeBytes { Glibc.send(descriptor.number, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            if count >= 0 { return .moved(count) }
            switch errno {
            case EINTR: continue
            case EAGAIN, ENOBUFS: return .wouldBlock
            default: return .failed(KernelError("send()"))
            }
        }
    }
}

extension EventSource {
    /// A socket that sends datagrams to one address and takes them from nobody else. This side's port is one
    /// that the kernel draws at random.
    public static func datagrams(to address: SocketAddress) throws(KernelError) -> EventSource {
        EventSource(try DatagramSocket.makeDescriptor(to: address), isStream: false)
    }
}
