import CKernel
import Glibc

/// How a file is opened whose path others may tamper with.
extension Files {
    /// An open file, and what it was found by.
    struct Found: ~Copyable {
        enum Origin {
            case path
            /// A reference of the kernel's in `/proc`, to which `/dev/stderr` leads.
            case kernel
            /// The same, but it cannot be opened anew: a socket, or what belongs to somebody else.
            case duplicate
        }

        let descriptor: FileDescriptor
        let origin: Origin
    }

    /// As many links as Linux follows in one path.
    private static let longestLinkChain = 40

    /// Opens a path, going through it name by name. A link is followed only where root or this process's
    /// user has made it, and nobody else can have put it there.
    static func openGuarded(_ path: String, _ flags: CInt, _ mode: mode_t) throws(KernelError) -> Found {
        let call = "open() \"\(path)\""
        func step(_ folder: CInt, _ name: String, _ flags: CInt) throws(KernelError) -> FileDescriptor {
            FileDescriptor(owning: try retrying(call) { kernel_openat(folder, name, flags | O_CLOEXEC, mode) })
        }
        func start(of path: String) throws(KernelError) -> FileDescriptor {
            try step(AT_FDCWD, path.hasPrefix("/") ? "/" : ".", passing)
        }
        var folder = try start(of: path)
        var (names, linkCount) = (names(in: path), 0)
        while true {
            let name = names.removeFirst()
            let isLast = names.isEmpty
            switch Link(name, in: folder.number, isLast: isLast) {
            case nil where isLast:
                return Found(descriptor: try step(folder.number, name, flags | O_NOFOLLOW), origin: .path)
            case nil:
                folder = try step(folder.number, name, passing | O_NOFOLLOW)
            case .ofKernel where isLast:
                do throws(KernelError) {
                    return Found(descriptor: try step(folder.number, name, flags), origin: .kernel)
                } catch {
                    guard error.mayBeShared, let number = ownDescriptor(name, in: folder.number) else { throw error }
                    return Found(descriptor: try .duplicate(of: number), origin: .duplicate)
                }
            case .ofKernel:
                folder = try step(folder.number, name, passing)
            case .trusted(let destination) where linkCount < longestLinkChain:
                linkCount += 1
                if destination.hasPrefix("/") { folder = try start(of: destination) }
                names = Self.names(in: destination) + names
            case .trusted, .foreign:
                throw KernelError(call, ELOOP)
            }
        }
    }

    /// A folder is only gone through.
    private static let passing = __O_PATH | O_DIRECTORY

    private static func names(in path: String) -> [String] {
        let names = path.split(separator: "/").map(String.init)
        // What ends in a slash must be a folder; what is empty leads nowhere.
        return path.isEmpty ? [""] : path.hasSuffix("/") ? names + ["."] : names
    }

    /// The descriptor of this process that a name in `/proc/self/fd` stands for.
    private static func ownDescriptor(_ name: String, in folder: CInt) -> CInt? {
        var (named, own) = (stat(), stat())
        guard fstat(folder, &named) == 0, stat("/proc/self/fd", &own) == 0, named.st_dev == own.st_dev, named.st_ino == own.st_ino
        else { return nil }
        return CInt(name)
    }

    /// A symbolic link on the way.
    private enum Link {
        /// What `/proc` has there is no text to follow but the kernel's own reference.
        case ofKernel
        case trusted(destination: String)
        /// Of another user, or where others may put one.
        case foreign

        init?(_ name: String, in folder: CInt, isLast: Bool) {
            var (link, holder, proc) = (stat(), stat(), stat())
            guard fstatat(folder, name, &link, AT_SYMLINK_NOFOLLOW) == 0, link.st_mode & S_IFMT == S_IFLNK,
                fstat(folder, &holder) == 0
            else { return nil }
            if stat("/proc/self", &proc) == 0, proc.st_dev == holder.st_dev {
                self = .ofKernel
                return
            }
            // Some systems let a group write to /var/log itself, whose members can still make no link of root's.
            let others: mode_t = isLast ? 0o022 : 0o002
            let isTrusted = [link.st_uid, holder.st_uid].allSatisfy { $0 == 0 || $0 == geteuid() } && holder.st_mode & others == 0
            self = isTrusted ? Link.destination(of: name, in: folder).map { .trusted(destination: $0) } ?? .foreign : .foreign
        }

        private static func destination(of name: String, in folder: CInt) -> String? {
            var text = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlinkat(folder, name, &text, text.count)
            guard count > 0, count < text.count else { return nil }
            return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}

extension KernelError {
    /// Whether a descriptor that is open already may do where its file cannot be opened anew.
    fileprivate var mayBeShared: Bool { number == ENXIO || number == EACCES }
}
