import Testing

@testable import martlet_bench

@Suite struct MeasurementTests {
    @Test func `a measurement is one line of JSON, in seconds`() {
        var measurement = Measurement(operations: 2)
        measurement.byteCount = 128
        measurement.sessionsLost = 3
        measurement.wallNanoseconds = 1_500_000_000
        measurement.workerNanoseconds = 250_000_000
        measurement.ownNanoseconds = 500_000_000
        measurement.latencies = Statistics([1_000_000, 3_000_000])
        #expect(
            measurement.json == """
                {"operations": 2, "failures": 0, "sessions_lost": 3, "bytes": 128, "seconds": 1.5, "worker_cpu_seconds": 0.25, \
                "generator_cpu_seconds": 0.5, "p50": 0.001, "p99": 0.003, "p999": 0.003, "max": 0.003}
                """)
    }

    @Test func `what only some work gives is said only of that`() {
        var measurement = Measurement(operations: 2)
        measurement.delays = Statistics([1_000_000])
        measurement.bytesPerSession = 1024.5
        measurement.kernelBytesPerSession = 4096
        let end = #", "delay_p99": 0.001, "delay_max": 0.001, "bytes_per_session": 1024.5, "kernel_bytes_per_session": 4096.0}"#
        #expect(measurement.json.hasSuffix(end))
    }

    @Test func `what failed is no operation, and the first is remembered`() {
        let measurement = Measurement(Outcome(durations: [5, 7], delays: [1], failures: [Fault("one"), Fault("two")]))
        #expect((measurement.operations, measurement.failures) == (2, 2))
        #expect(measurement.firstFailure == Fault("one") && measurement.latencies.quantile(perMille: 1000) == 7)
    }
}
