import Testing

@testable import Telemetry

@Suite struct LogFilterTests {
    private static let line: LogLine = {
        var context = LogContext(connection: 1, client: "192.0.2.1", server: "0.0.0.0:143", activity: "in auth state")
        context.login = Array("joe\u{0}\n@x".utf8)
        context.upstream = .ipv4(0x7F00_0001, port: 9)
        context.usesStartTLS = true
        return LogLine(.info, "client login failed: \"no\"", reason: "5: Odd", context: context, tags: ["blue", "red"])
    }()

    @Test(arguments: [
        (LogFilter.Subject.logline, LogFilter.Pattern.containing("(5: Odd) while in auth"), true), (.logline, .containing("joe\\x00\\x0A@x"), true),
        (.logline, .containing("info"), false), (.logline, .matching("^client .*127.0.0.1:9$"), true),
        (.message, .containing("login failed"), true), (.message, .containing("Odd"), false), (.message, .exactly("client login failed: \"no\""), true),
        (.message, .exactly("client"), false), (.message, .matching("fail(ed|s)"), true), (.message, .matching("^login"), false),
        (.tag, .exactly("red"), true), (.tag, .exactly("re"), false), (.tag, .containing("re"), true), (.tag, .containing("green"), false),
        (.property(.client), .exactly("192.0.2.1"), true), (.property(.client), .containing("192.0.2."), true),
        (.property(.login), .matching("@x$"), true), (.property(.login), .exactly("joe"), false), (.property(.login), .containing("@x"), true),
        (.property(.action), .exactly("in auth state"), true), (.property(.server), .matching(":143$"), true),
        (.property(.upstream), .exactly("127.0.0.1:9"), true), (.property(.starttls), .exactly("true"), true),
    ])
    func `a filter admits what its pattern fits`(_ subject: LogFilter.Subject, _ pattern: LogFilter.Pattern, _ isAdmitted: Bool) throws {
        #expect(try LogSieve(LogFilter(subject, pattern)).admits(Self.line) == isAdmitted)
    }

    @Test(arguments: LogContext.Property.allCases)
    func `a record without the property does not pass`(_ property: LogContext.Property) throws {
        let sieve = try LogSieve(LogFilter(.property(property), .matching(".*")))
        #expect(!sieve.admits(LogLine(.notice, "exiting")))
        #expect(!sieve.admits(LogLine(.info, "client connected", context: .numbered(1))))
    }

    @Test(arguments: [("", "", true), ("", "a", false), ("aab", "ab", true), ("ab", "abc", false), ("abc", "abc", true), ("ä", "\u{C3}", false)])
    func `a part is found wherever it is`(_ whole: String, _ part: String, _ isFound: Bool) throws {
        #expect(try LogFilter.Pattern.containing(part).test()(whole) == isFound)
    }
}
