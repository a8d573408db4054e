import Kernel
import Testing

@testable import martlet_bench

@Suite struct ProcessUseTests {
    @Test(arguments: [
        ("7f00-7fff ---p 00000000 00:00 0  [rollup]\nRss:   5000 kB\nPss:   1234 kB\nPss_Dirty:  9 kB\n", 1_263_616), ("Rss: 1 kB\n", nil),
        ("Pss: none\n", nil),
    ] as [(String, Int?)])
    func `memory is the line of what is shared in parts`(_ text: String, _ byteCount: Int?) {
        #expect(ProcessUse.proportionalSize(in: text) == byteCount)
    }

    @Test func `a process that works uses time and memory`() throws {
        #expect(try ProcessUse.processorTime(of: OwnProcess.id) > 0)
        #expect(try ProcessUse.memory(of: OwnProcess.id) > 0)
    }
}
