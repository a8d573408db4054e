import Glibc
import TestSupport
import Testing

@testable import Kernel

@Suite(.ownWorkspace) struct ProcessHandleTests {
    @Test func `a signal reaches the process that is held`() throws {
        let child = try TestSupport.ChildProcess(["sleep", "100"], in: try Workspace.here())
        let handle = try ProcessHandle(child.pid)
        try handle.send(.terminate)
        #expect(try child.awaitExit() == .signal(SIGTERM))
        // Whoever has its number from now on is another.
        let expected = KernelError("kill(\(child.pid), 15)", ESRCH)
        do throws(KernelError) {
            try handle.send(.terminate)
            Issue.record("a signal to the dead")
        } catch { #expect(error == expected) }
    }

    @Test func `nobody holds who is not there`() {
        do throws(KernelError) {
            _ = try ProcessHandle(.max)
            Issue.record("a hold on nobody")
        } catch { #expect(error == KernelError("kill(\(Int32.max), 0)", ESRCH)) }
    }
    @Test func `the sockets of another process are known, and of one that cannot be seen all may be`() throws {
        let (passed, kept) = (try Socket.listen(at: .port(0)), try Socket.listen(at: .port(0)))
        let child = try TestSupport.ChildProcess(["sleep", "100"], descriptors: [passed.descriptor], in: try Workspace.here())
        func inode(_ socket: Socket) throws -> UInt64? {
            try ListeningSocket.adopt(FileDescriptor.duplicate(of: socket.descriptor).release()).inode
        }
        let inodes = [try inode(passed), try inode(kept)]
        #expect(inodes[0] != nil && inodes[0] != inodes[1])
        try eventually("the program's start") { inodes.map(ProcessSockets(of: child.pid).mayHold) == [true, false] }
        #expect(inodes.map(ProcessSockets(of: .max).mayHold) == [true, true])
    }
}
