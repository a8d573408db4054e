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
}
