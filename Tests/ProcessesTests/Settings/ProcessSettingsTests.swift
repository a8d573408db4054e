import Configuration
import Kernel
import TestSupport
import Testing

@testable import Processes

private let schema = Schema(groups: [ProcessSettings.self])

private func settings(_ directives: String) throws -> ProcessSettings {
    try schema.settings(directives, in: .main)[ProcessSettings.self]
}

@Suite struct ProcessSettingsTests {
    @Test func `a process has nginx's defaults`() throws {
        let settings = try settings("")
        #expect(settings.daemon && settings.masterProcess && settings.workerProcesses == 1 && settings.workerPriority == 0)
        #expect(settings.pidFile == .standard && settings.workingDirectory == nil && settings.environment.isEmpty)
        #expect(settings.workerShutdownTimeout == nil && settings.workerRlimitCore == nil && settings.workerRlimitNofile == nil)
    }

    @Test func `each directive sets its property`() throws {
        let settings = try settings(
            """
            daemon off; master_process off; worker_processes 4; working_directory w; worker_shutdown_timeout 1500ms; \
            worker_rlimit_nofile 100; worker_rlimit_core 1g; worker_priority -5; env A; env B=c;
            """)
        #expect(!settings.daemon && !settings.masterProcess && settings.workerProcesses == 4)
        #expect(settings.workingDirectory == "/srv/w" && settings.workerShutdownTimeout == .milliseconds(1500))
        #expect(settings.workerRlimitNofile == 100 && settings.workerRlimitCore == 1 << 30 && settings.workerPriority == -5)
        #expect(settings.environment == ["A", "B=c"])
    }

    @Test func `auto is a worker for each processor`() throws {
        #expect(try settings("worker_processes auto;").workerProcesses == min(OwnProcess.onlineProcessorCount, 1024))
        #expect(try settings("worker_processes 1024;").workerProcesses == 1024)
    }

    @Test(arguments: [
        ("pid /x/y;", ProcessSettings.PIDFilePlace.at("/x/y")), ("pid y;", .at("/srv/y")), ("pid off;", .nowhere),
        ("pid \"\";", .standard),
    ])
    func `the pid file is somewhere, nowhere, or where the program has it`(_ directive: String, _ place: ProcessSettings.PIDFilePlace) throws {
        #expect(try settings(directive).pidFile == place)
    }

    @Test func `a place for the pid file is a path, none, or that of the call`() {
        #expect(ProcessSettings.PIDFilePlace.standard.path(orDefault: "/d") == "/d")
        #expect(ProcessSettings.PIDFilePlace.nowhere.path(orDefault: "/d") == nil)
        #expect(ProcessSettings.PIDFilePlace.at("/x").path(orDefault: "/d") == "/x")
    }

    @Test(arguments: [("5", 5), ("+5", 5), ("-20", -20), ("0", 0)])
    func `a priority may have a sign`(_ text: String, _ priority: Int) throws {
        #expect(try settings("worker_priority \(text);").workerPriority == priority)
    }

    @Test func `no time to shut down in is none to hold to`() throws {
        #expect(try settings("worker_shutdown_timeout 0;").workerShutdownTimeout == nil)
    }

    @Test func `what has no effect here is taken, in silence`() {
        let directives = """
            debug_points abort; timer_resolution 100ms; ssl_object_cache_inheritable off; lock_file /l; pcre_jit on; \
            thread_pool default threads=32 max_queue=0; thread_pool other threads=1 whatever;
            """
        #expect(schema.refusal(directives, in: .main) == "ok" && schema.warnings(directives, in: .main).isEmpty)
    }

    @Test(arguments: [
        ("daemon 1;", #"invalid value "1" in "daemon" directive, it must be "on" or "off""#),
        ("worker_processes x;", #""worker_processes" directive invalid value"#),
        ("worker_processes -1;", #""worker_processes" directive invalid value"#),
        ("worker_processes 0;", "value must be between 1 and 1024"),
        ("worker_processes 1025;", "value must be between 1 and 1024"),
        ("worker_processes 1; worker_processes auto;", #""worker_processes" directive is duplicate"#),
        ("pid a; pid b;", #""pid" directive is duplicate"#),
        ("worker_shutdown_timeout x;", #""worker_shutdown_timeout" directive invalid value"#),
        ("worker_rlimit_nofile 1k;", #""worker_rlimit_nofile" directive invalid number"#),
        ("worker_rlimit_core x;", #""worker_rlimit_core" directive invalid value"#),
        ("worker_priority --1;", #""worker_priority" directive invalid number"#),
        ("worker_priority 1; worker_priority 1;", #""worker_priority" directive is duplicate"#),
        ("worker_priority 0; worker_priority 1;", "ok"),
        ("env \"\";", #""env" directive invalid value"#),
        ("env =x;", #""env" directive invalid value"#),
        ("debug_points on;", #"invalid value "on""#),
        ("timer_resolution x;", #""timer_resolution" directive invalid value"#),
        ("thread_pool p;", #"invalid number of arguments in "thread_pool" directive"#),
        ("thread_pool p max_queue=1;", #""thread_pool" must have "threads" parameter"#),
        ("thread_pool p threads=0;", #"invalid threads value "threads=0""#),
        ("thread_pool p threads=1 max_queue=x;", #"invalid max_queue value "max_queue=x""#),
        ("thread_pool p threads=1; thread_pool p threads=1;", #"duplicate thread pool "p""#),
        ("ssl_engine e;", #""ssl_engine" directive is not supported"#),
        ("worker_cpu_affinity 01 10;", "ok"), ("worker_cpu_affinity auto 10;", "ok"),
        ("worker_cpu_affinity 012;", #"invalid character "2" in "worker_cpu_affinity""#),
    ])
    func `what is no value, or has no effect yet, is refused`(_ directives: String, _ message: String) {
        #expect(schema.refusal(directives, in: .main) == message)
    }
}

@Suite struct WorkerUserTests {
    private static let isRoot = OwnProcess.effectiveUser == 0
    private static let warning =
        #"the "user" directive makes sense only if the master process runs with super-user privileges, ignored"#

    @Test func `root's workers run as the user named, all others' as themselves`() throws {
        let expected = UserAccount.group(named: "root").map { UserAccount(name: "root", user: 0, group: $0) }
        #expect(try settings("user root;").user == (Self.isRoot ? expected : nil))
        #expect(try settings("user root root;").user == (Self.isRoot ? expected : nil))
        #expect(schema.warnings("user root;", in: .main) == (Self.isRoot ? [] : [Self.warning]))
    }

    @Test func `root's workers are nobody where nobody is named`() throws {
        #expect(try settings("").user?.name == (Self.isRoot ? "nobody" : nil))
        #expect(try settings("").user?.user == (Self.isRoot ? UserAccount.user(named: "nobody") : nil))
    }

    @Test(arguments: [
        ("user no-such-user;", #"getpwnam("no-such-user") failed"#),
        ("user root no-such-group;", #"getgrnam("no-such-group") failed"#),
        ("user root; user root;", #""user" directive is duplicate"#),
    ])
    func `a user that is none stops root, and nobody else`(_ directives: String, _ message: String) {
        #expect(schema.refusal(directives, in: .main) == (Self.isRoot ? message : "ok"))
    }
}

@Suite struct CPUMaskTests {
    @Test func `the digit on the right is the first processor`() throws {
        #expect(try CPUMask.masks(["0110", "1 0"]) == [.processors([false, true, true, false]), .processors([false, true])])
        #expect(try CPUMask.masks(["auto"]) == [.oneOf(nil)])
        #expect(try CPUMask.masks(["auto", "10"]) == [.oneOf([false, true])])
    }

    @Test func `there are 1024 processors at most, and one mask to choose from`() throws {
        let digits = [UInt8](repeating: UInt8(ascii: "1"), count: 1024)
        #expect(try CPUMask.masks([Word(digits)]) == [.processors([Bool](repeating: true, count: 1024))])
        #expect(throws: DirectiveFault.message(#""worker_cpu_affinity" supports up to 1024 CPUs only"#)) {
            try CPUMask.masks([Word(digits + digits.prefix(1))])
        }
        #expect(throws: DirectiveFault.message(#"invalid number of arguments in "worker_cpu_affinity" directive"#)) {
            try CPUMask.masks(["auto", "1", "1"])
        }
    }

    @Test(arguments: [
        ("worker_cpu_affinity 01 10;", [[0], [1], [1], [1]]), ("worker_cpu_affinity 101;", [[0, 2], [0, 2], [0, 2], [0, 2]]),
        ("worker_cpu_affinity auto;", [[4], [6], [4], [6]]), ("worker_cpu_affinity auto 10110;", [[1], [2], [4], [1]]),
        ("worker_cpu_affinity auto 00;", [nil, nil, nil, nil]), ("", [nil, nil, nil, nil]),
    ] as [(String, [[Int]?])])
    func `each worker has its mask, or its processor of those that there are`(_ directive: String, _ processors: [[Int]?]) throws {
        let settings = try settings(directive)
        #expect((0..<4).map { settings.processors(ofWorker: $0, usable: [4, 6]) } == processors)
    }

    @Test(arguments: [
        ("01 10", 2, false), ("01 10", 3, true), ("01 10 100", 2, true), ("01", 2, false), ("auto", 2, false), ("auto 01", 2, false),
    ])
    func `masks for another number of workers are worth a word`(_ masks: String, _ workers: Int, _ isWorth: Bool) throws {
        #expect(try settings("worker_processes \(workers); worker_cpu_affinity \(masks);").lacksCPUMasks == isWorth)
    }
}
