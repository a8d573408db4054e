import Foundation
import Glibc
import Kernel
import TestSupport
import Testing

@testable import Telemetry

@Suite(.ownWorkspace) struct LogFileTests {
    @Test func `lines are appended, to what is there too`() throws {
        let workspace = try Workspace.here()
        let path = try workspace.write("old\n", to: "a.log")
        try onLoop {
            let file = try LogFile.open(path)
            file.write(Array("one\n".utf8), at: 1)
            file.write(Array("two\n".utf8), at: 1)
        }
        #expect(workspace.contents("a.log") == "old\none\ntwo\n")
    }

    @Test func `a file that cannot be made says why`() throws {
        let path = try Workspace.here().file("none/a.log")
        try onLoop {
            #expect(throws: KernelError("open() \"\(path)\"", ENOENT)) { try LogFile.open(path) }
        }
    }

    @Test func `after a rename, a reopened file is a new one`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            let file = try LogFile.open(workspace.file("a.log"))
            file.write(Array("one\n".utf8), at: 1)
            try Files.move(workspace.file("a.log"), to: workspace.file("a.log.1"))
            file.write(Array("two\n".utf8), at: 1)
            try file.reopen(owner: getuid())
            file.write(Array("three\n".utf8), at: 1)
        }
        #expect(workspace.contents("a.log.1") == "one\ntwo\n")
        #expect(workspace.contents("a.log") == "three\n")
    }

    @Test func `where reopening fails, the old file stays in use`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            try FileManager.default.createDirectory(atPath: workspace.file("logs"), withIntermediateDirectories: false)
            let file = try LogFile.open(workspace.file("logs/a.log"))
            try Files.move(workspace.file("logs"), to: workspace.file("moved"))
            let call = "open() \"\(workspace.file("logs/a.log"))\""
            #expect(throws: KernelError(call, ENOENT)) { try file.reopen(owner: nil) }
            file.write(Array("one\n".utf8), at: 1)
        }
        #expect(workspace.contents("moved/a.log") == "one\n")
    }

    /// A folder in which others may put links, as a log folder of the worker's is.
    private func sharedFolder() throws -> String {
        let folder = try Workspace.here().file("shared")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        try #require(chmod(folder, 0o777) == 0)
        return folder
    }

    private func mode(of path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test(arguments: ["victim", "none"])
    func `a link that a worker may have put in the place of a log is not followed by its master`(_ target: String) throws {
        let workspace = try Workspace.here()
        let path = try sharedFolder() + "/a.log"
        try workspace.write("safe\n", to: "victim")
        try onLoop {
            let file = try LogFile.open(path)
            try Files.move(path, to: path + ".1")
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: workspace.file(target))
            #expect(throws: KernelError("open() \"\(path)\"", ELOOP)) { try file.reopen(owner: getuid()) }
            file.write(Array("one\n".utf8), at: 1)
        }
        #expect(workspace.contents("victim") == "safe\n")
        #expect(workspace.contents("none") == nil)
        #expect(workspace.contents("shared/a.log.1") == "one\n")
    }

    @Test func `a pipe in the place of a log does not hold the master up`() throws {
        let path = try sharedFolder() + "/a.log"
        try onLoop {
            let file = try LogFile.open(path)
            try Files.remove(path)
            try #require(mkfifo(path, 0o666) == 0)
            #expect(throws: KernelError("open() \"\(path)\"", ENXIO)) { try file.reopen(owner: getuid()) }
        }
    }

    @Test func `a file of two names is given to nobody`() throws {
        let workspace = try Workspace.here()
        let path = try sharedFolder() + "/a.log"
        let victim = try workspace.write("", to: "victim")
        try #require(chmod(victim, 0o200) == 0)
        try onLoop {
            let file = try LogFile.open(path)
            try Files.remove(path)
            try #require(link(victim, path) == 0)
            try file.reopen(owner: getuid())
        }
        #expect(mode(of: victim) == 0o200)
    }

    @Test func `a log that is given away may be read and written by its owner`() throws {
        let path = try Workspace.here().write("", to: "a.log")
        try #require(chmod(path, 0o200) == 0)
        try onLoop { try LogFile.open(path).reopen(owner: getuid()) }
        #expect(mode(of: path) == 0o600)
    }

    /// Who is not root owns no link that is safe to follow, and gives no logs away either.
    @Test(.enabled(if: getuid() == 0)) func `root's links in root's folders are followed`() throws {
        let workspace = try Workspace.here()
        try FileManager.default.createSymbolicLink(atPath: workspace.file("a.log"), withDestinationPath: "b.log")
        try FileManager.default.createSymbolicLink(atPath: workspace.file("b.log"), withDestinationPath: workspace.file("c.log"))
        try onLoop {
            let file = try LogFile.open(workspace.file("a.log"))
            try Files.remove(workspace.file("c.log"))
            try file.reopen(owner: 65534)
            file.write(Array("one\n".utf8), at: 1)
        }
        #expect(workspace.contents("c.log") == "one\n")
        let owner = try FileManager.default.attributesOfItem(atPath: workspace.file("c.log"))[.ownerAccountID] as? Int
        #expect(owner == 65534)
    }

    @Test(.enabled(if: getuid() == 0)) func `a link to a descriptor of this process's is followed`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            let target = try Files.openForAppending(workspace.file("target"))
            try FileManager.default.createSymbolicLink(
                atPath: workspace.file("a.log"), withDestinationPath: "/proc/self/fd/\(target.number)")
            let file = try LogFile.open(workspace.file("a.log"))
            try file.reopen(owner: getuid())
            file.write(Array("one\n".utf8), at: 1)
        }
        #expect(workspace.contents("target") == "one\n")
    }

    @Test func `the standard error is never opened anew`() throws {
        try onLoop {
            try LogFile.standardError.reopen(owner: nil)
            #expect(LogFile.standardError.path == nil)
        }
    }

    @Test func `a full disk is tried again in the next second, and not before`() throws {
        // /dev/full, until the link leads to a file instead: writing then would succeed.
        let workspace = try Workspace.here()
        try FileManager.default.createSymbolicLink(atPath: workspace.file("a.log"), withDestinationPath: "/dev/full")
        try onLoop {
            let file = try LogFile.open(workspace.file("a.log"))
            file.write(Array("lost\n".utf8), at: 7)
            try Files.remove(workspace.file("a.log"))
            try file.reopen(owner: nil)
            file.write(Array("not tried\n".utf8), at: 7)
            file.write(Array("kept\n".utf8), at: 8)
        }
        #expect(workspace.contents("a.log") == "kept\n")
    }
}
