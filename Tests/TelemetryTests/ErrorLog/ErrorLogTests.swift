import Glibc
import Kernel
import TestSupport
import Testing

@testable import Telemetry

@Suite(.ownWorkspace) struct ErrorLogTests {
    /// The levels and messages that a file holds.
    private func records(_ name: String) throws -> [String] {
        let text = try Workspace.here().contents(name) ?? ""
        return text.split(separator: "\n").map { line in
            line.split(separator: " ", maxSplits: 4).enumerated().filter { [2, 4].contains($0.offset) }.map { String($0.element) }
                .joined(separator: " ")
        }
    }

    @Test func `each destination takes what its level admits`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            let log = ErrorLog([
                .init(file: try LogFile.open(workspace.file("crit.log")), level: .crit),
                .init(file: try LogFile.open(workspace.file("notice.log")), level: .notice),
            ])
            for level in [LogLevel.emerg, .crit, .error, .notice, .info] { log.write(level, "m") }
        }
        #expect(try records("crit.log") == ["[emerg] m", "[crit] m"])
        #expect(try records("notice.log") == ["[emerg] m", "[crit] m", "[error] m", "[notice] m"])
    }

    @Test func `a message that nobody takes is not even made`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            var made: [String] = []
            func message(_ text: String) -> String {
                made.append(text)
                return text
            }
            let log = ErrorLog([.init(file: try LogFile.open(workspace.file("a.log")), level: .error)])
            log.write(.warn, message("not taken"))
            log.write(.error, message("taken"))
            ErrorLog([]).write(.emerg, message("nowhere to go"))
            #expect(made == ["taken"])
        }
    }

    @Test func `a failed call is told with its reason, and the context last`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            let log = ErrorLog([.init(file: try LogFile.open(workspace.file("a.log")), level: .info)])
            log.write(.alert, KernelError("accept4()", EMFILE))
            log.write(.info, KernelError("recv()", ECONNRESET), context: LogContext(connection: 3, client: "::1", server: "[::1]:25"))
        }
        #expect(try records("a.log") == [
            "[alert] accept4() failed (24: Too many open files)",
            "[info] *3 recv() failed (104: Connection reset by peer), client: ::1, server: [::1]:25",
        ])
    }

    @Test(arguments: LogLevel.allCases)
    func `until the server runs the terminal hears of warnings and worse`(_ level: LogLevel) throws {
        try onLoop {
            let (silent, told) = (ErrorLog([]), ErrorLog.forTerminalOnly())
            #expect(!silent.reachesTerminal(level))
            #expect(told.reachesTerminal(level) == (level <= .warn))
            told.copiesToTerminal = false
            #expect(!told.reachesTerminal(level))
        }
    }
}
