import Configuration
import Kernel
import Telemetry

/// How the program was called: what does not change over reloads (`command-line.md`, section 2).
public struct Invocation: Sendable {
    /// Where things are when the call does not say.
    public enum Default {
        public static let prefix = "/etc/martlet/"
        public static let configuration = "/etc/martlet/martlet.conf"
        public static let pid = "/run/martlet.pid"
        public static let errorLog = "/var/log/martlet/error.log"
        /// With a prefix of the caller's, the same things below it.
        public static let relativeConfiguration = "martlet.conf"
        public static let relativePID = "martlet.pid"
        public static let relativeErrorLog = "error.log"
    }

    public let arguments: [String]
    /// With a final `/`; empty for the current directory.
    public let prefix: String
    public let configurationPath: String
    public let globalDirectives: String?
    public let pidPath: String
    /// Nil is the standard error.
    public let errorLogPath: String?
    public let isTest: Bool
    /// `-q`: a test says nothing of its success.
    public let isQuiet: Bool

    /// - Parameters: each nil where the option was not given.
    public init(
        arguments: [String], prefix: String?, configuration: String?, errorLog: String?, globalDirectives: String?,
        isTest: Bool, isQuiet: Bool
    ) {
        func resolved(_ path: String?, below base: String, _ relative: String, _ absolute: String) -> String {
            guard let path else { return prefix == nil ? absolute : base + relative }
            return path.hasPrefix("/") ? path : base + path
        }
        self.arguments = arguments
        self.isTest = isTest
        self.isQuiet = isQuiet
        self.globalDirectives = globalDirectives
        let base = switch prefix {
        case nil: Default.prefix
        case "": ""
        case let given?: given.hasSuffix("/") ? given : given + "/"
        }
        self.prefix = base
        configurationPath = resolved(configuration, below: base, Default.relativeConfiguration, Default.configuration)
        pidPath = resolved(nil, below: base, Default.relativePID, Default.pid)
        errorLogPath = errorLog == "stderr" ? nil : resolved(errorLog, below: base, Default.relativeErrorLog, Default.errorLog)
    }

    /// Reads the configuration as it stands in the file now.
    func loadConfiguration() throws(ConfigurationError) -> LoadedConfiguration {
        try Loader(schema: martletSchema, files: ConfigurationsOnDisk())
            .load(path: configurationPath, prefix: prefix, globalDirectives: globalDirectives)
    }

    /// The log of the time before the configuration has said where its records go. Where it cannot be
    /// opened, the standard error takes its place.
    @LoopActor func openStartupLog() -> ErrorLog {
        let level: LogLevel = isTest ? .info : .notice
        var file = LogFile.standardError
        if let errorLogPath, !isTest || Files.exists(errorLogPath) {
            do throws(KernelError) {
                file = try LogFile.open(errorLogPath)
            } catch {
                writeAll(
                    "martlet: [alert] could not open error log file: \(error)\n",
                    to: FileDescriptor.standardError)
            }
        } else if errorLogPath != nil {
            // A test leaves no files behind: what it has to say reaches the terminal alone.
            return ErrorLog.forTerminalOnly()
        }
        let log = ErrorLog([.init(file: file, level: level)])
        log.copiesToTerminal = true
        return log
    }
}

/// The configuration language's files, where they are.
private struct ConfigurationsOnDisk: ConfigurationFiles {
    func read(_ path: String) throws(ConfigurationFileFault) -> [UInt8] {
        do throws(KernelError) {
            return try Files.read(path)
        } catch {
            throw error.call == "open()" ? .open(reason: error.reason) : .read(reason: error.reason)
        }
    }

    func paths(matching pattern: String) throws(ConfigurationFileFault) -> [String] {
        do throws(KernelError) { return try Files.matching(pattern) } catch { throw .glob(reason: error.reason) }
    }
}
