import Testing

@testable import Telemetry

@Suite struct LogLevelTests {
    @Test func `levels have nginx's names, most severe first`() {
        #expect(LogLevel.allCases.map(\.name) == ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"])
        #expect(LogLevel.allCases == LogLevel.allCases.sorted())
        #expect(LogLevel.emerg < .debug && !(LogLevel.warn < .warn))
    }

    @Test(arguments: LogLevel.allCases)
    func `a level is known by its name`(_ level: LogLevel) {
        #expect(LogLevel(named: level.name) == level)
    }

    @Test(arguments: ["", "ERROR", "warning", "error ", "stderr", "debug_mail"])
    func `any other word is none`(_ word: String) {
        #expect(LogLevel(named: word) == nil)
    }
}
