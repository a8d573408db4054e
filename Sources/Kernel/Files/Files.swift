import CKernel
import Glibc

/// Files as a configuration, a log and a pid file need them.
public enum Files {
    /// Reads a whole file of at most the size that it has when opened.
    public static func read(_ path: String) throws(KernelError) -> [UInt8] {
        let descriptor = FileDescriptor(owning: try retrying("open()") { kernel_open(path, O_RDONLY | O_CLOEXEC, 0) })
        var status = stat()
        if fstat(descriptor.number, &status) != 0 { throw KernelError("fstat()") }
        let size = Int(status.st_size)
        var bytes = [UInt8](repeating: 0, count: size)
        var count = 0
        while count < size {
            let result = bytes.withUnsafeMutableBytes {
                pread(descriptor.number, $0.baseAddress! + count, size - count, off_t(count))
            }
            if result < 0 { throw KernelError("pread()") }
            if result == 0 { break }
            count += result
        }
        // A directory has a size, and refuses to be read only then.
        if status.st_mode & S_IFMT == S_IFDIR { throw KernelError("pread()", EISDIR) }
        bytes.removeLast(size - count)
        return bytes
    }

    /// Reads at most so many bytes, also of a file that does not say its size, as those of `/proc`. What a
    /// pipe has not got is not waited for.
    public static func start(of path: String, byteCount: Int) throws(KernelError) -> [UInt8] {
        let descriptor = FileDescriptor(owning: try retrying("open()") {
            kernel_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0)
        })
        var bytes = [UInt8](repeating: 0, count: byteCount)
        let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor.number, $0.baseAddress, $0.count) }
        if count < 0 && errno != EAGAIN { throw KernelError("read()") }
        bytes.removeLast(byteCount - max(0, count))
        return bytes
    }

    /// Whether there is something that is neither a file nor a link: it is nobody's to replace or to remove.
    public static func isSpecial(_ path: String) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0 else { return false }
        return ![S_IFREG, S_IFLNK].contains(status.st_mode & S_IFMT)
    }

    public static func isSocket(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    /// What tells a file from another that has its name later.
    public struct Identity: Sendable, Equatable {
        let device, inode: UInt
    }

    /// Which file, socket or link has that name now.
    public static func identity(of path: String) -> Identity? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        return Identity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
    }

    /// Whether two paths lead to the same file; nil where one of them cannot be looked at.
    public static func areSame(_ path: String, _ other: String) -> Bool? {
        var (one, two) = (stat(), stat())
        guard stat(path, &one) == 0, stat(other, &two) == 0 else { return nil }
        return one.st_dev == two.st_dev && one.st_ino == two.st_ino
    }

    public static func remove(_ path: String) throws(KernelError) {
        if unlink(path) != 0 { throw KernelError("unlink()") }
    }

    public static func move(_ path: String, to newPath: String) throws(KernelError) {
        if rename(path, newPath) != 0 { throw KernelError("rename()") }
    }

    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Fails as opening the file for writing would, where it cannot be made.
    public static func checkWritableFolder(of path: String) throws(KernelError) {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        if access(folder, W_OK | X_OK) != 0 { throw KernelError("open() \"\(path)\"") }
    }

    /// The paths that match a shell pattern, sorted; none where nothing matches.
    public static func matching(_ pattern: String) throws(KernelError) -> [String] {
        var result = glob_t()
        defer { globfree(&result) }
        let status = glob(pattern, 0, nil, &result)
        if status == GLOB_NOMATCH { return [] }
        guard status == 0 else { throw KernelError("glob()") }
        return (0..<Int(result.gl_pathc)).compactMap { index in
            result.gl_pathv[index].map { String(cString: $0) }
        }
    }
}
