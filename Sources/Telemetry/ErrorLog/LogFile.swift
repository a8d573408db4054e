public import Kernel

/// A file that records go to, each with one write. Several logs may share it.
@LoopActor public final class LogFile {
    /// Nil for the standard error, which is never opened or closed.
    public nonisolated let path: String?
    private var descriptor: FileDescriptor?
    /// The second in which the disk was found full: until it ends nothing is tried again.
    private var fullSince = 0

    private init(path: String?, descriptor: consuming FileDescriptor?) {
        self.path = path
        self.descriptor = descriptor
    }

    /// The standard error.
    public static let standardError = LogFile(path: nil, descriptor: nil)

    /// Opens a file, or makes it.
    public static func open(_ path: String) throws(KernelError) -> LogFile {
        LogFile(path: path, descriptor: try Files.openForAppending(path))
    }

    /// Opens the path anew, after the file was moved away. Where that fails, the old one stays in use.
    /// - Parameter owner: the user to whom root gives the file, so that workers can do the same.
    public func reopen(owner: UInt32?) throws(KernelError) {
        guard let path else { return }
        if let owner {
            descriptor = try Files.openForAppending(path, givingTo: owner)
        } else if !isInPlace(path) {
            descriptor = try Files.openForAppending(path)
        }
    }

    /// Whether nobody has moved the file away. A worker has no right to open some of those again that its
    /// master has opened, `/dev/stderr` for one, and no need.
    private func isInPlace(_ path: String) -> Bool {
        guard let number = descriptor?.number else { return false }
        return Files.leads(path, to: number)
    }

    /// Makes what this process writes to its standard error go to this file.
    public func takeOverStandardError() throws(KernelError) {
        try descriptor?.duplicate(onto: FileDescriptor.standardError)
    }

    func write(_ line: [UInt8], at second: Int) {
        if second == fullSince { return }
        do throws(KernelError) {
            _ = try Kernel.write(line.span, to: descriptor?.number ?? FileDescriptor.standardError)
        } catch {
            if error.number == KernelError.outOfSpace { fullSince = second }
        }
    }
}
