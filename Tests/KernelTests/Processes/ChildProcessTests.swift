import Testing

@testable import Kernel

@Suite struct ChildProcessTests {
    // No test forks or waits: this process has other threads, and children of other tests.
    @Test(arguments: [
        (0x0000, ChildProcess.End.exited(0)), (0x0200, .exited(2)), (0xFF00, .exited(255)),
        (0x0009, .signalled(9, dumpedCore: false)), (0x000F, .signalled(15, dumpedCore: false)),
        (0x0084, .signalled(4, dumpedCore: true)), (0x008B, .signalled(11, dumpedCore: true)),
    ] as [(CInt, ChildProcess.End)])
    func `the status of a child says how it ended`(_ status: CInt, _ end: ChildProcess.End) {
        #expect(ChildProcess.end(from: status) == end)
    }
}
