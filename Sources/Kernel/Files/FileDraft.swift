import CKernel
import Glibc

/// A small file that is written, and waits under another name until it takes its place: readers see either
/// the old one or the new one, never half of it. A link planted under either name is not followed. What is
/// given up leaves nothing behind.
public final class FileDraft {
    private let path: String
    /// Nil where there is nothing more to do: a device or a pipe is written into at once.
    private var temporary: String?
    private let author = OwnProcess.id

    public init(_ path: String, _ bytes: [UInt8]) throws(KernelError) {
        self.path = path
        if Files.isSpecial(path) {
            try Self.write(bytes, to: path, flags: 0)
        } else {
            let temporary = "\(path).\(author).tmp"
            _ = unlink(temporary)
            self.temporary = temporary
            try Self.write(bytes, to: temporary, flags: O_CREAT | O_EXCL)
        }
    }

    /// What was forked off since has only a copy of the name.
    deinit { if let temporary, author == OwnProcess.id { _ = unlink(temporary) } }

    /// Takes the place of what has the name now.
    public func publish() throws(KernelError) {
        guard let temporary else { return }
        if rename(temporary, path) != 0 { throw KernelError("rename()") }
        self.temporary = nil
    }

    private static func write(_ bytes: [UInt8], to path: String, flags: CInt) throws(KernelError) {
        let descriptor = FileDescriptor(owning: try retrying("open()") {
            kernel_open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags, 0o644)
        })
        // Whatever the umask was, everybody may read a pid.
        if flags & O_CREAT != 0 { _ = fchmod(descriptor.number, 0o644) }
        guard try Kernel.write(bytes.span, to: descriptor.number) == bytes.count else { throw KernelError("write()", ENOSPC) }
    }
}
