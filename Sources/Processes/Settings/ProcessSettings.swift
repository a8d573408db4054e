public import Configuration
public import Kernel

/// Who runs, as whom, and within which limits: the directives of the file itself.
public struct ProcessSettings: SettingsGroup {
    /// How many workers there may be; nginx has as many places for all generations of them.
    public static let maximumWorkers = 1024

    @Setting public var daemon = true
    @Setting public var masterProcess = true
    @Setting public var workerProcesses = 1
    /// Whom workers run as. Nil where the master is not root: they run as it does.
    @Setting public var user: UserAccount?
    @Setting public var pidFile = PIDFilePlace.standard
    @Setting public var workingDirectory: String?
    /// How long sessions may last once a worker is to leave; nil: as long as they like.
    @Setting public var workerShutdownTimeout: Duration?
    @Setting public var workerRlimitNofile: Int?
    @Setting public var workerRlimitCore: Int?
    @Setting public var workerPriority = 0
    @Setting public var workerCPUAffinity: [CPUMask] = []
    /// What workers keep of the environment beside `TZ`, each `NAME` or `NAME=VALUE`.
    @Setting public var environment: [String] = []
    @Setting public var debugPoints: DebugPoint?
    @Setting public var timerResolution = Duration.zero
    @Setting public var inheritsTLSObjects = true
    @Setting public var lockFile: String?
    @Setting public var usesPCREJIT = false
    @Setting public var threadPools: [ThreadPool] = []

    /// What is kept of the environment, in the form of `env`: the time zone always.
    var keptVariables: [String] { ["TZ"] + environment }

    /// Where the master's number is written.
    public enum PIDFilePlace: Sendable, Equatable {
        /// Where the call, or the program, has it.
        case standard
        case nowhere
        case at(String)

        /// The path, nil where there is to be no file.
        public func path(orDefault standard: String) -> String? {
            switch self {
            case .standard: standard
            case .nowhere: nil
            case .at(let path): path
            }
        }
    }

    /// What happens when a worker finds itself in a state that cannot be.
    public enum DebugPoint: Sendable { case abort, stop }

    public init() {}

    public static let directives: [Directive<Self>] = [
        .flag("daemon", in: [.main], sets: \.$daemon),
        .flag("master_process", in: [.main], sets: \.$masterProcess),
        .custom(
            "worker_processes", in: [.main], takes: .exactly(1), sets: \.$workerProcesses,
            handler: { (call) throws(DirectiveFault) in try workerCount(call.words[0]) }),
        .custom(
            "user", in: [.main], takes: .between(1, 2), inherits: \.$user,
            handler: { (group, call) throws(DirectiveFault) in try group.setUser(call) }),
        .custom(
            "pid", in: [.main], takes: .exactly(1), sets: \.$pidFile,
            handler: { (call) throws(DirectiveFault) in pidFile(call) }),
        .path("working_directory", in: [.main], sets: \.$workingDirectory),
        .custom(
            "worker_shutdown_timeout", in: [.main], takes: .exactly(1), sets: \.$workerShutdownTimeout,
            handler: { (call) throws(DirectiveFault) in
                guard let limit = call.words[0].duration else { throw .invalidValue }
                return limit == .zero ? nil : limit
            }),
        .number("worker_rlimit_nofile", in: [.main], sets: \.$workerRlimitNofile),
        .custom(
            "worker_rlimit_core", in: [.main], takes: .exactly(1), sets: \.$workerRlimitCore,
            handler: { (call) throws(DirectiveFault) in
                guard let byteCount = call.words[0].offset else { throw .invalidValue }
                return byteCount
            }),
        .custom(
            "worker_priority", in: [.main], takes: .exactly(1), inherits: \.$workerPriority,
            handler: { (group, call) throws(DirectiveFault) in
                if group.workerPriority != 0 { throw .duplicate }
                group.$workerPriority.set(try priority(call.words[0]))
            }),
        .custom(
            "worker_cpu_affinity", in: [.main], takes: .atLeast(1), sets: \.$workerCPUAffinity,
            handler: { (call) throws(DirectiveFault) in try CPUMask.masks(call.words) }),
        .custom(
            "env", in: [.main], takes: .exactly(1), inherits: \.$environment,
            handler: { (group, call) throws(DirectiveFault) in
                guard let name = call.words[0].bytes.first, name != UInt8(ascii: "=") else { throw .invalidValue }
                group.$environment.append(contentsOf: [call.words[0].text])
            }),
    ] + withoutEffect

    /// What a file may say without anything having to be done about it.
    private static let withoutEffect: [Directive<Self>] = [
        .choice("debug_points", of: ["abort": .abort, "stop": .stop], in: [.main], sets: \.$debugPoints),
        .duration("timer_resolution", in: [.main], sets: \.$timerResolution),
        .flag("ssl_object_cache_inheritable", in: [.main], sets: \.$inheritsTLSObjects),
        .path("lock_file", in: [.main], sets: \.$lockFile),
        .flag("pcre_jit", in: [.main], sets: \.$usesPCREJIT),
        .custom(
            "thread_pool", in: [.main], takes: .between(2, 3), inherits: \.$threadPools,
            handler: { (group, call) throws(DirectiveFault) in
                let pool = try ThreadPool(call.words)
                if group.threadPools.contains(where: { $0.name == pool.name }) {
                    throw .message("duplicate thread pool \"\(pool.name)\"")
                }
                group.$threadPools.append(contentsOf: [pool])
            }),
        .custom(
            "ssl_engine", in: [.main], takes: .exactly(1),
            handler: { (_, _) throws(DirectiveFault) in throw .directive("is not supported") }),
    ]

    public mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
        if user == nil && OwnProcess.effectiveUser == 0 { user = try Self.nobody() }
    }
}

// MARK: Values

extension ProcessSettings {
    private static func workerCount(_ word: Word) throws(DirectiveFault) -> Int {
        if word == "auto" { return min(OwnProcess.onlineProcessorCount, maximumWorkers) }
        guard let count = word.number else { throw .invalidValue }
        // nginx takes 0, and then never ends.
        guard (1...maximumWorkers).contains(count) else {
            throw .message("value must be between 1 and \(maximumWorkers)")
        }
        return count
    }

    /// Only root can become somebody else, so to others the words say nothing.
    private mutating func setUser(_ call: DirectiveCall) throws(DirectiveFault) {
        if user != nil { throw .duplicate }
        guard OwnProcess.effectiveUser == 0 else {
            return call.warn(
                "the \"user\" directive makes sense only if the master process runs with super-user privileges, ignored")
        }
        let name = call.words[0], group = call.words.last ?? name
        guard let userID = UserAccount.user(named: name.text) else { throw .message("getpwnam(\"\(name.printed)\") failed") }
        guard let groupID = UserAccount.group(named: group.text) else { throw .message("getgrnam(\"\(group.printed)\") failed") }
        $user.set(UserAccount(name: name.text, user: userID, group: groupID))
    }

    /// Whom workers of a root master run as where nobody is named.
    private static func nobody() throws(ConfigurationError) -> UserAccount {
        guard let user = UserAccount.user(named: "nobody") else {
            throw ConfigurationError("getpwnam(\"nobody\") failed", isAfterParsing: true)
        }
        // Debian's group of that user has a name of its own.
        guard let group = UserAccount.group(named: "nobody") ?? UserAccount.group(named: "nogroup") else {
            throw ConfigurationError("getgrnam(\"nobody\") failed", isAfterParsing: true)
        }
        return UserAccount(name: "nobody", user: user, group: group)
    }

    private static func pidFile(_ call: DirectiveCall) -> PIDFilePlace {
        switch call.words[0].text {
        case "off": .nowhere
        case "": .standard
        case let path: .at(call.paths.resolve(path))
        }
    }

    private static func priority(_ word: Word) throws(DirectiveFault) -> Int {
        let digits = word.value(after: "-") ?? word.value(after: "+") ?? word
        guard let number = digits.number else { throw .invalidNumber }
        return word.bytes.first == UInt8(ascii: "-") ? -number : number
    }
}

/// A pool of threads, which nothing in a mail proxy needs. Parameters that nobody knows are none of our
/// business, as in nginx.
public struct ThreadPool: Sendable, Equatable {
    public let name: String

    init(_ words: [Word]) throws(DirectiveFault) {
        name = words.first?.text ?? ""
        var hasThreads = false
        for word in words.dropFirst() {
            if let value = word.value(after: "threads=") {
                guard let count = value.number, count > 0 else { throw .message("invalid threads value \"\(word.printed)\"") }
                hasThreads = true
            } else if let value = word.value(after: "max_queue="), value.number == nil {
                throw .message("invalid max_queue value \"\(word.printed)\"")
            }
        }
        if !hasThreads { throw .message("\"thread_pool\" must have \"threads\" parameter") }
    }
}
