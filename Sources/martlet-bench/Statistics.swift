/// How durations are spread.
struct Statistics {
    private let sorted: [Int]

    init(_ values: [Int]) { sorted = values.sorted() }

    /// The smallest value that so many of a thousand do not exceed; 0 where there are none.
    func quantile(perMille: Int) -> Int {
        guard !sorted.isEmpty else { return 0 }
        let rank = (sorted.count * perMille + 999) / 1000
        return sorted[max(0, min(rank, sorted.count) - 1)]
    }
}

/// What came out of one run of this program.
struct Measurement {
    var operations: Int
    /// Bytes of transfers, where the work is one.
    var byteCount = 0
    var wallNanoseconds = 0
    /// What the proxy's worker used, and what this program did.
    var workerNanoseconds = 0
    var ownNanoseconds = 0
    var latencies = Statistics([])
    /// What each idle session costs the worker.
    var bytesPerSession: Double?

    /// One JSON object on one line; times in seconds.
    var json: String {
        var fields: [(name: String, value: String)] = [
            ("operations", "\(operations)"), ("bytes", "\(byteCount)"), ("seconds", Self.seconds(wallNanoseconds)),
            ("worker_cpu_seconds", Self.seconds(workerNanoseconds)), ("generator_cpu_seconds", Self.seconds(ownNanoseconds)),
            ("p50", Self.seconds(latencies.quantile(perMille: 500))), ("p99", Self.seconds(latencies.quantile(perMille: 990))),
            ("p999", Self.seconds(latencies.quantile(perMille: 999))),
        ]
        if let bytesPerSession { fields.append(("bytes_per_session", "\(bytesPerSession)")) }
        return "{" + fields.map { "\"\($0.name)\": \($0.value)" }.joined(separator: ", ") + "}"
    }

    private static func seconds(_ nanoseconds: Int) -> String { "\(Double(nanoseconds) / 1_000_000_000)" }
}
