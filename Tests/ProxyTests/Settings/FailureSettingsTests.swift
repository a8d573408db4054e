import Configuration
import TestSupport
import Testing

@testable import Kernel
@testable import Proxy

@Suite struct FailureSettingsTests {
    private static let schema = Schema(groups: [FailureSettings.self])

    @Test func `a limit has a count, a window, a pause and a delay`() throws {
        let whole = try Self.schema.settings("auth_failure_limit 5 window=1h pause=2d delay=500ms;", in: .mail)[FailureSettings.self]
        #expect(whole.limit?.limit == SharedThrottle.Limit(count: 5, window: .seconds(3600), pause: .seconds(172_800)))
        #expect(whole.limit?.delay == .milliseconds(500))
        let short = try Self.schema.settings("auth_failure_limit 10;", in: .server)[FailureSettings.self]
        #expect(short.limit?.limit == SharedThrottle.Limit(count: 10, window: .seconds(600), pause: .seconds(900)))
        #expect(short.limit?.delay == .seconds(1))
    }

    @Test func `a server may have its own limit and exemptions, or none`() throws {
        let mail = "auth_failure_limit 5; auth_failure_exempt 10.0.0.0/8; auth_failure_exempt ::1; auth_failure_memory 2m;"
        let inherited = try Self.schema.settings(mail: mail, server: "")[FailureSettings.self]
        #expect(inherited.limit?.limit.count == 5 && inherited.exempt == [.ipv4(0x0a00_0000, bitCount: 8), .ipv6(0, 1, bitCount: 128)])
        let own = try Self.schema.settings(mail: mail, server: "auth_failure_limit off; auth_failure_exempt 127.0.0.1;")[FailureSettings.self]
        #expect(own.limit == nil && own.exempt == [.ipv4(0x7f00_0001, bitCount: 32)])
        #expect(try Self.schema.settings(mail, in: .mail)[FailureSettings.self].memoryByteCount == 2 << 20)
        #expect(FailureSettings().limit == nil)
    }

    @Test(arguments: [
        ("auth_failure_limit x;", #"invalid number of failures "x""#), ("auth_failure_limit 0;", #"invalid number of failures "0""#),
        ("auth_failure_limit 65536;", #"invalid number of failures "65536""#), ("auth_failure_limit off delay=1;", #"invalid number of failures "off""#),
        ("auth_failure_limit 5 wait=1;", #"invalid parameter "wait=1""#), ("auth_failure_limit 5 window=0;", #"invalid value "window=0""#),
        ("auth_failure_limit 5 pause=x;", #"invalid value "pause=x""#), ("auth_failure_limit 5 pause=100000d;", #"invalid value "pause=100000d""#),
        ("auth_failure_limit 5; auth_failure_limit 6;", #""auth_failure_limit" directive is duplicate"#),
        ("auth_failure_exempt localhost;", #"invalid parameter "localhost""#),
        ("auth_failure_memory 31k;", "value must be equal to or greater than 32768"),
    ])
    func `what is no limit is refused`(_ directives: String, _ message: String) {
        #expect(Self.schema.refusal(directives, in: .mail) == message)
    }
}
