import Configuration
import Testing

/// Bytes that are as good as random, and the same for the same seed.
struct SeededBytes: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}

@Suite struct RandomConfigurationTests {
    private static let pieces: [[UInt8]] = [
        "events {", "mail {", "server {", "}", ";", " ", "\n", "\"", "'", "\\", "$", "{", "#", ")", "\0", "\u{a0}", "http {",
        "include a;", "include b;", "include *;", "include d;", "daemon on;", "log x;", "listen 1;", "timeout 1m;",
        "starttls on;", "capabilities a b;", "worker_connections 9223372036854775808;", "load_module x;", "user u;",
    ].map { Array($0.utf8) }

    private static let good = Array(
        "user a; events { worker_connections 5; } mail { timeout \"1h 5\"; server { listen \"1\"; log 'x\\'y'; } }".utf8)

    /// Random bytes, random pieces of a configuration, or a good one with some bytes changed.
    private static func text(from random: inout SeededBytes) -> [UInt8] {
        switch random.below(3) {
        case 0:
            return (0..<random.below(24)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        case 1:
            return (0..<random.below(10)).flatMap { _ in pieces[random.below(pieces.count)] }
        default:
            var text = random.below(4) == 0 ? Array(good.prefix(1 + random.below(good.count))) : good
            for _ in 0..<random.below(4) {
                text[random.below(text.count)] = UInt8(truncatingIfNeeded: random.next())
            }
            return text
        }
    }

    @Test(arguments: 1...10)
    func `no bytes trap, and every one of them is a configuration or is refused with a message`(_ seed: UInt64) {
        var random = SeededBytes(seed: seed)
        var loaded = 0
        for _ in 0..<10_000 {
            let text = Self.text(from: &random)
            let files = MemoryFiles(
                contents: ["/m": text, "/a": text, "/b": Array("log b;".utf8)], directories: ["/d"],
                matches: ["/*": ["/a", "/b"]])
            do throws(ConfigurationError) {
                _ = try Loader(schema: testSchema, files: files).load(
                    path: "/m", prefix: "/", globalDirectives: random.below(8) == 0 ? String(decoding: text, as: UTF8.self) : nil)
                loaded += 1
            } catch {
                if error.message.isEmpty { Issue.record("\(text) is refused without a word") }
            }
        }
        // Enough get to the end for that end to have been tried.
        #expect(loaded > 500)
    }
}
