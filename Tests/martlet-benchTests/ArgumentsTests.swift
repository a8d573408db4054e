import Kernel
import TestSupport
import Testing

@testable import martlet_bench

@Suite struct ArgumentsTests {
    private static let needed = [
        "--server", "127.0.0.1:1143", "--auth", "127.0.0.2:1080", "--upstream", "127.0.0.3:2143",
    ]

    @Test func `what is not said has a default`() throws {
        let parsed = try #require(try Arguments.parse(Self.needed))
        #expect(parsed.server == .ipv4(0x7F00_0001, port: 1143) && parsed.authServer == .ipv4(0x7F00_0002, port: 1080))
        #expect(parsed.upstream == .ipv4(0x7F00_0003, port: 2143) && parsed.workers == [])
        #expect(parsed.work == .login && parsed.speech.name == "imap" && parsed.tls == .none && parsed.failures == .end)
        #expect((parsed.sessions, parsed.operations, parsed.size) == (1, 1, 64))
        #expect(parsed.rate == nil && parsed.bystanders == 0)
    }

    @Test func `every option is taken`() throws {
        let said = ["--work", "up", "--protocol", "pop3", "--tls", "resumed", "--sessions", "2", "--operations", "3", "--size", "4"]
            + ["--workers", "7,8", "--rate", "5", "--bystanders", "6", "--failures", "count"]
        let parsed = try #require(try Arguments.parse(Self.needed + said))
        #expect(parsed.work == .up && parsed.speech.name == "pop3" && parsed.tls == .resumed)
        #expect((parsed.sessions, parsed.operations, parsed.size) == (2, 3, 4))
        #expect(parsed.workers == [7, 8] && parsed.failures == .count)
        #expect((parsed.rate, parsed.bystanders) == (5, 6))
    }

    @Test(arguments: ["--help", "-h"])
    func `help is given whatever else is said`(_ option: String) throws {
        #expect(try Arguments.parse([option]) == nil)
    }

    @Test(arguments: [
        (["--size"], "--size needs a value: BYTES"),
        (["--fast", "yes"], "there is no option \"--fast\""),
        (["login"], "there is no option \"login\""),
        (["--work", "play"], "--work takes login|down|up|echo|idle, not \"play\""),
        (["--sessions", "0"], "--sessions takes N, not \"0\""),
        (["--operations", "many"], "--operations takes N, not \"many\""),
        (["--workers", "7,-1"], "--workers takes PID[,PID...], not \"7,-1\""),
        (["--workers", ""], "--workers takes PID[,PID...], not \"\""),
        (["--rate", "0"], "--rate takes N, not \"0\""),
        (["--failures", "hide"], "--failures takes end|count, not \"hide\""),
        (["--server", "localhost:143"], "--server takes ADDRESS:PORT, not \"localhost:143\""),
        (["--server", "127.0.0.1"], "--server takes ADDRESS:PORT, not \"127.0.0.1\""),
    ])
    func `a fault is named`(_ words: [String], _ text: String) {
        #expect(throws: Fault(text)) { try Arguments.parse(words) }
    }

    @Test(arguments: [(0, "--server"), (2, "--auth"), (4, "--upstream")])
    func `what is needed and not said is missed`(_ count: Int, _ name: String) throws {
        let arguments = try #require(try Arguments.parse(Self.needed.prefix(count)))
        #expect(throws: Fault("\(name) is needed")) { try onLoop { _ = try Bench(arguments) } }
    }

    @Test func `only logins have a rate`() throws {
        let arguments = try #require(try Arguments.parse(Self.needed + ["--work", "echo", "--rate", "5"]))
        #expect(throws: Fault("--rate is for logins")) { try onLoop { _ = try Bench(arguments) } }
    }
}
