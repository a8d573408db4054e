import Kernel

/// The file that tells others which process to signal (`command-line.md`, section 6).
enum PIDFile {
    /// How much of it is read: any number a process can have, and its line end.
    private static let maximumByteCount = 22

    /// This process's file, for it to publish when it serves. Errors name the path.
    static func draft(_ path: String) throws(KernelError) -> FileDraft {
        do throws(KernelError) {
            return try FileDraft(path, Array("\(OwnProcess.id)\n".utf8))
        } catch {
            throw KernelError("\(error.call) \"\(path)\"", error.number)
        }
    }

    /// Removes the file, if it is still this process's. A device or a pipe never was.
    static func remove(_ path: String) throws(KernelError) {
        guard !Files.isSpecial(path), try read(path) == OwnProcess.id else { return }
        try Files.remove(path)
    }

    /// Where the file of a master is while its new binary runs.
    static func asidePath(_ path: String) -> String { path + ".oldbin" }

    /// Makes room for the file of a new binary. A device or a pipe has room for both.
    static func putAside(_ path: String) throws(KernelError) {
        if !Files.isSpecial(path) { try Files.move(path, to: asidePath(path)) }
    }

    /// Puts the file back in place of the new binary's, if any is left.
    static func bringBack(_ path: String) throws(KernelError) {
        if !Files.isSpecial(path) { try Files.move(asidePath(path), to: path) }
    }

    /// The process that the file names; nil where it names none.
    static func read(_ path: String) throws(KernelError) -> Int32? {
        number(in: try contents(of: path))
    }

    /// As much of the file as is looked at.
    static func contents(of path: String) throws(KernelError) -> [UInt8] {
        try Files.start(of: path, byteCount: maximumByteCount)
    }

    static func number(in bytes: [UInt8]) -> Int32? {
        var text = String(decoding: bytes.prefix(maximumByteCount), as: UTF8.self)[...]
        while let last = text.last, last.isNewline { text.removeLast() }
        guard !text.isEmpty, text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = Int32(text), number > 0 else { return nil }
        return number
    }

    // MARK: Whom it names

    /// The server that runs and that the file names, if it is another than this process. One that only waits
    /// for its last sessions leaves the file to whoever comes next.
    static func server(at path: String) -> Int32? {
        guard !Files.isSpecial(path), let id = try? read(path), id != OwnProcess.id,
            (try? ProcessHandle(id)) != nil, mayBeServer(id), !isLeaving(id)
        else { return nil }
        return id
    }

    /// The title of a master that leaves.
    static let leavingTitle = "martlet: master process is shutting down"
    private static let masterTitle = Array("martlet: master process".utf8)
    private static let program = "martlet"

    /// Whether the process can be a server that serves, to be signalled: a pid file that a crash has left
    /// behind may name anybody by now. Who cannot be looked at gets the benefit of the doubt.
    static func mayBeServer(_ id: Int32) -> Bool {
        let folder = "/proc/\(id)/"
        guard let words = try? Files.start(of: folder + "cmdline", byteCount: masterTitle.count) else { return true }
        // One that has ended has no words left, even if nobody has taken note of its end.
        if words.isEmpty { return false }
        if words.starts(with: "\(program): ".utf8) { return isMaster(title: words) }
        // A process that is its own master has no title. Its program may have been replaced since.
        if Files.areSame(folder + "exe", "/proc/self/exe") == true { return true }
        guard let name = try? Files.start(of: folder + "comm", byteCount: program.utf8.count + 2) else { return true }
        return name == Array("\(program)\n".utf8)
    }

    private static func isLeaving(_ id: Int32) -> Bool {
        let title = Array(leavingTitle.utf8)
        return (try? Files.start(of: "/proc/\(id)/cmdline", byteCount: title.count)) == title
    }

    /// Whether a title is a master's. It is cut short where the arguments left it little room.
    static func isMaster(title: [UInt8]) -> Bool {
        zip(title.prefix { $0 != 0 }, masterTitle).allSatisfy(==)
    }
}
