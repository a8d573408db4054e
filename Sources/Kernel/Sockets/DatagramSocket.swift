import CKernel
import Glibc

/// A socket that datagrams leave by, all to one address. It never waits.
package struct DatagramSocket: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Makes the socket. Nothing is sent yet, but an address in the file system must have a socket behind it.
    package static func connect(to address: SocketAddress) throws(KernelError) -> DatagramSocket {
        let type = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = FileDescriptor(owning: try retrying("socket()") { socket(address.family, type, 0) })
        _ = try retrying("connect()") { address.withKernelForm { Glibc.connect(descriptor.number, $0, $1) } }
        return DatagramSocket(descriptor: descriptor)
    }

    /// Sends one datagram, or says that there is no room for it now.
    package borrowing func send(_ datagram: [UInt8]) -> Transfer {
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
