import Testing

@testable import martlet_bench

@Suite struct StatisticsTests {
    @Test(arguments: [
        ([], 500, 0), ([7], 500, 7), ([7], 999, 7), ([3, 1, 2], 500, 2), ([4, 1, 3, 2], 500, 2), (Array(1...1000), 990, 990),
        (Array(1...1000), 999, 999), (Array(1...10), 999, 10),
    ] as [([Int], Int, Int)])
    func `a quantile is the smallest value that so many do not exceed`(_ values: [Int], _ perMille: Int, _ expected: Int) {
        #expect(Statistics(values).quantile(perMille: perMille) == expected)
    }

    @Test func `a measurement is one line of JSON, in seconds`() {
        var measurement = Measurement(operations: 2)
        measurement.byteCount = 128
        measurement.wallNanoseconds = 1_500_000_000
        measurement.workerNanoseconds = 250_000_000
        measurement.ownNanoseconds = 500_000_000
        measurement.latencies = Statistics([1_000_000, 3_000_000])
        #expect(
            measurement.json == """
                {"operations": 2, "bytes": 128, "seconds": 1.5, "worker_cpu_seconds": 0.25, "generator_cpu_seconds": 0.5, \
                "p50": 0.001, "p99": 0.003, "p999": 0.003}
                """)
        measurement.bytesPerSession = 1024.5
        #expect(measurement.json.hasSuffix(#", "bytes_per_session": 1024.5}"#))
    }
}
