import TestSupport
import Testing

/// Clients that come one after the other, in several threads, until they are told to stop. Whoever is
/// refused, cut off or answered otherwise than he should be is noted.
final class Load: Sendable {
    private let failures = Notes()
    private let orders = Notes()
    private let visits = Counter()
    private let finished = Counter()
    private let threadCount: Int

    init(threads: Int = 4, _ visit: @escaping @Sendable () throws -> Void) {
        threadCount = threads
        for _ in 0..<threads {
            onNewThread { [self] in
                while orders["stop"].isEmpty {
                    do { try visit() } catch { failures.add("\(error)", to: "visit") }
                    _ = visits.next()
                }
                _ = finished.next()
            }
        }
    }

    /// Waits for some more clients, so that what has changed is seen by them.
    func awaitMore(_ count: Int = 20, file: String = #fileID, line: Int = #line) throws {
        let reached = visits.count + count
        try eventually("more clients, \(failures["visit"])", file: file, line: line) {
            visits.count >= reached || !failures["visit"].isEmpty
        }
    }

    /// Ends the loops.
    /// - Returns: what went wrong.
    func stop() throws -> [String] {
        orders.add("", to: "stop")
        try eventually("the end of the load", by: .after(.seconds(40))) { finished.count == threadCount }
        return failures["visit"]
    }
}
