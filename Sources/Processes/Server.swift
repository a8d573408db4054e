import Configuration
public import Kernel
import Proxy
import Telemetry

/// What the program does once its options are read: serve, test a configuration, or signal a master.
/// Each returns the exit code.
@LoopActor public struct Server {
    private let invocation: Invocation
    private let title: ProcessTitle

    public init(_ invocation: Invocation, title: ProcessTitle) {
        self.invocation = invocation
        self.title = title
    }

    // MARK: -t and -T

    /// Tries the configuration out and says what came of it (`config-language.md`, section 6).
    public func test(dumping: Bool) -> Int32 {
        let log = invocation.openStartupLog()
        let path = invocation.configurationPath
        do throws(ConfigurationError) {
            let configuration = try invocation.loadConfiguration()
            _ = try Cycle(configuration, for: invocation, startupLog: log, replacing: nil)
            say("the configuration file \(path) syntax is ok")
            say("configuration file \(path) test is successful")
            if dumping { dump(configuration) }
            return 0
        } catch {
            if error.isAfterParsing { say("the configuration file \(path) syntax is ok") }
            report(error, to: log)
            writeAll("martlet: configuration file \(path) test failed\n", to: FileDescriptor.standardError)
            return 1
        }
    }

    private func say(_ text: String) {
        if !invocation.isQuiet { writeAll("martlet: \(text)\n", to: FileDescriptor.standardError) }
    }

    private func dump(_ configuration: LoadedConfiguration) {
        for file in configuration.files {
            writeAll("# configuration file \(file.path):\n", to: FileDescriptor.standardOutput)
            writeAll(file.bytes, to: FileDescriptor.standardOutput)
            writeAll("\n", to: FileDescriptor.standardOutput)
        }
    }

    private func report(_ error: ConfigurationError, to log: ErrorLog) {
        for warning in error.earlierWarnings { log.write(.warn, warning) }
        if !error.isReported { log.write(error.level == .crit ? .crit : .emerg, error.message) }
    }

    // MARK: -s

    /// Sends a signal to the master that the pid file names (`command-line.md`, section 4).
    public func signal(_ signal: Signal) -> Int32 {
        let log = invocation.openStartupLog()
        let pidPath: String?
        do throws(ConfigurationError) {
            let configuration = try invocation.loadConfiguration()
            pidPath = self.pidPath(of: configuration)
            for warning in configuration.warnings { log.write(.warn, warning) }
        } catch {
            report(error, to: log)
            return 1
        }
        log.write(.notice, "signal process started")
        guard let pidPath else {
            return fail("no PID file configured", log)
        }
        do throws(KernelError) {
            guard let id = try PIDFile.read(pidPath) else {
                let text = String(decoding: try PIDFile.contents(of: pidPath), as: UTF8.self).prefix { !$0.isNewline }
                return fail("invalid PID number \"\(text)\" in \"\(pidPath)\"", log)
            }
            return send(signal, to: id, namedBy: pidPath, log)
        } catch {
            return fail("\(error.call) \"\(pidPath)\" failed (\(error.reason))", log)
        }
    }

    /// The process is held on to before it is looked at: it cannot become a stranger in between.
    private func send(_ signal: Signal, to id: Int32, namedBy pidPath: String, _ log: ErrorLog) -> Int32 {
        let call = "kill(\(id), \(signal.number)) failed"
        do throws(KernelError) {
            let process = try ProcessHandle(id)
            guard PIDFile.mayBeServer(id) else {
                log.write(
                    .alert, "\(call), the process that \"\(pidPath)\" names is no martlet master",
                    reason: KernelError(call, KernelError.noSuchProcess).reason)
                return 1
            }
            try process.send(signal)
            return 0
        } catch {
            log.write(.alert, call, reason: error.reason)
            return 1
        }
    }

    private func pidPath(of configuration: LoadedConfiguration) -> String? {
        configuration.main[ProcessSettings.self].pidFile.path(orDefault: invocation.pidPath)
    }

    private func fail(_ message: String, _ log: ErrorLog) -> Int32 {
        log.write(.error, message)
        return 1
    }

    // MARK: Serving

    /// Starts, and serves until told to stop (`processes.md`, section 1).
    /// - Returns: 1 where the start has failed.
    public func serve() -> Int32 {
        guard let role = start(Inheritance.claim(), ServiceNotifier()) else { return 1 }
        do throws(KernelError) {
            switch role {
            case .master(let master): return try master.run()
            case .everything(let process): return try process.run()
            }
        } catch {
            // It leads to the log of the present generation. The first one's may be closed long since.
            ErrorLog([.init(file: .standardError, level: .notice)]).write(.emerg, error)
            return 1
        }
    }

    /// What a process that serves does, as `master_process` says.
    private enum Role {
        case master(Master)
        case everything(SingleProcess)
    }

    /// Does all that can make a start fail. Nothing here outlives the call but the role: the first
    /// generation goes, logs and all, when a reload has replaced it.
    private func start(_ inheritance: Inheritance, _ notifier: ServiceNotifier) -> Role? {
        guard let cycle = firstCycle(inheritance) else { return nil }
        SignalReader.blockAll()
        announce(cycle)
        do throws(KernelError) {
            // A new binary is in the background as far as the old one is.
            let isUpgrade = inheritance.master != nil
            let launcher = cycle.process.daemon && !isUpgrade ? try Daemon.launch() : nil
            let start = try Start(cycle, launcher: launcher, isUpgrade: isUpgrade)
            return try role(with: cycle, start, notifier, inheritance)
        } catch {
            cycle.log.write(.emerg, error)
            cycle.abandonPIDFile()
            cycle.retireListeners()
            return nil
        }
    }

    private func role(
        with cycle: Cycle, _ start: Start, _ notifier: ServiceNotifier, _ inheritance: Inheritance
    ) throws(KernelError) -> Role {
        let numbers = try SharedCounter()
        notifier.log = cycle.log
        if cycle.process.masterProcess {
            return .master(try Master(
                cycle, start, invocation: invocation, title: title, numbers: numbers, notifier: notifier, inheritance: inheritance))
        }
        return .everything(try SingleProcess(
            cycle, start, invocation: invocation, numbers: numbers, notifier: notifier, inheritance: inheritance))
    }

    /// Builds the first generation. The log of the start is closed when that is done.
    private func firstCycle(_ inheritance: Inheritance) -> Cycle? {
        let startupLog = invocation.openStartupLog()
        let inherited = InheritedListeners(inheritance, log: startupLog)
        defer { inherited.closeRest() }
        do throws(ConfigurationError) {
            let configuration = try invocation.loadConfiguration()
            return try Cycle(configuration, for: invocation, startupLog: startupLog, replacing: nil, inheriting: inherited)
        } catch {
            report(error, to: startupLog)
            return nil
        }
    }

    private func announce(_ cycle: Cycle) {
        let log = cycle.log
        let limits = OwnProcess.openFileLimits
        log.write(.notice, "using the \"\(cycle.events.method.rawValue)\" event method")
        log.write(.notice, Version.name)
        log.write(.notice, "OS: \(OwnProcess.systemName)")
        log.write(.notice, "getrlimit(RLIMIT_NOFILE): \(limits.soft):\(limits.hard)")
    }
}
