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
    private let logs: LogBook
    /// What lets clients come back to the TLS sessions of any worker, and of the generation before.
    private let resumption: TLSResumption

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
        let logs = LogBook(isTest: invocation.isTest, standardPath: invocation.errorLogPath, continuing: old?.logs)
        self.logs = logs
        log = try logs.openMain(configuration.main[ErrorLogSettings.self])
        log.copiesToTerminal = startupLog.copiesToTerminal
        resumption = TLSResumption(continuing: old?.resumption)
        let servers = try MailServer.servers(of: configuration, resumption: resumption) { (settings) throws(ConfigurationError) in
            try logs.open(settings)
        }
        logs.complete()
        for warning in servers.compactMap(\.tls).flatMap(\.warnings) { log.write(.warn, warning) }
        entrances = Entrance.entrances(of: servers)
        try checkConnections()
        if invocation.isTest { try tryAddresses() } else { try bindListeners(replacing: old, inheriting: inherited) }
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

    // MARK: Listeners

    /// Takes over the old generation's listeners, or inherited ones, where addresses are the same, and binds the others.
    private func bindListeners(replacing old: Cycle?, inheriting inherited: InheritedListeners?) throws(ConfigurationError) {
        var found: [SocketAddress: Listener] = [:]
        for listener in old?.listeners ?? [] { found[listener.address] = listener }
        for entrance in entrances where found[entrance.address] == nil { found[entrance.address] = inherited?.take(entrance.address) }
        let kept = Set(found.keys)
        for attempt in 1...Self.bindAttempts {
            var isInUse = false
            for entrance in entrances where found[entrance.address] == nil {
                do throws(KernelError) {
                    found[entrance.address] = try Listener(entrance.address, backlog: entrance.backlog)
                } catch {
                    log.write(.emerg, "\(error.call) failed", reason: error.reason)
                    guard error.number == KernelError.addressInUse else { return try abandon(found, keeping: kept, error) }
                    isInUse = true
                }
            }
            if !isInUse { break }
            log.write(.notice, "try again to bind() after 500ms")
            OwnProcess.sleep(Self.bindPause)
            if attempt == Self.bindAttempts {
                log.write(.emerg, "still could not bind()")
                return try abandon(found, keeping: kept, KernelError("bind()", KernelError.addressInUse))
            }
        }
        listeners = entrances.compactMap { found[$0.address] }
        for (entrance, listener) in zip(entrances, listeners) {
            do throws(KernelError) { try listener.adjust(backlog: entrance.backlog) } catch {
                log.write(.alert, "\(error.call) failed, ignored", reason: error.reason)
            }
        }
    }

    private func abandon(_ found: [SocketAddress: Listener], keeping kept: Set<SocketAddress>, _ error: KernelError) throws(ConfigurationError) {
        for listener in found.values where !kept.contains(listener.address) { listener.retire() }
        throw ConfigurationError.reported
    }

    /// What a test can find out without disturbing anybody: whether each address is one of ours to bind.
    private func tryAddresses() throws(ConfigurationError) {
        for address in entrances.map(\.address) where !address.isUnix {
            do throws(KernelError) {
                _ = try ListeningSocket.bind(address, backlog: 1, listens: false)
            } catch {
                if error.number == KernelError.addressInUse { continue }
                throw ConfigurationError("\(error.call) failed (\(error.reason))", isAfterParsing: true)
            }
        }
    }

    /// Closes what the new generation does not use. Sockets in the file system go with a warning.
    func retireListeners(notIn new: Cycle?) {
        for listener in listeners where !(new?.listeners.contains { $0 === listener } ?? false) {
            if new != nil, let path = listener.ownPath { log.write(.warn, "deleting socket \(path)") }
            listener.retire()
        }
        if new == nil { listeners = [] }
    }

    /// Closes this process's descriptors of the listeners, not the sockets.
    func closeListeners() {
        for listener in listeners { listener.close() }
        listeners = []
    }

    // MARK: Logs

    /// Opens every log file anew (`processes.md`, section 10).
    /// - Parameter owner: the user that workers run as, when the master gives files to it.
    func reopenLogs(owner: UInt32?) {
        logs.reopenFiles(owner: owner, log: log)
        redirectStandardError()
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
