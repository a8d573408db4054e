import CKernel
import Glibc

/// What became of a read or a write. A full or closed socket is an answer, not an error.
public enum Transfer: Sendable, Equatable {
    case moved(Int)
    /// Nothing now; the loop says when to try again.
    case wouldBlock
    /// The other side has ended, or will not read what is written.
    case closed
    case failed(KernelError)
}

extension EventSource {
    /// Begins a connection. It is made, or has failed, when the source becomes writable.
    /// - Parameter peerSpeaksFirst: whether nothing will be said before the other side has. Then it is soon enough
    ///   to hear with its first words that there is a connection.
    public static func connect(to address: SocketAddress, peerSpeaksFirst: Bool = false) throws(KernelError) -> EventSource {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = FileDescriptor(owning: try retrying("socket()") { socket(address.family, type, 0) })
        try descriptor.sendAtOnce(at: address)
        let status = address.withKernelForm { Glibc.connect(descriptor.number, $0, $1) }
        if status == -1 && errno != EINPROGRESS { throw KernelError("connect()") }
        let source = EventSource(owning: descriptor.release(), isStream: true)
        source.reportsWritable = !peerSpeaksFirst
        return source
    }

    /// Why a connection that became writable is none, or nil where it is one.
    public func connectFault() -> KernelError? {
        // One that has failed has hung up, too, which spares all others the question.
        guard hasHungUp else { return nil }
        var number: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(self.number, SOL_SOCKET, SO_ERROR, &number, &length)
        return number == 0 ? nil : KernelError("connect()", number)
    }

    /// This side's address of a connection.
    public var localAddress: SocketAddress? {
        SocketAddress.ask { getsockname(number, $0, $1) }
    }

    /// Reads what is there, up to the span's size.
    public func receive(into span: inout MutableRawSpan) -> Transfer {
        span.withUnsafeMutableBytes { receive(into: $0) }
    }

    /// Reads what is there, up to the buffer's size. A short read is the last one before the loop reports
    /// more. Where the loop has reported the other side's end before, a short read has come upon that end.
    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        if isDrained { return .closed }
        let transfer = receive(into: buffer, flags: 0)
        if case .moved(let count) = transfer, count < buffer.count { ranDry() }
        return transfer
    }

    private func ranDry() {
        if !hasHungUp { isReadable = false } else if !hasFailed { isDrained = true }
    }

    /// Has the loop report a connection only when so many bytes have come, or its end, or there is no room for more. With
    /// 1 it is taken to be readable at once, since what came meanwhile has been passed over. Where the kernel knows no such
    /// thing, whatever comes is reported.
    public func reportReadable(from byteCount: Int) {
        var value = CInt(clamping: byteCount)
        _ = setsockopt(number, SOL_SOCKET, SO_RCVLOWAT, &value, socklen_t(MemoryLayout<CInt>.size))
        if byteCount <= 1 { isReadable = true }
    }

    /// Copies what is there and leaves it there, up to the buffer's size.
    func peek(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        receive(into: buffer, flags: CInt(MSG_PEEK))
    }

    private func receive(into buffer: UnsafeMutableRawBufferPointer, flags: CInt) -> Transfer {
        while true {
            let count = recv(number, buffer.baseAddress, buffer.count, flags)
            if count > 0 { return .moved(count) }
            if count == 0 { return .closed }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                isReadable = false
                return .wouldBlock
            default: return .failed(KernelError("recv()"))
            }
        }
    }

    /// Writes as much as the kernel takes.
    /// - Parameter hasMore: whether more is written right behind, or the sending ended, with which the last of it may go.
    public func send(_ bytes: Span<UInt8>, hasMore: Bool = false) -> Transfer {
        bytes.withUnsafeBytes { send($0, flags: hasMore ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL) }
    }

    func send(_ bytes: UnsafeRawBufferPointer, flags: Int = MSG_NOSIGNAL) -> Transfer {
        while true {
            let count = Glibc.send(number, bytes.baseAddress, bytes.count, CInt(flags))
            if count >= 0 {
                if count < bytes.count { isWritable = false }
                return .moved(count)
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                isWritable = false
                return .wouldBlock
            case EPIPE, ECONNRESET: return .closed
            default: return .failed(KernelError("send()"))
            }
        }
    }

    /// Ends this side's sending; what is in flight is still delivered, and the other side may go on.
    public func endSending() {
        _ = shutdown(number, CInt(SHUT_WR))
    }
}
