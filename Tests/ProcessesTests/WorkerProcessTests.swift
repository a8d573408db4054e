import Kernel
import TestSupport
import Testing

@testable import Processes

@Suite struct WorkerProcessTests {
    @Test(arguments: [
        (0, 0), (1, 0), (2, 100), (3, 200), (4, 400), (8, 6400), (9, 10_000), (20, 10_000), (1_000_000, 10_000),
    ])
    func `a worker that dies again and again is replaced after a growing pause`(_ failures: Int, _ milliseconds: Int) throws {
        try onLoop {
            #expect(Respawn(after: failures).pause == .milliseconds(milliseconds))
        }
    }

    @Test(arguments: [
        (.exited(0), "exited with code 0", true), (.exited(2), "exited with code 2", true),
        (.signalled(9, dumpedCore: false), "exited on signal 9", false),
        (.signalled(11, dumpedCore: true), "exited on signal 11 (core dumped)", false),
    ] as [(Kernel.ChildProcess.End, String, Bool)])
    func `an end is told in nginx's words`(_ end: Kernel.ChildProcess.End, _ words: String, _ isOrdinary: Bool) {
        #expect(end.words == words)
        #expect(end.isOrdinary == isOrdinary)
    }
}
