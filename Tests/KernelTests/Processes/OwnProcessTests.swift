import Foundation
import Glibc
import Testing

@testable import Kernel

@Suite struct OwnProcessTests {
    @Test func `the system is named with its release`() throws {
        #expect(try Regex("Linux [0-9]+\\.[0-9]+.*").wholeMatch(in: OwnProcess.systemName) != nil)
    }

    @Test func `who this process is, and its limits, are what the kernel says`() {
        let limits = OwnProcess.openFileLimits
        #expect(limits.soft > 0 && limits.soft <= limits.hard)
        #expect(OwnProcess.id == getpid())
        #expect(OwnProcess.parentID == getppid())
        #expect(OwnProcess.effectiveUser == geteuid())
    }

    @Test func `what cannot be is refused with the call`() {
        #expect(throws: KernelError("chdir(\"/no/such/folder\")", ENOENT)) { try OwnProcess.changeDirectory("/no/such/folder") }
    }

    @Test func `a variable is read, and a missing one is none`() {
        #expect(OwnProcess.environmentVariable("PATH") != nil)
        #expect(OwnProcess.environmentVariable("MARTLET_NO_SUCH_VARIABLE") == nil)
    }

    @Test func `the processors that it may use are those in its status`() throws {
        let status = try String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)
        let list = try #require(status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") })
        let ranges = list.split(separator: "\t")[1].split(separator: ",").map { $0.split(separator: "-").compactMap { Int($0) } }
        #expect(OwnProcess.processors == ranges.flatMap { Array($0[0]...$0[$0.count - 1]) })
        #expect(throws: KernelError("sched_setaffinity()", EINVAL)) { try OwnProcess.setProcessors([]) }
    }
}
