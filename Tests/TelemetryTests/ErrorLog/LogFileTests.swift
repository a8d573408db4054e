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
            #expect(throws: KernelError("open()", ENOENT)) { try LogFile.open(path) }
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
            #expect(throws: KernelError("open()", ENOENT)) { try file.reopen(owner: nil) }
            file.write(Array("one\n".utf8), at: 1)
        }
        #expect(workspace.contents("moved/a.log") == "one\n")
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
