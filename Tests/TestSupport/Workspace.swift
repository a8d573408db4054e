import Foundation
import Glibc
public import Testing

#if !DEBUG
#error("Tests run on many threads, and release builds count references without locks (Package.swift).")
#endif

/// What one test case leaves behind: a folder, processes, threads. All of it is gone when it ends,
/// however it ends.
public final class Workspace: @unchecked Sendable {
    /// The workspace of the running test case, where its suite asks for one with `.ownWorkspace`.
    @TaskLocal public static var current: Workspace?

    /// The folder's path, without a final slash. Workers, who are another user, may enter it.
    public let path: String
    private let lock = NSLock()
    private var farewells: [@Sendable () -> Void] = []
    private var reports: [@Sendable () -> String] = []

    public init() throws {
        var template = Array("/tmp/martlet-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw WireError.system(call: "mkdtemp", errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        _ = chmod(path, 0o755)
    }

    /// The workspace of the running test case.
    public static func here() throws -> Workspace {
        guard let current else { throw TestFailure("this suite lacks the trait .ownWorkspace") }
        return current
    }

    /// A path in the folder.
    public func file(_ name: String) -> String { path + "/" + name }

    /// Writes a file and returns its path.
    @discardableResult
    public func write(_ text: String, to name: String) throws -> String {
        try write(Array(text.utf8), to: name)
    }

    @discardableResult
    public func write(_ bytes: [UInt8], to name: String) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }

    /// What a file holds; nil where there is none.
    public func contents(_ name: String) -> String? {
        FileManager.default.contents(atPath: file(name)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Has `farewell` run at the end, last added first.
    public func atEnd(_ farewell: @escaping @Sendable () -> Void) {
        lock.withLock { farewells.append(farewell) }
    }

    /// Has `report` told along with each failure of the test.
    public func onFailure(_ report: @escaping @Sendable () -> String) {
        lock.withLock { reports.append(report) }
    }

    fileprivate func report() -> [Comment] {
        lock.withLock { reports }.map { Comment(rawValue: $0()) }
    }

    /// Ends what was started here, last first, and removes the folder.
    func tearDown() {
        for farewell in lock.withLock({ farewells.reversed() }) { farewell() }
        // Processes that are just ending may still put a file into it.
        func isGone() -> Bool {
            try? FileManager.default.removeItem(atPath: path)
            return !FileManager.default.fileExists(atPath: path)
        }
        try? eventually("the folder's end", by: .after(.seconds(5)), holds: isGone)
    }
}

/// Gives every test case of a suite a workspace of its own, and a thread that it may block.
public struct OwnWorkspace: SuiteTrait, TestTrait, TestScoping {
    public var isRecursive: Bool { true }

    public func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil, Workspace.current == nil else { return try await function() }
        let workspace = try Workspace()
        let telling = IssueHandlingTrait.compactMapIssues { issue in
            var issue = issue
            issue.comments += workspace.report()
            return issue
        }
        try await Workspace.$current.withValue(workspace) {
            try await withTaskExecutorPreference(BlockableThreads.shared) {
                defer { workspace.tearDown() }
                try await telling.provideScope(for: test, testCase: testCase, performing: function)
            }
        }
    }
}

extension Trait where Self == OwnWorkspace {
    /// A folder and a thread for each test case.
    public static var ownWorkspace: OwnWorkspace { OwnWorkspace() }
}

/// Threads that tests may block. Swift's own pool has one thread a core, and most of an end-to-end
/// test is waiting.
public final class BlockableThreads: TaskExecutor, @unchecked Sendable {
    public static let shared = BlockableThreads(count: 10)

    private let condition = NSCondition()
    private var jobs: [UnownedJob] = []

    private init(count: Int) {
        for _ in 0..<count { onNewThread { self.run() } }
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        condition.withLock { jobs.append(job) }
        condition.signal()
    }

    private func run() {
        while true {
            condition.lock()
            while jobs.isEmpty { condition.wait() }
            let job = jobs.removeFirst()
            condition.unlock()
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}

/// Runs `body` on a thread of its own.
public func onNewThread(_ body: @escaping @Sendable () -> Void) {
    let thread = Thread(block: body)
    thread.stackSize = 1 << 20
    thread.start()
}
