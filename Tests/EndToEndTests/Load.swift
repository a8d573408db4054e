import TestSupport
import Testing

/// Clients that log in one after the other, in several threads, until they are told to stop. Whoever is
/// refused, cut off or answered otherwise than he should be is noted.
final class Load: Sendable {
    private let failures = Notes()
    private let orders = Notes()
    private let logins = Counter()
    private let finished = Counter()
    private let threadCount: Int

    init(threads: Int = 4, _ client: @escaping @Sendable () throws -> LineClient) {
        threadCount = threads
        for _ in 0..<threads {
            onNewThread { [self] in
                while orders["stop"].isEmpty {
                    do { try client().converse("C: x\nS: x") } catch { failures.add("\(error)", to: "login") }
                    _ = logins.next()
                }
                _ = finished.next()
            }
        }
    }

    /// Waits for some more clients, so that what has changed is seen by them.
    func awaitMore(_ count: Int = 20, file: String = #fileID, line: Int = #line) throws {
        let reached = logins.count + count
        try eventually("more logins, \(failures["login"])", file: file, line: line) {
            logins.count >= reached || !failures["login"].isEmpty
        }
    }

    /// Ends the loops.
    /// - Returns: what went wrong.
    func stop() throws -> [String] {
        orders.add("", to: "stop")
        try eventually("the end of the login loops", by: .after(.seconds(40))) { finished.count == threadCount }
        return failures["login"]
    }
}
