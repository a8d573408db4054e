import CKernel
import Glibc

/// How log files are opened. Errors name the call with its path, as nginx puts it.
extension Files {
    /// Opens a log file: for appending, made if missing, 0644.
    package static func openForAppending(_ path: String) throws(KernelError) -> FileDescriptor {
        try append(to: path, named: path, flags: 0)
    }

    /// Opens a log file and gives it to the user that workers run as, so that they can open it again.
    ///
    /// Workers may have a log folder of their own, and one that was taken over may put a link, a second
    /// name or a pipe where root expects a log (CVE-2016-1247; `security.md`). So nothing that a worker
    /// can have put there is followed or waited for, and what was opened is given away, not what the
    /// path names by then.
    package static func openForAppending(_ path: String, givingTo user: UInt32) throws(KernelError) -> FileDescriptor {
        let (target, isOfKernel) = followingRootsLinks(path)
        let descriptor = try append(to: target, named: path, flags: O_NONBLOCK | O_NOCTTY | (isOfKernel ? 0 : O_NOFOLLOW))
        _ = kernel_fcntl(descriptor.number, F_SETFL, O_APPEND)
        var status = stat()
        if fstat(descriptor.number, &status) != 0 { throw KernelError("fstat() \"\(path)\"") }
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

    /// Whether the path still leads to what is open, so that there is nothing to open anew.
    package static func leads(_ path: String, to descriptor: CInt) -> Bool {
        var (named, open) = (stat(), stat())
        return stat(path, &named) == 0 && fstat(descriptor, &open) == 0
            && named.st_dev == open.st_dev && named.st_ino == open.st_ino
    }

    private static func append(to target: String, named path: String, flags: CInt) throws(KernelError) -> FileDescriptor {
        FileDescriptor(owning: try retrying("open() \"\(path)\"") {
            kernel_open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | flags, 0o644)
        })
    }

    /// As many links as Linux follows in one path.
    private static let longestLinkChain = 40

    /// Where a path leads, over such links as only root can have put there: `/dev/stderr` leads to
    /// `/proc/self/fd/2`. What `/proc` has there is no text to follow but the kernel's own reference.
    private static func followingRootsLinks(_ path: String) -> (target: String, isOfKernel: Bool) {
        var target = path
        for _ in 0..<longestLinkChain {
            let folder = target.lastIndex(of: "/").map { String(target[...$0]) } ?? "./"
            var (link, holder, proc) = (stat(), stat(), stat())
            guard lstat(target, &link) == 0, link.st_mode & S_IFMT == S_IFLNK, link.st_uid == 0,
                stat(folder, &holder) == 0, holder.st_uid == 0, holder.st_mode & 0o022 == 0
            else { break }
            if stat("/proc/self", &proc) == 0, proc.st_dev == holder.st_dev { return (target, true) }
            guard let next = destination(ofLink: target) else { break }
            target = next.hasPrefix("/") ? next : folder + next
        }
        return (target, false)
    }

    private static func destination(ofLink path: String) -> String? {
        var text = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &text, text.count)
        guard count > 0, count < text.count else { return nil }
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
