import CKernel
import Glibc

/// One end of the socket pair between master and worker. Each message is one byte, which a descriptor may
/// come with; an end that closes is the death of its process.
public enum Channel {
    /// Makes both ends: they do not block and are closed by an exec.
    public static func makePair() throws(KernelError) -> (CInt, CInt) {
        var ends: [CInt] = [-1, -1]
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        _ = try retrying("socketpair()") { socketpair(AF_UNIX, type, 0, &ends) }
        return (ends[0], ends[1])
    }
}

extension EventSource {
    /// Takes the next message: nil where none waits, or where the other process is gone. A descriptor that
    /// comes with it is closed.
    public func receiveMessage() -> (message: UInt8?, isClosed: Bool) {
        let (message, _, isClosed) = receive()
        return (message, isClosed)
    }

    /// Takes the next message, and the descriptor that came with it.
    public func receive() -> (message: UInt8?, passed: EventSource?, isClosed: Bool) {
        var byte: UInt8 = 0
        var descriptor: CInt = -1
        while true {
            let count = kernel_receive_descriptor(number, &byte, &descriptor)
            if count == 1 { return (byte, descriptor < 0 ? nil : EventSource(owning: descriptor, isStream: false), false) }
            if count == 0 { return (nil, nil, true) }
            if errno == EINTR { continue }
            return (nil, nil, errno != EAGAIN)
        }
    }

    /// Waits for the next message, outside the loop, for a process that has nothing else to do.
    /// - Returns: nil where the other process is gone.
    public func awaitMessage() -> UInt8? {
        while true {
            let (message, isClosed) = receiveMessage()
            if message != nil || isClosed { return message }
            var request = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            poll(&request, 1, -1)
        }
    }

    /// Sends a message.
    /// - Returns: false where the channel is full or gone.
    public func send(message: UInt8) -> Bool {
        var byte = message
        return Glibc.send(number, &byte, 1, CInt(MSG_NOSIGNAL)) == 1
    }
    /// Sends a message and a descriptor, which both processes have then.
    /// - Returns: false where the channel is full or gone.
    public func send(message: UInt8, passing descriptor: borrowing FileDescriptor) -> Bool {
        kernel_send_descriptor(number, message, descriptor.number) == 1
    }
}
