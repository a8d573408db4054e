import Kernel

/// The file that tells others which process to signal (`command-line.md`, section 6).
enum PIDFile {
    /// How much of it is read: any number a process can have, and its line end.
    private static let maximumByteCount = 22

    static func write(_ path: String) throws(KernelError) {
        try Files.replace(path, with: Array("\(OwnProcess.id)\n".utf8))
    }

    /// Removes the file, if it is still this process's. A device or a pipe never was.
    static func remove(_ path: String) throws(KernelError) {
        guard !Files.isSpecial(path), try read(path) == OwnProcess.id else { return }
        try Files.remove(path)
    }

    /// The process that the file names; nil where it names none.
    static func read(_ path: String) throws(KernelError) -> Int32? {
        number(in: try Files.read(path))
    }

    static func number(in bytes: [UInt8]) -> Int32? {
        var text = String(decoding: bytes.prefix(maximumByteCount), as: UTF8.self)[...]
        while let last = text.last, last.isNewline { text.removeLast() }
        guard !text.isEmpty, text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = Int32(text), number > 0 else { return nil }
        return number
    }
}
