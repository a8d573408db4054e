import CKernel
import Glibc

/// This process: who it is, and what it may.
public enum OwnProcess {
    public static var id: Int32 { getpid() }
    public static var parentID: Int32 { getppid() }
    public static var effectiveUser: UInt32 { geteuid() }

    /// Leaves at once, with nothing flushed and nobody told.
    public static func exit(_ code: Int32) -> Never { _exit(code) }

    /// Stops this thread, the only one, for a while.
    public static func sleep(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var wanted = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        var rest = timespec()
        while nanosleep(&wanted, &rest) != 0 && errno == EINTR { wanted = rest }
    }

    /// Becomes the leader of a session of its own, without a terminal; the standard input and output
    /// become `/dev/null` (`processes.md`, section 2).
    public static func detach() throws(KernelError) {
        _ = try retrying("setsid()") { setsid() }
        umask(0)
        let null = FileDescriptor(owning: try retrying("open(\"/dev/null\")") { kernel_open("/dev/null", O_RDWR, 0) })
        try null.duplicate(onto: STDIN_FILENO)
        try null.duplicate(onto: STDOUT_FILENO)
    }

    /// Makes sure that standard input, output and error are something, if only `/dev/null`: what is opened
    /// later would take their numbers, and be taken for them. To be called before anything else.
    /// - Returns: false where that cannot be had.
    public static func openStandardDescriptors() -> Bool {
        for number in STDIN_FILENO...STDERR_FILENO where kernel_fcntl(number, F_GETFD, 0) < 0 {
            // The lowest number that is free is this one.
            if kernel_open("/dev/null", O_RDWR, 0) != number { return false }
        }
        return true
    }

    public static func setPriority(_ priority: Int) throws(KernelError) {
        if setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, CInt(clamping: priority)) != 0 {
            throw KernelError("setpriority(\(priority))")
        }
    }

    /// The processors that this process may run on.
    public static var processors: [Int] {
        var mask = [UInt8](repeating: 0, count: affinityByteCount)
        let count = max(0, Int(kernel_get_affinity(&mask, mask.count)))
        return (0..<count * 8).filter { (processor: Int) -> Bool in
            let bit: UInt8 = 1 << UInt8(processor % 8)
            return mask[processor / 8] & bit != 0
        }
    }

    /// Lets this process run on these processors only.
    public static func setProcessors(_ processors: [Int]) throws(KernelError) {
        var mask = [UInt8](repeating: 0, count: affinityByteCount)
        for processor in processors where processor / 8 < mask.count { mask[processor / 8] |= 1 << UInt8(processor % 8) }
        _ = try retrying("sched_setaffinity()") { kernel_set_affinity(mask, mask.count) }
    }

    /// Room for 1024 processors.
    private static let affinityByteCount = 128

    public enum Resource: Sendable { case openFiles, coreSize }

    /// Sets the soft and the hard limit.
    public static func setLimit(_ resource: Resource, to value: Int) throws(KernelError) {
        var limit = rlimit(rlim_cur: rlim_t(value), rlim_max: rlim_t(value))
        let (kind, name) = switch resource {
        case .openFiles: (RLIMIT_NOFILE, "RLIMIT_NOFILE")
        case .coreSize: (RLIMIT_CORE, "RLIMIT_CORE")
        }
        if setrlimit(__rlimit_resource_t(kind.rawValue), &limit) != 0 { throw KernelError("setrlimit(\(name), \(value))") }
    }

    /// How many descriptors may be open: the soft limit and the hard one.
    public static var openFileLimits: (soft: UInt, hard: UInt) {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return (limit.rlim_cur, limit.rlim_max)
    }

    /// Whether memory may be dumped or read by processes of the same user.
    public static func setDumpable(_ isDumpable: Bool) {
        _ = kernel_prctl(PR_SET_DUMPABLE, isDumpable ? 1 : 0)
    }

    /// No program started from here on can gain rights that this process has not.
    public static func renounceNewPrivileges() {
        _ = kernel_prctl(PR_SET_NO_NEW_PRIVS, 1)
    }

    public static func changeDirectory(_ path: String) throws(KernelError) {
        if chdir(path) != 0 { throw KernelError("chdir(\"\(path)\")") }
    }

    /// The descriptors that are open now.
    public static var openDescriptors: [CInt] {
        guard let folder = opendir("/proc/self/fd") else { return [] }
        defer { closedir(folder) }
        var numbers: [CInt] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if let number = CInt(name), number != dirfd(folder) { numbers.append(number) }
        }
        return numbers
    }

    /// Closes descriptors that came with the process and that nothing in it owns.
    public static func close(_ strangers: [CInt]) {
        for number in strangers { _ = Glibc.close(number) }
    }

    /// What is left of the environment with only the variables given, each `NAME` with its present value
    /// or `NAME=VALUE`.
    public static func environment(keeping entries: [String]) -> [String] {
        entries.compactMap { entry in
            entry.contains("=") ? entry : environmentVariable(entry).map { "\(entry)=\($0)" }
        }
    }

    /// Keeps only the variables given.
    public static func keepEnvironment(_ entries: [String]) {
        let kept = environment(keeping: entries)
        clearenv()
        for entry in kept { putenv(strdup(entry)) }
    }

    public static func environmentVariable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    public static func removeEnvironmentVariable(_ name: String) { unsetenv(name) }

    /// Becomes another program, which is looked for as a shell does.
    /// - Parameter environment: all of it, each `NAME=VALUE`.
    public static func become(_ program: String, arguments: [String], environment: [String]) throws(KernelError) -> Never {
        fflush(nil)
        let words = arguments.map { strdup($0) } + [nil], variables = environment.map { strdup($0) } + [nil]
        _ = execvpe(program, words, variables)
        let error = KernelError("execve()")
        for pointer in words + variables { free(pointer) }
        throw error
    }

    public static func refreshTimeZone() { tzset() }

    public static var onlineProcessorCount: Int { max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }
    public static var pageSize: Int { max(4096, sysconf(CInt(_SC_PAGESIZE))) }

    /// `Linux 6.1.0-18-amd64`.
    public static var systemName: String {
        var name = utsname()
        uname(&name)
        func text<Field>(_ field: Field) -> String {
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        return "\(text(name.sysname)) \(text(name.release))"
    }
}
