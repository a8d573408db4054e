import Glibc
import TestSupport
import Testing

@testable import Kernel
@testable import Processes

@Suite(.ownWorkspace) struct ServiceNotifierTests {
    @Test(arguments: [
        (.ready, "READY=1"), (.stopping, "STOPPING=1"), (.mainProcess(42), "MAINPID=42"), (.alive, "WATCHDOG=1"),
        (.status("two"), "STATUS=two"),
        (.reloading(at: .seconds(3) + .microseconds(7) + .nanoseconds(999)), "RELOADING=1\nMONOTONIC_USEC=3000007"),
    ] as [(ServiceNotifier.State, String)])
    func `each state has its words`(_ state: ServiceNotifier.State, _ line: String) {
        #expect(state.line == line)
    }

    @Test(arguments: [
        (["WATCHDOG_USEC": "30000000"], .seconds(30)), (["WATCHDOG_USEC": "0"], nil), (["WATCHDOG_USEC": "-1"], nil),
        (["WATCHDOG_USEC": "x"], nil), ([:], nil), (["WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"], nil),
        (["WATCHDOG_USEC": "1", "WATCHDOG_PID": "\(getpid())"], .microseconds(1)), (["WATCHDOG_USEC": "1", "WATCHDOG_PID": ""], nil),
    ] as [([String: String], Duration?)])
    func `a watchdog waits for one process or for any`(_ variables: [String: String], _ time: Duration?) {
        #expect(ServiceNotifier.watchdog { variables[$0] } == time)
    }

    @Test func `what is told together comes as one datagram`() throws {
        let manager = try StubServiceManager(try Workspace.here().file("notify"))
        try onLoop {
            let notifier = ServiceNotifier { $0 == "NOTIFY_SOCKET" ? manager.name : nil }
            notifier.tellReady("fine")
            notifier.keepWatchdogQuiet()
        }
        #expect(try manager.next() == "READY=1\nMAINPID=\(getpid())\nSTATUS=fine")
        #expect(manager.isQuiet)
    }

    @Test func `a manager that does not read holds nobody up, and hears in the end how things are`() throws {
        let manager = try StubServiceManager(try Workspace.here().file("notify"))
        try onLoop {
            let notifier = ServiceNotifier { $0 == "NOTIFY_SOCKET" ? manager.name : nil }
            let start = ContinuousClock.now
            for number in 1...600 { notifier.tell(.status("\(number)")) }
            #expect(ContinuousClock.now - start < .seconds(1))
            var heard = try manager.next()
            try runLoop {
                while !manager.isQuiet { heard = (try? manager.next()) ?? "" }
                return heard == "STATUS=600"
            }
        }
    }

    @Test func `what is left is told at the end`() throws {
        let manager = try StubServiceManager(try Workspace.here().file("notify"))
        try onLoop {
            let notifier = ServiceNotifier { $0 == "NOTIFY_SOCKET" ? manager.name : nil }
            for _ in 1...600 { notifier.tell(.ready) }
            notifier.tell(.mainProcess(7))
            var heard = ""
            while !manager.isQuiet { heard = try manager.next() }
            #expect(heard == "READY=1")
            // It may take less at once than waits.
            for _ in 1...2 {
                notifier.finish()
                while !manager.isQuiet { heard = try manager.next() }
            }
            #expect(heard == "MAINPID=7")
        }
    }

    @Test(arguments: [nil, "", "relative", "vsock:2:1234", "/" + String(repeating: "x", count: 107)] as [String?])
    func `where nobody can be told, nothing is said`(_ name: String?) throws {
        try onLoop { ServiceNotifier { $0 == "NOTIFY_SOCKET" ? name : nil }.tellReady("fine") }
        #expect(name.flatMap { NotificationSocket($0) } == nil)
    }
}
