import Foundation
import Kernel
import Testing

@testable import Telemetry

@Suite struct LogLineJSONTests {
    private func json(_ line: LogLine, at milliseconds: Int = 1_795_000_000_000) -> String {
        String(decoding: line.json(at: milliseconds, process: 42), as: UTF8.self)
    }

    /// The object as another program reads it.
    private func read(_ line: LogLine) throws -> [String: Any] {
        let bytes = line.json(at: 0, process: 42)
        #expect(bytes.last == 0x0A && bytes.filter { $0 == 0x0A }.count == 1)
        return try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    private var context: LogContext {
        var context = LogContext(connection: 7, client: "192.0.2.1", server: "0.0.0.0:143", activity: "in http auth state")
        context.login = Array("joe".utf8)
        return context
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (1_795_000_000_000, "2026-11-18T11:06:40Z"), (1_795_000_000_007, "2026-11-18T11:06:40.007Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
    ])
    func `time is universal, and has a fraction where there is one`(_ milliseconds: Int, _ time: String) {
        #expect(json(LogLine(.notice, "m"), at: milliseconds) == "{\"time\":\"\(time)\",\"level\":\"notice\",\"pid\":42,\"tid\":42,\"message\":\"m\"}\n")
    }

    @Test func `a session's record says all that is known`() {
        var context = context
        context.usesStartTLS = true
        context.upstream = .ipv4(0x7F00_0001, port: 9302)
        let line = LogLine(.info, "client timed out", reason: "110: Connection timed out", context: context, tags: ["a", "b"])
        #expect(json(line) == """
            {"time":"2026-11-18T11:06:40Z","level":"info","pid":42,"tid":42,"connection":7,"message":"client timed out",\
            "error":{"code":110,"message":"Connection timed out"},"mail":{"action":"in http auth state","client":"192.0.2.1",\
            "server":"0.0.0.0:143","login":"joe","upstream":"127.0.0.1:9302","starttls":true},"tags":["a","b"]}\n
            """)
    }

    @Test func `what is not known is left out`() {
        #expect(json(LogLine(.info, "m", context: .numbered(3))).hasSuffix("\"connection\":3,\"message\":\"m\"}\n"))
        #expect(json(LogLine(.info, "m", context: LogContext(connection: 3, client: "::1", server: "s"))).hasSuffix("\"mail\":{\"client\":\"::1\",\"server\":\"s\"}}\n"))
    }

    @Test(arguments: ["\"},{\"x\":\"", "\\", "a\r\nb\tc", "\u{0}\u{1B}[31m\u{7F}", "å€🦜", "\u{2028}"])
    func `whatever a string holds, it comes back as it was`(_ text: String) throws {
        var context = context
        context.login = Array(text.utf8)
        let object = try read(LogLine(.info, text, context: context))
        #expect(object["message"] as? String == text)
        #expect((object["mail"] as? [String: Any])?["login"] as? String == text)
        #expect(json(LogLine(.info, text)).utf8.allSatisfy { $0 == 0x0A || $0 >= 0x20 && $0 != 0x7F })
    }

    @Test func `bytes of no character are replaced`() throws {
        var context = context
        context.login = [0xFF, 0x61]
        #expect((try read(LogLine(.info, "m", context: context))["mail"] as? [String: Any])?["login"] as? String == "\u{FFFD}a")
    }

    @Test(arguments: ["x", "\u{1}", "🦜", "\""])
    func `a record that is too long is cut between characters, and says so`(_ character: String) throws {
        var context = context
        context.login = Array(String(repeating: character, count: 3000).utf8)
        let line = LogLine(.info, String(repeating: character, count: 3000), context: context)
        #expect(line.json(at: 0, process: 42).count <= 2048)
        let object = try read(line)
        #expect(object["truncated"] as? Bool == true)
        #expect(Set((object["message"] as? String ?? "").map(String.init)) == [character])
    }

    @Test func `one that fits is whole`() throws {
        #expect(try read(LogLine(.info, String(repeating: "x", count: 1900)))["truncated"] == nil)
    }
}
