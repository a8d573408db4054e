import Configuration
import Kernel
import TestSupport
import Testing

@testable import Telemetry

@Suite struct ErrorLogSettingsTests {
    private static let schema = Schema(groups: [ErrorLogSettings.self])

    private func targets(_ directives: String, in block: Block = .main) throws -> [LogTarget] {
        try Self.schema.settings(directives, in: block)[ErrorLogSettings.self].targets
    }

    private func target(_ words: String) throws -> LogTarget { try #require(try targets("error_log \(words);").first) }

    // MARK: Destinations

    @Test(arguments: [
        ("a.log", LogTarget.Place.file("/srv/a.log")), ("/var/a.log", .file("/var/a.log")), ("stderr", .standardError), ("off", .file("/srv/off")),
        ("memory:32k", .memory(byteCount: 32768, header: "MEMLOG 32768 /etc/martlet/m.conf:1\n")),
    ])
    func `the first word says where records go`(_ word: String, _ place: LogTarget.Place) throws {
        #expect(try target(word).place == place)
    }

    @Test func `destinations add up in a block, and take the place of the outer block's`() throws {
        #expect(try targets("error_log a; error_log b info;").map(\.level) == [.error, .info])
        let inner = try Self.schema.settings(mail: "error_log a; error_log b;", server: "error_log c;")[ErrorLogSettings.self]
        #expect(inner.targets.map(\.place) == [.file("/srv/c")])
    }

    // MARK: Levels

    @Test(arguments: [
        ("", LogLevel.error, DebugClasses.all), ("emerg", .emerg, .all), ("info", .info, .all), ("debug", .debug, .all), ("debug_mail", .debug, .mail),
        ("debug_core debug_event debug_core", .debug, [.core, .event]), ("debug_http debug_alloc debug_mutex debug_stream", .debug, []),
    ] as [(String, LogLevel, DebugClasses)])
    func `a level, or classes of debug records`(_ words: String, _ level: LogLevel, _ classes: DebugClasses) throws {
        let target = try target("a " + words)
        #expect(target.level == level && target.debugClasses == classes)
    }

    @Test(arguments: [
        ("a info warn", #"duplicate log level "warn""#), ("a debug_mail info", #"duplicate log level "info""#),
        ("a info debug_mail", #"invalid log level "debug_mail""#), ("a debug debug_mail", #"invalid log level "debug_mail""#),
        ("a INFO", #"invalid log level "INFO""#), ("a warning", #"invalid log level "warning""#), ("a info x=1", #"invalid parameter "x=1""#),
        ("memory:", #"invalid buffer size """#), ("memory:0", #"invalid buffer size "0""#), ("memory:x", #"invalid buffer size "x""#),
        ("memory:20", #"invalid buffer size "20""#), ("memory:9999m", #"invalid buffer size "9999m""#),
        ("a rate=x", #"invalid rate "x""#), ("a rate=", #"invalid rate """#), ("a rate=5m", #"invalid rate "5m""#), ("a rate=-1", #"invalid rate "-1""#),
        ("a rate=1000001", #"invalid rate "1000001""#),
        ("a format=xml", #"unknown log format "xml""#), ("a format=json format=json", #"duplicate format= parameter ("json")"#),
        ("a filter=x", #"missing filter type in "x""#), ("a filter=:x", #"missing filter type in ":x""#),
        ("a filter=login:", #"empty filter pattern "login:""#), ("a filter=login:=", #"empty filter pattern "login:=""#),
        ("a filter=login:~", #"empty filter pattern "login:~""#),
        ("a 'filter=login:~('", #"invalid filter pattern "login:~(": Unmatched ( or \("#),
    ])
    func `what is wrong is said in nginx's words, or Angie's`(_ words: String, _ message: String) {
        #expect(Self.schema.refusal("error_log \(words);", in: .main) == message)
    }

    @Test(arguments: [Block.main, .mail, .server], ["sourcefile:x", "nonsense:x"])
    func `a filter by what no record has is told when the block is whole`(_ block: Block, _ filter: String) {
        let type = filter.prefix { $0 != ":" }
        #expect(
            Self.schema.refusal("error_log a filter=\(filter);", in: block)
                == "error_log directive at /etc/martlet/m.conf:1 has filter with unknown property \"\(type)\"")
    }

    // MARK: Parameters

    @Test(arguments: [("", 1000), ("rate=0", 0), ("rate=5", 5), ("rate=5m/s", 5), ("rate=5 rate=7", 7)])
    func `a rate is records a second`(_ words: String, _ rate: Int) throws {
        #expect(try target("a info " + words).rate == rate)
    }

    @Test(arguments: [("", LogFormat.plain), ("format=default", .plain), ("format=json", .json)])
    func `a format has a name`(_ words: String, _ format: LogFormat) throws {
        #expect(try target("a " + words).format == format)
    }

    @Test func `filters say what they look at, and for what`() throws {
        let filters = try target("a filter=logline:a filter=message:=b 'filter=tag:~c|d' info filter=login:e:f filter=upstream:==").filters
        #expect(filters == [
            LogFilter(.logline, .containing("a")), LogFilter(.message, .exactly("b")), LogFilter(.tag, .matching("c|d")),
            LogFilter(.property(.login), .containing("e:f")), LogFilter(.property(.upstream), .exactly("=")),
        ])
    }

    @Test func `tags add up, and a server's take the place of the others`() throws {
        func tags(_ mail: String, _ server: String) throws -> [String] {
            try Self.schema.settings(mail: mail, server: server)[ErrorLogSettings.self].userTags
        }
        #expect(try tags("error_log_user_tag a; error_log_user_tag b;", "") == ["a", "b"])
        #expect(try tags("error_log_user_tag a;", "error_log_user_tag c;") == ["c"])
        #expect(Self.schema.refusal("error_log_user_tag a b;", in: .mail) == #"invalid number of arguments in "error_log_user_tag" directive"#)
    }
}
