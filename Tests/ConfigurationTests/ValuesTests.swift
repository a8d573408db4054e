import Configuration
import Testing

@Suite struct ValuesTests {
    @Test(arguments: [
        ("0", 0), ("00", 0), ("512", 512), ("9223372036854775807", Int.max),
        ("9223372036854775808", nil), ("99999999999999999999", nil),
        ("", nil), ("-1", nil), ("+1", nil), (" 1", nil), ("1 ", nil), ("0x1", nil), ("1_0", nil), ("1.5", nil), ("1k", nil),
    ])
    func `a number is digits`(_ word: String, _ value: Int?) {
        #expect(Word(stringLiteral: word).number == value)
    }

    @Test(arguments: [
        ("0", 0), ("1", 1), ("1k", 1024), ("1K", 1024), ("4m", 4 << 20), ("4M", 4 << 20),
        ("9007199254740991k", 9_007_199_254_740_991 << 10), ("9007199254740992k", nil), ("8796093022208m", nil),
        ("1g", nil), ("", nil), ("k", nil), ("1.5k", nil), ("1kk", nil), ("1 k", nil), ("-1", nil), ("+1", nil),
    ])
    func `a size has k or m`(_ word: String, _ value: Int?) {
        #expect(Word(stringLiteral: word).size == value)
    }

    @Test(arguments: [
        ("7", 7), ("1k", 1 << 10), ("1m", 1 << 20), ("1g", 1 << 30), ("2G", 2 << 30),
        ("8589934591g", 8_589_934_591 << 30), ("8589934592g", nil), ("g", nil), ("", nil), ("1t", nil),
    ])
    func `an offset has g too`(_ word: String, _ value: Int?) {
        #expect(Word(stringLiteral: word).offset == value)
    }

    @Test(arguments: [("on", true), ("ON", true), ("Off", false), ("yes", nil), ("", nil), ("on ", nil)])
    func `a flag is on or off`(_ word: String, _ value: Bool?) {
        #expect(Word(stringLiteral: word).flag == value)
    }

    // Each line was tried with nginx's worker_shutdown_timeout.
    @Test(arguments: [
        ("0", 0), ("10", 10_000), ("10s", 10_000), ("10ms", 10), ("1m", 60_000), ("1h", 3_600_000),
        ("1d", 86_400_000), ("1w", 604_800_000), ("1m30", 90_000), ("5m5", 305_000), ("1s1", 2000), ("1s 1", 2000),
        ("1ms5", 5001), ("1 2", 3000), ("1  2", 3000), ("1 ", 1000), ("1s ", 1000), ("1s  ", 1000),
        ("1h 5", 3_605_000), ("1h  30m", 5_400_000), ("1w 2d3h 4m 5s 6ms", 788_645_006),
        ("1hm", 3_600_000), ("s1", 1000), ("m5", 5000), ("1s ms", 1000),
        ("9223372036854775", 9_223_372_036_854_775_000), ("9223372036854775807ms", Int.max),
        ("106751991167d", 9_223_372_036_828_800_000),
        ("9223372036854776", nil), ("9223372036854775808ms", nil), ("9223372036854776s", nil), ("106751991168d", nil),
        ("9223372036854775s1", nil), ("9223372036854775807ms 1", nil),
        ("", nil), ("s", nil), ("ms", nil), ("h", nil), ("  ", nil), ("1y", nil), ("1M", nil), ("1d1y", nil), ("1s1m", nil),
        ("1m1m", nil), ("1ms1s", nil), ("1w w", nil), ("10 s", nil), ("10 ms", nil), (" 1s", nil), ("1 s 5ms", nil),
        ("1 2 3", nil), ("2.5s", nil), ("-1", nil), ("+1", nil), ("1x", nil), ("1S", nil),
    ] as [(String, Int?)])
    func `a time of the millisecond kind`(_ word: String, _ milliseconds: Int?) {
        #expect(Word(stringLiteral: word).duration == milliseconds.map { .milliseconds($0) })
    }

    // Each line was tried with nginx's ssl_session_timeout.
    @Test(arguments: [
        ("0", 0), ("5m", 300), ("1y", 31_536_000), ("1M", 2_592_000), ("1y1M1w", 34_732_800), ("1y 1", 31_536_001),
        ("1 1", 2), ("1m 1s", 61), ("292471208677y", 9_223_372_036_837_872_000), ("9223372036854775807", Int.max),
        ("2y 1y", nil), ("1M1y", nil), ("1m1M", nil), ("1ms", nil), ("1 s", nil), ("292471208678y", nil),
        ("9223372036854775808", nil), ("9223372036854775807s1", nil), ("", nil), ("y", nil),
    ] as [(String, Int?)])
    func `a time of the second kind`(_ word: String, _ seconds: Int?) {
        #expect(Word(stringLiteral: word).seconds == seconds.map { .seconds($0) })
    }
}
