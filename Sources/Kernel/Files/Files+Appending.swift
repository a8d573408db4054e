import CKernel
import Glibc

/// How log files are opened. Errors name the call with its path, as nginx puts it.
extension Files {
    /// Opens a log file: for appending, made if missing, 0644.
    ///
    /// Workers may have a log folder of their own, and one that was taken over may put a link or a pipe
    /// where root expects a log (CVE-2016-1247; `security.md`). So nothing that somebody else can have put
    /// there is followed or waited for.
    public static func openForAppending(_ path: String) throws(KernelError) -> FileDescriptor {
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
        let found = try openGuarded(path, flags, 0o644)
        let mayBlock = switch found.origin {
        // Whoever reads a pipe that has a name may be anybody, so that writing to it does not wait either.
        case .path: try status(of: found.descriptor, path).st_mode & S_IFMT != S_IFIFO
        case .kernel: true
        case .duplicate: false
        }
        if mayBlock { _ = kernel_fcntl(found.descriptor.number, F_SETFL, O_APPEND) }
        return found.descriptor
    }

    /// Opens a log file and gives it to the user that workers run as, so that they can open it again. What
    /// was opened is given away, not what the path names by then, and a file of two names is not.
    public static func openForAppending(_ path: String, givingTo user: UInt32) throws(KernelError) -> FileDescriptor {
        let descriptor = try openForAppending(path)
        let status = try status(of: descriptor, path)
        guard status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 else { return descriptor }
        if status.st_uid != user && fchown(descriptor.number, user, gid_t.max) != 0 {
            throw KernelError("chown(\"\(path)\", \(user))")
        }
        let ownerMayUse = mode_t(0o600)
        if status.st_mode & ownerMayUse != ownerMayUse && fchmod(descriptor.number, status.st_mode & 0o7777 | ownerMayUse) != 0 {
            throw KernelError("chmod() \"\(path)\"")
        }
        return descriptor
    }

    private static func status(of descriptor: borrowing FileDescriptor, _ path: String) throws(KernelError) -> stat {
        var status = stat()
        if fstat(descriptor.number, &status) != 0 { throw KernelError("fstat() \"\(path)\"") }
        return status
    }

    /// Whether the path still leads to what is open, so that there is nothing to open anew.
    public static func leads(_ path: String, to descriptor: CInt) -> Bool {
        var (named, open) = (stat(), stat())
        return stat(path, &named) == 0 && fstat(descriptor, &open) == 0
            && named.st_dev == open.st_dev && named.st_ino == open.st_ino
    }
}
