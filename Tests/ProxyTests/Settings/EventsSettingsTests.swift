import Configuration
import TestSupport
import Testing

@testable import Proxy

@Suite struct EventsSettingsTests {
    private static let schema = Schema(groups: [EventsSettings.self])

    @Test func `a worker has nginx's defaults`() throws {
        let settings = try Self.schema.settings("", in: .events)[EventsSettings.self]
        #expect(settings.workerConnections == 512 && settings.method == .epoll && !settings.multiAccept && !settings.usesAcceptMutex)
        #expect(settings.acceptMutexDelay == .milliseconds(500))
    }

    @Test func `each directive sets its property`() throws {
        let settings = try Self.schema.settings(
            """
            worker_connections 10; use poll; multi_accept on; accept_mutex on; accept_mutex_delay 2s; \
            worker_aio_requests 1; epoll_events 1;
            """, in: .events)[EventsSettings.self]
        #expect(settings.workerConnections == 10 && settings.method == .poll && settings.multiAccept && settings.usesAcceptMutex)
        #expect(settings.acceptMutexDelay == .seconds(2))
    }

    @Test(arguments: [
        ("worker_connections x;", #"invalid number "x""#),
        ("worker_connections 1; worker_connections 1;", #""worker_connections" directive is duplicate"#),
        ("use select;", #"invalid event type "select""#),
        ("use EPOLL;", #"invalid event type "EPOLL""#),
        ("use kqueue;", #"invalid event type "kqueue""#),
        ("use epoll; use epoll;", #""use" directive is duplicate"#),
        ("multi_accept 1;", #"invalid value "1" in "multi_accept" directive, it must be "on" or "off""#),
        ("accept_mutex on;", "ok"),
        ("accept_mutex_delay x;", #""accept_mutex_delay" directive invalid value"#),
        ("debug_connection no..host;", #"host not found in debug_connection "no..host""#),
        ("worker_aio_requests x;", #""worker_aio_requests" directive invalid number"#),
        ("epoll_events x;", #""epoll_events" directive invalid number"#),
        ("daemon on;", #"unknown directive "daemon""#),
    ])
    func `what is no value, or has no effect yet, is refused`(_ directives: String, _ message: String) {
        #expect(Self.schema.refusal(directives, in: .events) == message)
    }
}
