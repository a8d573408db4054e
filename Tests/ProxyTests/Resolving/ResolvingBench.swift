import Configuration
import Foundation
import Kernel
import Protocols
import Telemetry
import TestSupport
import Testing

@testable import Proxy

/// A resolver on the loop, before name servers in threads of their own.
@LoopActor final class ResolvingBench {
    let worker: WorkerServices
    let resolver: NameResolver
    let waiter = Waiter()
    let errorLog: ErrorLog
    private let logPath: String

    init(_ servers: StubNameServer..., words: String = "", room: Int = 100, patience: Duration = .seconds(30)) throws {
        worker = try .withRoom(for: room)
        let words = "\(servers.map(\.address).joined(separator: " ")) \(words)"
        let settings = try Schema(groups: [MailSettings.self]).settings("resolver \(words);", in: .server)[MailSettings.self]
        logPath = try Workspace.here().file("resolver.\(Self.counter.next()).log")
        errorLog = ErrorLog([LogDestination(file: try LogFile.open(logPath), level: .error)])
        resolver = NameResolver(try #require(settings.resolver), worker: worker, log: errorLog, patience: patience)
    }

    private nonisolated static let counter = Counter()

    func ask(_ type: DNSQuestion.RecordType, _ name: String, within limit: Duration = .seconds(30)) -> Inquiry {
        resolver.ask(DNSQuestion(type, of: DNSName(Array(name.utf8))!), within: limit, waiter: waiter)
    }

    /// Asks, and waits for the answer.
    func answer(_ type: DNSQuestion.RecordType, _ name: String, within limit: Duration = .seconds(30)) throws -> String {
        let inquiry = ask(type, name, within: limit)
        try runLoop { inquiry.answer != nil }
        return text(inquiry)
    }

    func text(_ inquiry: Inquiry) -> String {
        switch inquiry.answer {
        case .success(let values): values.map(Self.text).joined(separator: " ")
        case .failure(let failure): failure.text
        case nil: "none yet"
        }
    }

    private static func text(_ value: DNSResponse.Value) -> String {
        switch value {
        case .ipv4, .ipv6: value.address(port: 0)?.host ?? ""
        case .alias(let name), .pointer(let name): String(decoding: name.text, as: UTF8.self)
        }
    }

    var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    /// Lets time pass.
    func rest(_ duration: Duration) throws {
        var isOver = false
        let timer = LoopTimer { isOver = true }
        timer.start(after: duration)
        try runLoop { isOver }
    }

    /// Lets everything that is still under way end.
    func close() throws { try runLoop { worker.room == worker.connectionLimit } }
}
