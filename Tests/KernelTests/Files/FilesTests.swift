import Foundation
import Glibc
import Testing

@testable import Kernel

@Suite struct FilesTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-files-\(UUID().uuidString)").path

    private func inFolder(_ body: (String) throws -> Void) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder + "/")
    }

    private func make(_ path: String, _ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }

    @Test func `a file is read whole, and what cannot be read says why`() throws {
        try inFolder { (folder) throws in
            try make(folder + "a", "\u{1}\u{2}\u{3}")
            #expect(try Files.read(folder + "a") == [1, 2, 3])
            #expect(throws: KernelError("open()", ENOENT)) { try Files.read(folder + "b") }
            #expect(throws: KernelError("pread()", EISDIR)) { try Files.read(folder) }
        }
    }

    @Test(arguments: [false, true])
    func `what a pipe has not got is not waited for`(_ hasWriter: Bool) throws {
        try inFolder { (folder) throws in
            try #require(mkfifo(folder + "a", 0o600) == 0)
            let writer = hasWriter ? open(folder + "a", O_RDWR | O_CLOEXEC) : -1
            defer { if hasWriter { close(writer) } }
            #expect(try Files.start(of: folder + "a", byteCount: 3) == [])
        }
    }

    @Test func `files, links and what is missing are nothing special`() throws {
        try inFolder { (folder) throws in
            try make(folder + "file", "")
            try FileManager.default.createSymbolicLink(atPath: folder + "link", withDestinationPath: "/dev/null")
            #expect(["file", "link", "none"].filter { Files.isSpecial(folder + $0) } == [])
            #expect(Files.isSpecial("/dev/null"))
        }
    }

    @Test func `a file that takes another's name is another`() throws {
        try inFolder { (folder) throws in
            try make(folder + "a", "")
            try make(folder + "b", "")
            let (a, b) = (Files.identity(of: folder + "a"), Files.identity(of: folder + "b"))
            #expect(a != nil && a != b && a == Files.identity(of: folder + "a"))
            try Files.move(folder + "b", to: folder + "a")
            #expect(Files.identity(of: folder + "a") == b && Files.identity(of: folder + "b") == nil)
            #expect(!Files.isSocket(folder + "a"))
        }
    }

    @Test func `the start of a file is read, whatever size it claims`() throws {
        try inFolder { (folder) throws in
            try make(folder + "a", "12345")
            #expect(try Files.start(of: folder + "a", byteCount: 3) == Array("123".utf8))
            #expect(try Files.start(of: "/proc/self/stat", byteCount: 1000).starts(with: "\(getpid()) (".utf8))
            #expect(throws: KernelError("open()", ENOENT)) { try Files.start(of: folder + "b", byteCount: 3) }
        }
    }

    @Test func `patterns give sorted paths, and none where nothing matches`() throws {
        try inFolder { (folder) throws in
            for name in ["b.conf", "a.conf", "c.txt", ".d.conf"] { try make(folder + name, "") }
            #expect(try Files.matching(folder + "*.conf") == [folder + "a.conf", folder + "b.conf"])
            #expect(try Files.matching(folder + "*.none").isEmpty)
        }
    }
}
