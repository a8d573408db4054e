import Glibc
import TestSupport
import Testing

@testable import Kernel

@Suite(.ownWorkspace) struct FileDraftTests {
    private let text = Array("7\n".utf8)

    private func names() throws -> [String] { try Files.matching(Workspace.here().file("*")).map { String($0.split(separator: "/").last ?? "") } }

    @Test func `a draft takes the place of a file when it is published, and not before`() throws {
        let workspace = try Workspace.here()
        let path = try workspace.write("old", to: "pid")
        let draft = try FileDraft(path, text)
        #expect(workspace.contents("pid") == "old")
        try draft.publish()
        #expect(workspace.contents("pid") == "7\n")
        #expect(try names() == ["pid"])
    }

    @Test func `a draft that is given up leaves all as it was`() throws {
        let workspace = try Workspace.here()
        let path = try workspace.write("old", to: "pid")
        do { _ = try FileDraft(path, text) }
        #expect(workspace.contents("pid") == "old")
        #expect(try names() == ["pid"])
    }

    @Test func `a link in the place of either name is not followed`() throws {
        let workspace = try Workspace.here()
        let path = workspace.file("pid")
        try workspace.write("safe", to: "victim")
        for name in [path, "\(path).\(getpid()).tmp"] { try #require(symlink(workspace.file("victim"), name) == 0) }
        try FileDraft(path, text).publish()
        #expect(workspace.contents("pid") == "7\n" && workspace.contents("victim") == "safe")
        #expect(try names() == ["pid", "victim"])
    }

    @Test func `a pipe is written into and stays`() throws {
        let path = try Workspace.here().file("pid")
        try #require(mkfifo(path, 0o600) == 0)
        let reader = FileDescriptor(owning: open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC))
        try FileDraft(path, text).publish()
        var bytes = [UInt8](repeating: 0, count: 8)
        #expect(read(reader.number, &bytes, bytes.count) == 2)
        #expect(Array(bytes.prefix(2)) == text)
        #expect(try names() == ["pid"])
        #expect(Files.isSpecial(path))
    }

    @Test func `what cannot be written says so at once`() throws {
        let workspace = try Workspace.here()
        #expect(throws: KernelError("open()", ENOENT)) { try FileDraft(workspace.file("none/pid"), text) }
        #expect(throws: KernelError("open()", EISDIR)) { try FileDraft(workspace.path, text) }
    }
}
