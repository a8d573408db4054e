import Foundation
import Glibc
import Kernel
import TestSupport
import Testing

@testable import Processes

@Suite(.ownWorkspace) struct PIDFileTests {
    @Test(arguments: [
        ("1\n", 1), ("4711\r\n", 4711), ("4711", 4711), ("4711\n\n", 4711), ("0042\n", 42), ("2147483647\n", .max),
        ("", nil), ("\n", nil), ("0\n", nil), ("-1\n", nil), ("+1\n", nil), ("12 \n", nil), (" 12\n", nil), ("12a\n", nil),
        ("1\n2\n", nil), ("2147483648\n", nil), ("99999999999999999999999999\n", nil), ("1\u{0}\n", nil), ("１\n", nil),
    ] as [(String, Int32?)])
    func `a file names a process by its digits, or names none`(_ text: String, _ number: Int32?) {
        #expect(PIDFile.number(in: Array(text.utf8)) == number)
    }

    @Test func `no more of a file is read than a number can take`() {
        #expect(PIDFile.number(in: Array((String(repeating: "0", count: 21) + "7").utf8)) == 7)
        #expect(PIDFile.number(in: Array((String(repeating: "0", count: 21) + "78\n").utf8)) == 7)
    }

    @Test func `this process writes its number, reads it and removes it`() throws {
        let path = try Workspace.here().file("a.pid")
        try PIDFile.draft(path).publish()
        #expect(try Workspace.here().contents("a.pid") == "\(getpid())\n")
        #expect(try PIDFile.read(path) == getpid())
        try PIDFile.remove(path)
        #expect(!Files.exists(path))
        #expect(throws: KernelError("open()", ENOENT)) { try PIDFile.read(path) }
    }

    @Test func `what is no file is neither read nor removed at the end`() throws {
        let path = try Workspace.here().file("a.pid")
        try #require(mkfifo(path, 0o600) == 0)
        try PIDFile.remove(path)
        #expect(Files.exists(path))
    }

    @Test(arguments: [
        ("martlet: master process /usr/sbin/martlet", true), ("martlet: mas", true), ("martlet: worker process", false),
        ("martlet: worker", false),
    ])
    func `a title tells a master from its workers`(_ title: String, _ isMaster: Bool) {
        #expect(PIDFile.isMaster(title: Array(title.utf8)) == isMaster)
    }

    @Test func `another program is no server, and who cannot be looked at may be one`() throws {
        let stranger = try ChildProcess(["sleep", "100"], in: try Workspace.here())
        try eventually("sleep") { ProcessView(stranger.pid).title.hasPrefix("sleep") }
        #expect(!PIDFile.mayBeServer(stranger.pid))
        #expect(PIDFile.mayBeServer(getpid()))
        #expect(PIDFile.mayBeServer(.max))
    }

    @Test func `one that has ended is no server, though nobody has taken note of it`() throws {
        let child = try ChildProcess(["true"], in: try Workspace.here())
        try eventually("its end") { !ProcessView(child.pid).isAlive }
        #expect(ProcessView(child.pid).parent == getpid())
        #expect(!PIDFile.mayBeServer(child.pid))
    }

    @Test func `another's file stays`() throws {
        let path = try Workspace.here().write("1\n", to: "a.pid")
        try PIDFile.remove(path)
        #expect(Files.exists(path))
    }
}
