import CKernel
import Glibc

extension ListeningSocket {
    /// Lets nobody new in, whichever process accepts here: before a socket is closed for good.
    ///
    /// Closing resets whoever is between his first segment and being accepted. So from now on first segments are
    /// dropped; their senders repeat them a second later, and meet what is there by then. Handshakes that have
    /// begun go on, and there is an end to those who can still be accepted. In the file system nobody new comes
    /// once the name is gone; there this is only a mark.
    /// - Throws: where the system cannot, as with multipath TCP.
    public borrowing func turnAwayNewcomers() throws(KernelError) {
        // The segment begins with the header of TCP (RFC 9293, section 3.1): what has SYN and not ACK is dropped.
        var program = [
            sock_filter(code: UInt16(BPF_LD | BPF_B | BPF_ABS), jt: 0, jf: 0, k: 13),
            sock_filter(code: UInt16(BPF_ALU | BPF_AND | BPF_K), jt: 0, jf: 0, k: 0x12),
            sock_filter(code: UInt16(BPF_JMP | BPF_JEQ | BPF_K), jt: 0, jf: 1, k: 0x02),
            sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: 0),
            sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: .max),
        ]
        let count = UInt16(program.count)
        let status = program.withUnsafeMutableBufferPointer { instructions in
            var description = sock_fprog(len: count, filter: instructions.baseAddress)
            return setsockopt(
                descriptor.number, SOL_SOCKET, SO_ATTACH_FILTER, &description, socklen_t(MemoryLayout<sock_fprog>.size))
        }
        if status != 0 { throw KernelError("setsockopt(SO_ATTACH_FILTER) \(address)") }
    }
}

extension EventSource {
    /// Whether some process has said of this listening socket that it lets nobody new in.
    public var turnsAwayNewcomers: Bool {
        var instructionCount: socklen_t = 0
        // Without room for them, only their number is told.
        return getsockopt(number, SOL_SOCKET, SO_ATTACH_FILTER, nil, &instructionCount) == 0 && instructionCount > 0
    }
}
