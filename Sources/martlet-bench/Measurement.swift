/// What came out of one run of this program.
struct Measurement {
    var operations: Int
    /// Operations that failed, where these are counted, and what the first of them failed from.
    var failures = 0
    var firstFailure: Fault?
    /// Bystanders that no longer answered at the end.
    var sessionsLost = 0
    /// Bytes of transfers, where the work is one.
    var byteCount = 0
    var wallNanoseconds = 0
    /// What the proxy's workers used, and what this program did.
    var workerNanoseconds = 0
    var ownNanoseconds = 0
    /// How long operations took, from the moment at which each was to begin.
    var latencies = Statistics([])
    /// How much later than that they did begin, where they have a rate.
    var delays = Statistics([])
    /// What each idle session costs the workers, and what it costs the kernel at all of its four sockets.
    var bytesPerSession: Double?
    var kernelBytesPerSession: Double?

    init(operations: Int) { self.operations = operations }

    init(_ outcome: Outcome) {
        operations = outcome.durations.count
        failures = outcome.failures.count
        firstFailure = outcome.failures.first
        latencies = Statistics(outcome.durations)
        delays = Statistics(outcome.delays)
    }

    /// One JSON object on one line; times in seconds.
    var json: String {
        var fields: [(name: String, value: String)] = [
            ("operations", "\(operations)"), ("failures", "\(failures)"), ("sessions_lost", "\(sessionsLost)"),
            ("bytes", "\(byteCount)"), ("seconds", Self.seconds(wallNanoseconds)),
            ("worker_cpu_seconds", Self.seconds(workerNanoseconds)), ("generator_cpu_seconds", Self.seconds(ownNanoseconds)),
            ("p50", Self.seconds(latencies.quantile(perMille: 500))), ("p99", Self.seconds(latencies.quantile(perMille: 990))),
            ("p999", Self.seconds(latencies.quantile(perMille: 999))), ("max", Self.seconds(latencies.quantile(perMille: 1000))),
        ]
        if !delays.isEmpty {
            fields.append(("delay_p99", Self.seconds(delays.quantile(perMille: 990))))
            fields.append(("delay_max", Self.seconds(delays.quantile(perMille: 1000))))
        }
        if let bytesPerSession { fields.append(("bytes_per_session", "\(bytesPerSession)")) }
        if let kernelBytesPerSession { fields.append(("kernel_bytes_per_session", "\(kernelBytesPerSession)")) }
        return "{" + fields.map { "\"\($0.name)\": \($0.value)" }.joined(separator: ", ") + "}"
    }

    private static func seconds(_ nanoseconds: Int) -> String { "\(Double(nanoseconds) / 1_000_000_000)" }
}
