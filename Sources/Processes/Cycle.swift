import Configuration
import Kernel
import Protocols
import Proxy
import TLS
import Telemetry

/// One generation: a configuration, with its logs opened and its listeners bound.
@LoopActor final class Cycle {
    let process: ProcessSettings
    let events: EventsSettings
    /// The process's own log.
    let log: ErrorLog
    let entrances: [Entrance]
    let pidPath: String?
    /// One for each entrance, in the same order.
    private(set) var listeners: [Listener] = []
    /// A service manager's sockets that no `listen` names. Nobody else could bind their addresses, so they
    /// are kept for a generation that names them.
    private(set) var spares: [Listener] = []
    private let logs: LogBook
    /// The pid file, until this generation serves; nil where it has the same as the one before, or none.
    var pidDraft: FileDraft?
    /// What lets clients come back to the TLS sessions of any worker, and of the generation before.
    private let resumption: TLSResumption
    /// What limits know of clients, whichever worker has them, and of the generation before.
    private let accessMemory: AccessMemory

    /// How often, and after what pause, an address that is in use is tried again (`command-line.md`, section 5).
    private static let bindAttempts = 5
    private static let bindPause = Duration.milliseconds(500)

    /// Builds a generation. What fails is undone, and the old one stays as it was.
    /// - Parameters:
    ///   - startupLog: takes records until the configured logs are open.
    ///   - old: the generation that this one replaces, whose listeners it takes over.
    ///   - inherited: what another process has left, for the first generation.
    init(
        _ configuration: LoadedConfiguration, for invocation: Invocation, startupLog: ErrorLog, replacing old: Cycle?,
        inheriting inherited: InheritedListeners? = nil
    ) throws(ConfigurationError) {
        for warning in configuration.warnings { startupLog.write(.warn, warning) }
        process = configuration.main[ProcessSettings.self]
        events = configuration.events[EventsSettings.self]
        pidPath = process.pidFile.path(orDefault: invocation.pidPath)
        if !invocation.isTest { try Self.checkOwner(ofPIDFile: pidPath, replacing: old?.pidPath) }
        let logs = LogBook(isTest: invocation.isTest, standardPath: invocation.errorLogPath, continuing: old?.logs)
        self.logs = logs
        log = try logs.openMain(configuration.main[ErrorLogSettings.self])
        log.copiesToTerminal = startupLog.copiesToTerminal
        resumption = TLSResumption(continuing: old?.resumption)
        accessMemory = AccessMemory(continuing: old?.accessMemory)
        let servers = try MailServer.servers(of: configuration, resumption: resumption, memory: accessMemory) { (settings) throws(ConfigurationError) in
            try logs.open(settings)
        }
        logs.complete()
        for warning in servers.compactMap(\.tls).flatMap(\.warnings) { log.write(.warn, warning) }
        entrances = Entrance.entrances(of: servers)
        try checkConnections()
        warnOfProcessors()
        if invocation.isTest {
            try tryAddresses()
        } else {
            if let old { try draftPIDFile(besides: old) }
            try bindListeners(replacing: old, inheriting: inherited)
        }
    }

    private func checkConnections() throws(ConfigurationError) {
        if events.workerConnections < entrances.count + 1 {
            throw ConfigurationError(
                "\(events.workerConnections) worker_connections are not enough for \(entrances.count) listening sockets",
                isAfterParsing: true)
        }
        let limit = Int(clamping: OwnProcess.openFileLimits.soft)
        if events.workerConnections > limit && events.workerConnections > process.workerRlimitNofile ?? 0 {
            log.write(.warn, "\(events.workerConnections) worker_connections exceed open file resource limit: \(limit)")
        }
    }

    private func warnOfProcessors() {
        guard process.lacksCPUMasks else { return }
        log.write(
            .warn,
            "the number of \"worker_processes\" is not equal to the number of \"worker_cpu_affinity\" masks, "
                + "using last mask for remaining worker processes")
    }

    // MARK: Listeners

    /// Takes over the old generation's listeners, or inherited ones, where addresses are the same, and binds the others.
    private func bindListeners(replacing old: Cycle?, inheriting inherited: InheritedListeners?) throws(ConfigurationError) {
        let former = old.map { $0.listeners + $0.spares } ?? inherited?.listeners ?? []
        var found = entrances.map { entrance in
            former.first { listener in
                listener.address == entrance.address && !listener.hasLostName
                    // What a service manager has bound serves as it is.
                    && (old == nil && listener.origin == .activated || listener.isMade(like: entrance.options.socket))
            }
        }
        var attempts = Self.bindAttempts
        while try !bindMissing(&found, besides: former) {
            attempts -= 1
            if attempts == 0 {
                log.write(.emerg, "still could not bind()")
                try abandon(found, keeping: former)
            }
            log.write(.notice, "try again to bind() after 500ms")
            OwnProcess.sleep(Self.bindPause)
        }
        listeners = found.compactMap(\.self)
        spares = former.filter { spare in spare.origin == .activated && !listeners.contains { $0 === spare } }
        for listener in listeners + spares { _ = inherited?.take(listener.address) }
        if old == nil { adjustListeners() }
    }

    /// Tries to bind what no listener has been found for.
    /// - Returns: false where an address is in use.
    private func bindMissing(_ found: inout [Listener?], besides former: [Listener]) throws(ConfigurationError) -> Bool {
        var isComplete = true
        for (place, entrance) in entrances.enumerated() {
            do throws(KernelError) {
                let listener = if let listener = found[place] { listener } else {
                    try bind(entrance, besides: former + found.compactMap(\.self), isFirst: former.isEmpty)
                }
                found[place] = listener
                if entrance.hasSocketPerWorker { try listener.provide(for: workerCount) }
            } catch {
                log.write(.emerg, "\(error.call) failed", reason: error.reason)
                guard error.number == KernelError.addressInUse else { try abandon(found, keeping: former) }
                isComplete = false
            }
        }
        return isComplete
    }

    /// Binds a listener, beside those at the same port that are there already.
    private func bind(_ entrance: Entrance, besides others: [Listener], isFirst: Bool) throws(KernelError) -> Listener {
        let neighbours = others.filter { $0.isNeighbour(of: entrance.address, entrance.options.socket) }
        for neighbour in neighbours { try neighbour.sharePort() }
        if case .unix(let path) = entrance.address, others.contains(where: { $0.address == entrance.address }) {
            log.write(.warn, "socket \(path) is gone, making it anew")
        }
        if case .unix(let path) = entrance.address, ListeningSocket.isAbandoned(path) {
            log.write(.warn, "deleting abandoned socket \(path)")
            try Files.remove(path)
        }
        // Where others serve until this generation can, it lets clients come when it has workers.
        let listener = try Listener(
            entrance.address, entrance.options.socket, sharesPort: !neighbours.isEmpty, listens: isFirst)
        if listener.lacksMultipath { log.write(.warn, "multipath is not supported on this platform, ignored") }
        return listener
    }

    private func abandon(_ found: [Listener?], keeping former: [Listener]) throws(ConfigurationError) -> Never {
        for case let listener? in found where !former.contains(where: { $0 === listener }) { listener.retire() }
        throw ConfigurationError.reported
    }

    /// Sets the options of all listeners, also of those that the old generation had.
    func adjustListeners() {
        for (entrance, listener) in zip(entrances, listeners) {
            for fault in listener.adjust(to: entrance.options.socket) {
                log.write(.alert, "\(fault.call) failed, ignored", reason: fault.reason)
            }
        }
    }

    /// How many processes accept connections.
    var workerCount: Int { process.masterProcess ? process.workerProcesses : 1 }

    /// What a test can find out without disturbing anybody: whether each address is one of ours to bind.
    private func tryAddresses() throws(ConfigurationError) {
        for address in entrances.map(\.address) where !address.isUnix {
            do throws(KernelError) {
                _ = try ListeningSocket.bind(address, listens: false)
            } catch {
                if error.number == KernelError.addressInUse { continue }
                throw ConfigurationError("\(error.call) failed (\(error.reason))", isAfterParsing: true)
            }
        }
    }

    /// Closes what the new generation does not use. Sockets in the file system go with a warning.
    func retireListeners(notIn new: Cycle) {
        for listener in listeners + spares where !(new.listeners + new.spares).contains(where: { $0 === listener }) {
            if let path = listener.ownPath { log.write(.warn, "deleting socket \(path)") }
            listener.retire()
        }
    }

    /// Closes all listeners, but those that another process goes on with.
    func retireListeners(besides heir: ProcessSockets? = nil) {
        for listener in listeners + spares { listener.retire(besides: heir) }
        (listeners, spares) = ([], [])
    }

    /// Closes this process's descriptors of the listeners, not the sockets.
    func closeListeners() {
        for listener in listeners + spares { listener.close() }
        (listeners, spares) = ([], [])
    }

    /// A worker is no more, and cannot give back what it held.
    func forget(process: Int32) { accessMemory.forget(process: process) }

    // MARK: Logs

    /// Opens every log file anew (`processes.md`, section 10).
    /// - Parameter owner: the user that workers run as, when the master gives files to it.
    func reopenLogs(owner: UInt32?) {
        logs.reopenFiles(owner: owner, log: log) { [weak self] in self?.redirectStandardError() }
    }

    /// From now on, what libraries have to say goes where the process's records go.
    func redirectStandardError() {
        guard !log.destinations.contains(where: \.isStandardError) else { return }
        try? log.destinations.lazy.compactMap(\.file).first?.takeOverStandardError()
    }

    /// The server starts: the terminal gets no more copies.
    func stopCopyingToTerminal() { log.copiesToTerminal = false }
}

extension ConfigurationError {
    /// The log has been told already, at each fault.
    static let reported = ConfigurationError("", isAfterParsing: true)
    var isReported: Bool { message.isEmpty }
}
extension Cycle {
    /// What a service manager shows of a server that serves.
    var statusText: String { "worker processes: \(process.workerProcesses), listeners: \(listeners.count)" }
}
