import Kernel
import TestSupport
import Testing

@testable import Processes

@Suite(.ownWorkspace) struct InvocationTests {
    private func invocation(
        prefix: String? = nil, configuration: String? = nil, errorLog: String? = nil, isTest: Bool = false
    ) -> Invocation {
        Invocation(
            arguments: [], prefix: prefix, configuration: configuration, errorLog: errorLog, globalDirectives: nil, isTest: isTest,
            isQuiet: false)
    }

    /// What `-p` and `-c` say, and the prefix and the file that follow.
    @Test(arguments: [
        (nil, nil, "/etc/martlet/", "/etc/martlet/martlet.conf"),
        (nil, "x.conf", "/etc/martlet/", "/etc/martlet/x.conf"),
        (nil, "/srv/x.conf", "/etc/martlet/", "/srv/x.conf"),
        ("/srv", nil, "/srv/", "/srv/martlet.conf"),
        ("/srv/", nil, "/srv/", "/srv/martlet.conf"),
        ("/srv", "x.conf", "/srv/", "/srv/x.conf"),
        ("/srv", "/x.conf", "/srv/", "/x.conf"),
        ("srv", "x.conf", "srv/", "srv/x.conf"),
        ("", nil, "", "martlet.conf"),
        ("", "x.conf", "", "x.conf"),
        ("/", "x.conf", "/", "/x.conf"),
    ] as [(String?, String?, String, String)])
    func `a relative file starts from the prefix`(_ prefix: String?, _ configuration: String?, _ base: String, _ path: String) {
        let invocation = invocation(prefix: prefix, configuration: configuration)
        #expect(invocation.prefix == base)
        #expect(invocation.configurationPath == path)
    }

    @Test(arguments: [
        (nil, nil, "/var/log/martlet/error.log"), (nil, "e.log", "/etc/martlet/e.log"), (nil, "/e.log", "/e.log"), (nil, "stderr", nil),
        ("/srv", nil, "/srv/error.log"), ("/srv", "e.log", "/srv/e.log"), ("/srv", "/e.log", "/e.log"), ("/srv", "stderr", nil),
        ("", nil, "error.log"), ("", "e.log", "e.log"),
    ] as [(String?, String?, String?)])
    func `so does the first error log, unless it is the standard error`(_ prefix: String?, _ errorLog: String?, _ path: String?) {
        #expect(invocation(prefix: prefix, errorLog: errorLog).errorLogPath == path)
    }

    @Test(arguments: [(nil, "/run/martlet.pid"), ("/srv", "/srv/martlet.pid"), ("", "martlet.pid")] as [(String?, String)])
    func `so does the pid file`(_ prefix: String?, _ path: String) {
        #expect(invocation(prefix: prefix).pidPath == path)
    }

    @Test func `a start makes its log, a test does not`() throws {
        let workspace = try Workspace.here()
        try onLoop {
            let test = invocation(prefix: workspace.path, isTest: true).openStartupLog()
            #expect(test.copiesToTerminal && test.destinations.isEmpty)
            #expect(!Files.exists(workspace.file("error.log")))
            let start = invocation(prefix: workspace.path).openStartupLog()
            #expect(start.copiesToTerminal && start.destinations.map(\.level) == [.notice])
            #expect(Files.exists(workspace.file("error.log")))
            let second = invocation(prefix: workspace.path, isTest: true).openStartupLog()
            #expect(second.destinations.map(\.file?.path) == [workspace.file("error.log")])
            #expect(second.destinations.map(\.level) == [.info])
        }
    }
}
