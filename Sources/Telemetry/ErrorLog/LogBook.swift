public import Configuration
public import Kernel

/// The destinations of one configuration: each file is opened once, however many blocks name it, and logs
/// that say the same share what the rate of their records allows.
@LoopActor public final class LogBook {
    /// A test writes no file that is not there.
    private let isTest: Bool
    private let standardPath: String?
    /// The rings of the generation before, which go on where they are asked for again.
    private var olderRings: [LogTarget.Place: SharedRing]
    private var destinations: [LogTarget: LogDestination] = [:]
    private var files: [LogFile] = []
    private var servers: [SyslogServer: SyslogSocket] = [:]
    private var rings: [LogTarget.Place: SharedRing] = [:]
    private var main: (targets: [LogTarget], log: ErrorLog)?
    private let retry = LoopTimer()
    private static let retryPause = Duration.milliseconds(100)

    /// - Parameters:
    ///   - standardPath: the file of a configuration that names none, nil for the standard error.
    ///   - older: the book of the generation before, whose rings go on.
    public init(isTest: Bool, standardPath: String?, continuing older: LogBook?) {
        self.isTest = isTest
        self.standardPath = standardPath
        olderRings = older?.rings ?? [:]
    }

    /// Opens the process's own log: what cannot be written elsewhere is told there, so it always has a file.
    public func openMain(_ settings: ErrorLogSettings) throws(ConfigurationError) -> ErrorLog {
        var targets = settings.targets
        if !targets.contains(where: \.place.isFile) {
            targets.append(LogTarget(standardPath.map { .file($0) } ?? .standardError))
        }
        let log = try open(targets, tags: [])
        main = (settings.targets, log)
        return log
    }

    /// Opens the log of a server block, which is the process's where it says nothing else.
    public func open(_ settings: ErrorLogSettings) throws(ConfigurationError) -> ErrorLog {
        if let main, main.targets == settings.targets { return ErrorLog(main.log.destinations, tags: settings.userTags) }
        return try open(settings.targets, tags: settings.userTags)
    }

    /// To be called when all logs are open.
    public func complete() {
        olderRings = [:]
        guard let main else { return }
        for server in servers.values { server.complaints = main.log.filesOnly }
    }

    private func open(_ targets: [LogTarget], tags: [String]) throws(ConfigurationError) -> ErrorLog {
        var opened: [LogDestination] = []
        for target in targets {
            if let destination = try destination(target) { opened.append(destination) }
        }
        return ErrorLog(opened, tags: tags)
    }

    private func destination(_ target: LogTarget) throws(ConfigurationError) -> LogDestination? {
        if let known = destinations[target] { return known }
        guard let sink = try sink(target.place) else { return nil }
        let destination = LogDestination(
            sink, level: target.level, debugClasses: target.debugClasses, format: target.format, sieves: try sieves(target.filters),
            rate: target.rate == 0 || target.level == .debug ? nil : LogRate(target.rate, upTo: target.level))
        destinations[target] = destination
        return destination
    }

    private func sieves(_ filters: [LogFilter]) throws(ConfigurationError) -> [LogSieve] {
        do throws(RegularExpression.Fault) {
            var sieves: [LogSieve] = []
            for filter in filters { sieves.append(try LogSieve(filter)) }
            return sieves
        } catch {
            throw ConfigurationError(error.text, isAfterParsing: true)
        }
    }

    private func sink(_ place: LogTarget.Place) throws(ConfigurationError) -> LogSink? {
        do throws(KernelError) {
            switch place {
            case .standardError: return .file(.standardError)
            case .file(let path): return try file(at: path).map { .file($0) }
            case .syslog(let server): return .syslog(socket(to: server))
            case .memory(let byteCount, let header): return isTest ? nil : .memory(try ring(place, byteCount, header))
            }
        } catch {
            throw ConfigurationError("\(error)", isAfterParsing: true)
        }
    }

    /// A test makes no file, but says whether a start could.
    private func file(at path: String) throws(KernelError) -> LogFile? {
        if let file = files.first(where: { $0.path == path }) { return file }
        if isTest && !Files.exists(path) {
            try Files.checkWritableFolder(of: path)
            return nil
        }
        let file = try LogFile.open(path)
        files.append(file)
        return file
    }

    private func socket(to server: SyslogServer) -> SyslogSocket {
        let socket = servers[server] ?? SyslogSocket(server)
        servers[server] = socket
        return socket
    }

    private func ring(_ place: LogTarget.Place, _ byteCount: Int, _ header: String) throws(KernelError) -> SharedRing {
        if let ring = rings[place] ?? olderRings[place] {
            rings[place] = ring
            return ring
        }
        let ring = try SharedRing(byteCount: byteCount, named: "martlet-error-log", header: Array(header.utf8))
        rings[place] = ring
        return ring
    }

    /// Opens every file anew (`processes.md`, section 10). For one that only lacks a descriptor the rest of
    /// the order stands until there is one: nobody gives it again.
    /// - Parameters:
    ///   - owner: the user that workers run as, when the master gives files to it.
    ///   - log: is told of those that cannot be opened, and stay as they are.
    ///   - done: called when files have been opened, now and later.
    public func reopenFiles(owner: UInt32?, log: ErrorLog, done: @escaping @LoopActor () -> Void) {
        retry.stop()
        reopen(files, owner, log, done) { log.write(.emerg, $0) }
    }

    private func reopen(
        _ files: [LogFile], _ owner: UInt32?, _ log: ErrorLog, _ done: @escaping @LoopActor () -> Void,
        complain: (KernelError) -> Void
    ) {
        var rest: [LogFile] = []
        for file in files {
            do throws(KernelError) {
                try file.reopen(owner: owner)
                log.debug(.core, "log file \"\(file.path ?? "")\" reopened")
            } catch {
                complain(error)
                if error.isOutOfDescriptors { rest.append(file) }
            }
        }
        done()
        guard !rest.isEmpty else { return }
        // That there are none has been said.
        retry.action = { [unowned self] in reopen(rest, owner, log, done) { _ in } }
        retry.start(after: Self.retryPause)
    }
}

extension LogTarget.Place {
    fileprivate var isFile: Bool {
        switch self {
        case .file, .standardError: true
        case .syslog, .memory: false
        }
    }
}
