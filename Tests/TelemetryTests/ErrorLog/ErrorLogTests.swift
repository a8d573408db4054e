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

    @Test func `a debug record goes to those that want its class, with no context behind it`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            @LoopActor func destination(_ name: String, _ level: LogLevel, _ classes: DebugClasses) throws -> LogDestination {
                LogDestination(
                    .file(try LogFile.open(workspace.file(name))), level: level, debugClasses: classes, format: .plain, sieves: [], rate: nil)
            }
            let log = ErrorLog([
                try destination("mail.log", .debug, .mail), try destination("all.log", .debug, .all), try destination("none.log", .debug, []),
                try destination("info.log", .info, .all),
            ])
            let context = LogContext(connection: 3, client: "::1", server: "s")
            log.debug(.mail, "step", context: context)
            log.debug(.event, "accept")
            log.write(.info, "fact", context: context)
        }
        let fact = "[info] *3 fact, client: ::1, server: s"
        #expect(try records("mail.log") == ["[debug] *3 step", fact])
        #expect(try records("all.log") == ["[debug] *3 step", "[debug] accept", fact])
        #expect(try records("none.log") == [fact])
        #expect(try records("info.log") == [fact])
    }

    @Test func `a debug record that nobody wants is not even made`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            var count = 0
            func counted() -> String {
                count += 1
                return "m"
            }
            let log = ErrorLog([.init(file: try LogFile.open(workspace.file("a.log")), level: .info)])
            log.debug(.mail, counted())
            #expect(count == 0)
            log.ofDebuggedConnection.debug(.mail, counted())
            #expect(count == 1)
        }
    }

    @Test func `the log of a debugged client takes everything, at all destinations`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            let log = ErrorLog([
                .init(file: try LogFile.open(workspace.file("a.log")), level: .crit),
                .init(file: try LogFile.open(workspace.file("b.log")), level: .info),
            ])
            log.ofDebuggedConnection.debug(.event, "one")
            log.ofDebuggedConnection.write(.notice, "two")
            log.write(.error, "three")
            ErrorLog([]).ofDebuggedConnection.write(.emerg, "nowhere to go")
        }
        #expect(try records("a.log") == ["[debug] one", "[notice] two"])
        #expect(try records("b.log") == ["[debug] one", "[notice] two", "[error] three"])
    }

    @Test func `what a rate keeps out is announced at its level, and other destinations have it all`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            @LoopActor func destination(_ name: String, _ rate: LogRate?) throws -> LogDestination {
                LogDestination(
                    .file(try LogFile.open(workspace.file(name))), level: .info, debugClasses: .all, format: .plain, sieves: [], rate: rate)
            }
            let log = ErrorLog([try destination("some.log", LogRate(1, upTo: .info)), try destination("all.log", nil)])
            for number in 1...2 { log.write(.info, "\(number)") }
            for number in 3...4 { log.write(.notice, "\(number)") }
        }
        let some = try records("some.log")
        #expect(some.prefix(3) == ["[info] 1", "[info] too many log messages, limiting", "[notice] 3"])
        #expect(try records("all.log") == ["[info] 1", "[info] 2", "[notice] 3", "[notice] 4"])
    }

    @Test func `how many records a rate has kept out is told with the next one that it lets through`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            let log = ErrorLog([LogDestination(
                .file(try LogFile.open(workspace.file("a.log"))), level: .info, debugClasses: .all, format: .plain, sieves: [],
                rate: LogRate(1, upTo: .info))])
            for number in 1...5 { log.write(.info, "\(number)") }
            // For a record's room, and for another announcement.
            OwnProcess.sleep(.milliseconds(1100))
            log.write(.info, "6")
        }
        #expect(try records("a.log") == ["[info] 1", "[info] too many log messages, limiting", "[info] 4 log messages suppressed", "[info] 6"])
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
