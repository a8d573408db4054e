import Kernel
import Testing

@testable import Telemetry

@Suite struct LogLineTests {
    private static let time = WallClock(secondsSinceEpoch: 1_795_000_000)

    private func text(_ line: LogLine) -> String { String(decoding: line.bytes(at: Self.time, process: 42), as: UTF8.self) }

    private var context: LogContext {
        var context = LogContext(connection: 7, client: "192.0.2.1", server: "0.0.0.0:143", activity: "in http auth state")
        context.login = Array("joe".utf8)
        return context
    }

    @Test func `a line has time, level, process and message`() {
        let line = text(LogLine(.notice, "exiting"))
        #expect(line.hasSuffix(" [notice] 42#42: exiting\n"))
        let stamp = line.prefix(19)
        #expect(stamp.map { $0.isNumber ? "9" : String($0) }.joined() == "9999/99/99 99:99:99")
    }

    @Test func `a session's line ends in its context, in nginx's order`() {
        var context = context
        context.upstream = .ipv4(0x7F00_0001, port: 9302)
        context.usesStartTLS = true
        let line = text(LogLine(.info, "client login failed: \"no\"", context: context))
        #expect(line.hasSuffix(
            "*7 client login failed: \"no\" while in http auth state, client: 192.0.2.1 using starttls, server: 0.0.0.0:143, login: \"joe\", upstream: 127.0.0.1:9302\n"))
    }

    @Test func `errno stands between message and context`() {
        let line = text(LogLine(.info, "client timed out", reason: "110: Connection timed out", context: context))
        #expect(line.contains("*7 client timed out (110: Connection timed out) while in http auth state, client: "))
    }

    @Test func `the first line of a session has its number and no context`() {
        let line = text(LogLine(.info, "client 127.0.0.1:4 connected to 127.0.0.1:9110", context: .numbered(3)))
        #expect(line.hasSuffix(": *3 client 127.0.0.1:4 connected to 127.0.0.1:9110\n"))
    }

    @Test(arguments: [
        ("a\r\nb", "a\\x0D\\x0Ab"), ("\u{0}\u{1B}[31m", "\\x00\\x1B[31m"), ("\u{7F}", "\\x7F"), ("å\\n", "å\\n"),
    ])
    func `control bytes never reach the log raw`(_ message: String, _ printed: String) {
        #expect(text(LogLine(.error, message)).hasSuffix(": \(printed)\n"))
    }

    @Test func `control bytes of a login forge no line`() {
        var context = context
        context.login = Array("x\"\n2026/01/01 [emerg] forged".utf8)
        #expect(text(LogLine(.info, "m", context: context)).filter { $0 == "\n" }.count == 1)
    }

    @Test(arguments: [2000, 2048, 5000])
    func `no line is longer than 2048 bytes, its end included`(_ length: Int) {
        let bytes = LogLine(.error, String(repeating: "x", count: length)).bytes(at: Self.time, process: 42)
        #expect(bytes.count == min(length + 36, 2048))
        #expect(bytes.last == 0x0A)
    }

    @Test func `the terminal sees level and message`() {
        #expect(LogLine(.emerg, "bind() failed", reason: "98: x").terminalBytes == Array("martlet: [emerg] bind() failed (98: x)\n".utf8))
    }
}
