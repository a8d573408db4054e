import Kernel
import Testing

@testable import Telemetry

@Suite struct LogContextTests {
    @Test(arguments: [
        (nil, "", nil, ", client: 192.0.2.1, server: 0.0.0.0:25"),
        ("in auth state", "", nil, " while in auth state, client: 192.0.2.1, server: 0.0.0.0:25"),
        (nil, "joe", nil, ", client: 192.0.2.1, server: 0.0.0.0:25, login: \"joe\""),
        ("proxying", "joe", SocketAddress.ipv4(0x7F00_0001, port: 1), " while proxying, client: 192.0.2.1, server: 0.0.0.0:25, login: \"joe\", upstream: 127.0.0.1:1"),
        // nginx puts no brackets around it.
        (nil, "", SocketAddress.ipv6(0, 1, port: 1), ", client: 192.0.2.1, server: 0.0.0.0:25, upstream: ::1:1"),
        (nil, "", SocketAddress.unix("/run/imap"), ", client: 192.0.2.1, server: 0.0.0.0:25, upstream: unix:/run/imap"),
    ])
    func `only what is known is told`(_ activity: StaticString?, _ login: String, _ upstream: SocketAddress?, _ text: String) {
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
