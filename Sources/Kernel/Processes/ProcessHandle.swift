import CKernel
import Glibc

/// A hold on one process: what is sent to it reaches that one or nobody, even if another gets its number
/// in the meantime.
public struct ProcessHandle: ~Copyable {
    private let id: Int32
    /// Nil where the kernel, or what confines this process, has no such thing; then the number must do.
    private let descriptor: CInt?

    public init(_ id: Int32) throws(KernelError) {
        self.id = id
        let number = kernel_pidfd_open(id)
        if number < 0 && errno == ESRCH { throw KernelError("kill(\(id), 0)") }
        descriptor = number < 0 ? nil : number
    }

    deinit { if let descriptor { _ = close(descriptor) } }

    public borrowing func send(_ signal: Signal) throws(KernelError) {
        guard let descriptor else { return try signal.send(to: id) }
        if kernel_pidfd_send_signal(descriptor, signal.number) != 0 { throw KernelError("kill(\(id), \(signal.number))") }
    }
}

/// The sockets that another process has open, as `/proc` tells it.
public struct ProcessSockets {
    /// Nil where the process cannot be looked into.
    private let inodes: Set<UInt64>?

    public init(of id: Int32) {
        guard let folder = opendir("/proc/\(id)/fd") else {
            inodes = nil
            return
        }
        defer { closedir(folder) }
        var inodes: Set<UInt64> = []
        while let entry = readdir(folder) {
            var target = [UInt8](repeating: 0, count: 64)
            let count = withUnsafeBytes(of: entry.pointee.d_name) { name in
                readlinkat(dirfd(folder), name.baseAddress!.assumingMemoryBound(to: CChar.self), &target, target.count)
            }
            guard count > 0 else { continue }
            let text = String(decoding: target[..<count], as: UTF8.self)
            if text.hasPrefix("socket:["), let inode = UInt64(text.dropFirst(8).dropLast()) { inodes.insert(inode) }
        }
        self.inodes = inodes
    }

    /// Whether the process may have this socket open.
    public func mayHold(_ inode: UInt64?) -> Bool {
        guard let inodes, let inode else { return true }
        return inodes.contains(inode)
    }
}
