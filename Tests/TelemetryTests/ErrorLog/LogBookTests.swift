import Configuration
import Kernel
import TestSupport
import Testing

@testable import Telemetry

@Suite(.ownWorkspace) struct LogBookTests {
    @LoopActor private func book(isTest: Bool = false, continuing older: LogBook? = nil) throws -> LogBook {
        LogBook(isTest: isTest, standardPath: try Workspace.here().file("standard.log"), continuing: older)
    }

    /// The settings of these directives; `FOLDER` is the workspace.
    private func settings(_ directives: String) throws -> ErrorLogSettings {
        let text = directives.replacing("FOLDER", with: try Workspace.here().path)
        return try Schema(groups: [ErrorLogSettings.self]).settings(text, in: .main)[ErrorLogSettings.self]
    }

    @LoopActor private func names(_ log: ErrorLog) throws -> [String] {
        let folder = try Workspace.here().path
        return log.destinations.map { destination in
            switch destination.sink {
            case .file(let file): (file.path ?? "stderr").replacing(folder + "/", with: "")
            case .syslog(let socket): "syslog \(socket.server.name)"
            case .memory(let ring): "memory \(ring.byteCount)"
            }
        }
    }

    @Test(arguments: [
        ("", ["standard.log"]), ("error_log FOLDER/a.log;", ["a.log"]), ("error_log stderr;", ["stderr"]),
        ("error_log syslog:server=127.0.0.1;", ["syslog 127.0.0.1", "standard.log"]),
        ("error_log memory:4k; error_log syslog:server=127.0.0.1;", ["memory 4096", "syslog 127.0.0.1", "standard.log"]),
        ("error_log memory:4k; error_log FOLDER/a.log;", ["memory 4096", "a.log"]),
    ])
    func `the main log always has a file, and servers inherit it whole`(_ directives: String, _ expected: [String]) throws {
        try onLoop {
            let book = try book()
            #expect(try names(try book.openMain(try settings(directives))) == expected)
            #expect(try names(try book.open(try settings(directives))) == expected)
        }
    }

    @Test func `the log of a server may be nothing but syslog`() throws {
        try onLoop {
            let book = try book()
            _ = try book.openMain(try settings(""))
            #expect(try names(try book.open(try settings("error_log syslog:server=127.0.0.1;"))) == ["syslog 127.0.0.1"])
        }
    }

    @Test func `logs that say the same share a destination, others share its file`() throws {
        try onLoop {
            let book = try book()
            let main = try book.openMain(try settings("error_log FOLDER/a.log info rate=5;"))
            let same = try book.open(try settings("error_log FOLDER/a.log info rate=5;"))
            let other = try book.open(try settings("error_log FOLDER/a.log info rate=6;"))
            #expect(main.destinations[0] === same.destinations[0])
            #expect(main.destinations[0] !== other.destinations[0])
            #expect(main.destinations[0].file === other.destinations[0].file)
        }
    }

    @Test func `a ring goes on where the next generation asks for the same one, and no longer`() throws {
        try onLoop {
            @LoopActor func ring(_ log: ErrorLog) -> SharedRing? {
                if case .memory(let ring) = log.destinations[0].sink { ring } else { nil }
            }
            let first = try book()
            let one = ring(try first.openMain(try settings("error_log memory:4k;")))
            let second = try book(continuing: first)
            #expect(ring(try second.openMain(try settings("error_log memory:4k;"))) === one)
            let third = try book(continuing: second)
            #expect(ring(try third.openMain(try settings("error_log memory:8k;"))) !== one)
            third.complete()
            #expect(ring(try third.open(try settings("error_log memory:4k;"))) !== one)
        }
    }

    @Test func `faults of syslog are told in the main log's files, and not to syslog`() throws {
        try onLoop {
            let book = try book()
            let none = "error_log syslog:server=unix:FOLDER/none"
            _ = try book.openMain(try settings("\(none) info; error_log FOLDER/main.log info;"))
            let log = try book.open(try settings("\(none) debug;"))
            book.complete()
            log.write(.info, "lost")
        }
        let lines = (try Workspace.here().contents("main.log") ?? "").split(separator: "\n")
        #expect(lines.count == 1 && lines[0].contains("connect() failed (2: No such file or directory) while logging to syslog, server: unix:"))
    }

    @Test func `a test makes neither files nor rings`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            let book = try book(isTest: true)
            let log = try book.openMain(try settings("error_log FOLDER/a.log; error_log memory:4k;"))
            #expect(log.destinations.isEmpty && !Files.exists(workspace.file("a.log")))
            #expect(throws: ConfigurationError.self) { try book.open(try settings("error_log FOLDER/none/a.log;")) }
        }
    }
}
