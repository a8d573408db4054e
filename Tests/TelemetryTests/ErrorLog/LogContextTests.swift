import Testing

@testable import Telemetry

@Suite struct LogContextTests {
    @Test(arguments: [
        ("", "", nil, ", client: 192.0.2.1, server: 0.0.0.0:25"),
        ("in auth state", "", nil, " while in auth state, client: 192.0.2.1, server: 0.0.0.0:25"),
        ("", "joe", nil, ", client: 192.0.2.1, server: 0.0.0.0:25, login: \"joe\""),
        ("proxying", "joe", "127.0.0.1:1", " while proxying, client: 192.0.2.1, server: 0.0.0.0:25, login: \"joe\", upstream: 127.0.0.1:1"),
    ])
    func `only what is known is told`(_ activity: String, _ login: String, _ upstream: String?, _ text: String) {
        var context = LogContext(connection: 1, client: "192.0.2.1", server: "0.0.0.0:25", activity: activity)
        context.login = Array(login.utf8)
        context.upstream = upstream
        #expect(context.text == text)
    }

    @Test func `a session's number alone adds nothing behind the message`() {
        #expect(LogContext.numbered(7).text == "")
        #expect(LogContext.numbered(7).connection == 7)
    }
}
