import Kernel
import Testing

@testable import martlet_bench

@Suite struct ProcessUseTests {
    private static let rollup = "7f00-7fff ---p 00000000 00:00 0  [rollup]\nRss:   5000 kB\nPss:   1234 kB\nPss_Dirty:  9 kB\n"
    private static let sockets = "sockets: used 6\nTCP: inuse 4 orphan 0 tw 0 alloc 5 mem 177\nUDP: inuse 0 mem 3\n"

    @Test(arguments: [
        ("Pss:", rollup, "", 1234), ("Pss:", "Rss: 1 kB\n", "", nil), ("Pss:", "Pss: none\n", "", nil), ("Pss:", "Pss:", "", nil),
        ("mem", sockets, "TCP:", 177), ("mem", sockets, "UDP:", 3), ("mem", sockets, "RAW:", nil),
    ] as [(String, String, String, Int?)])
    func `a number stands behind its name, in the line that is meant`(
        _ name: String, _ text: String, _ start: String, _ number: Int?
    ) {
        #expect(ProcessUse.number(name, in: text, ofLine: start) == number)
    }

    @Test func `the kernel uses memory, too`() throws { #expect(try ProcessUse.kernelMemory() > 0) }

    @Test func `a process that works uses time and memory`() throws {
        #expect(try ProcessUse.processorTime(of: OwnProcess.id) > 0)
        #expect(try ProcessUse.memory(of: OwnProcess.id) > 0)
    }
}
