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
            #expect(throws: KernelError("open() \"\(path)\"", ELOOP)) { try file.reopen(owner: nil) }
            #expect(throws: KernelError("open() \"\(path)\"", ELOOP)) { try LogFile.open(path) }
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
            #expect(throws: KernelError("open() \"\(path)\"", ENXIO)) { try file.reopen(owner: nil) }
            #expect(throws: KernelError("open() \"\(path)\"", ENXIO)) { try LogFile.open(path) }
        }
    }

    @Test func `a pipe whose reader reads nothing holds nobody up`() throws {
        let path = try Workspace.here().file("a.log")
        try #require(mkfifo(path, 0o600) == 0)
        let reader = FileDescriptor(owning: open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC))
        try onLoop {
            let file = try LogFile.open(path)
            // More than a pipe holds.
            for _ in 1...200 { file.write([UInt8](repeating: 0x78, count: 1000), at: 1) }
        }
        var bytes = [UInt8](repeating: 0, count: 1000)
        #expect(read(reader.number, &bytes, bytes.count) == 1000)
    }

    @Test(arguments: [("folder", 0o755, true), ("folder", 0o775, true), ("folder", 0o777, false)] as [(String, mode_t, Bool)])
    func `a folder is found by a link where not everybody could have put one`(_ name: String, _ mode: mode_t, _ isFollowed: Bool) throws {
        let workspace = try Workspace.here()
        let folder = workspace.file("shared")
        for path in [folder, workspace.file("target")] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        }
        try #require(chmod(folder, mode) == 0)
        try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "../target")
        let path = folder + "/link/a.log"
        try onLoop {
            if isFollowed {
                try LogFile.open(path).write(Array("one\n".utf8), at: 1)
            } else {
                #expect(throws: KernelError("open() \"\(path)\"", ELOOP)) { try LogFile.open(path) }
            }
        }
        #expect(workspace.contents("target/a.log") == (isFollowed ? "one\n" : nil))
    }

    @Test func `links that lead to each other lead nowhere`() throws {
        let workspace = try Workspace.here()
        for (name, other) in [("a.log", "b.log"), ("b.log", "a.log")] {
            try FileManager.default.createSymbolicLink(atPath: workspace.file(name), withDestinationPath: other)
        }
        let path = workspace.file("a.log")
        try onLoop { #expect(throws: KernelError("open() \"\(path)\"", ELOOP)) { try LogFile.open(path) } }
    }

    @Test(.enabled(if: getuid() == 0)) func `a link of another user's is not followed, whose folder it may be`() throws {
        let workspace = try Workspace.here()
        let folder = workspace.file("theirs")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        for name in ["theirs.log", "ours.log"] {
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(name)", withDestinationPath: workspace.file("victim"))
        }
        try #require(lchown(folder + "/theirs.log", 65534, 65534) == 0 && chown(folder, 65534, 65534) == 0)
        try onLoop {
            for path in ["theirs.log", "ours.log"].map({ "\(folder)/\($0)" }) {
                #expect(throws: KernelError("open() \"\(path)\"", ELOOP)) { try LogFile.open(path) }
            }
            // A file of theirs is a log like any other.
            try LogFile.open(folder + "/a.log").write(Array("one\n".utf8), at: 1)
        }
        #expect(workspace.contents("theirs/a.log") == "one\n" && workspace.contents("victim") == nil)
    }

    @Test func `paths that name no file say so`() throws {
        let workspace = try Workspace.here()
        try workspace.write("", to: "file")
        try onLoop {
            for (path, reason) in [
                ("", ENOENT), ("/", EISDIR), (workspace.path, EISDIR), (workspace.path + "/", EISDIR),
                (workspace.file("file/a.log"), ENOTDIR), (workspace.file("none/a.log"), ENOENT),
            ] {
                #expect(throws: KernelError("open() \"\(path)\"", reason)) { try LogFile.open(path) }
            }
            _ = try LogFile.open(workspace.path + "//./file")
            _ = try LogFile.open(workspace.path + "/../" + (workspace.path.split(separator: "/").last ?? "") + "/file")
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

    @Test func `a socket that is open already takes records by its name in proc`() throws {
        try onLoop {
            let pair = try Channel.makePair()
            let one = FileDescriptor(owning: pair.0), other = FileDescriptor(owning: pair.1)
            let file = try LogFile.open("/proc/self/fd/\(one.number)")
            file.write(Array("one\n".utf8), at: 1)
            var bytes = [UInt8](repeating: 0, count: 10)
            #expect(read(other.number, &bytes, bytes.count) == 4)
        }
    }

    @Test(arguments: ["/dev/null", "/dev/stderr", "/dev/stdout"])
    func `what every system has is opened`(_ path: String) throws {
        try onLoop {
            let file = try LogFile.open(path)
            try file.reopen(owner: nil)
        }
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
