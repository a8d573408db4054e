import Kernel
import Telemetry

/// Tells the service manager how the server is, where it wants to know (`sd_notify(3)`).
@LoopActor final class ServiceNotifier {
    private let socket: NotificationSocket?
    private let watchdog: Duration?
    private let timer = LoopTimer()
    /// Whoever writes records now.
    var log: ErrorLog?

    /// What a new binary is left of the environment, to speak to the same manager.
    /// The manager means the present master only by `WATCHDOG_PID`, so that stays behind.
    nonisolated static let inheritedVariables = ["NOTIFY_SOCKET", "WATCHDOG_USEC"]

    /// What there is to tell.
    enum State: Equatable {
        case ready, stopping
        case reloading(at: Duration)
        /// Another process is the server from now on, or this one is.
        case mainProcess(Int32)
        case status(String)
        case alive

        var line: String {
            switch self {
            case .ready: "READY=1"
            case .stopping: "STOPPING=1"
            case .reloading(let time): "RELOADING=1\nMONOTONIC_USEC=\(time.microseconds)"
            case .mainProcess(let id): "MAINPID=\(id)"
            case .status(let text): "STATUS=\(text)"
            case .alive: "WATCHDOG=1"
            }
        }
    }

    /// - Parameter variable: a variable of the environment.
    init(variable: (String) -> String? = OwnProcess.environmentVariable) {
        socket = variable("NOTIFY_SOCKET").flatMap { NotificationSocket($0) }
        watchdog = Self.watchdog(variable)
        timer.action = { [unowned self] in keepWatchdogQuiet() }
    }

    /// How long the manager waits for a sign of life; nil where it does not, or means another process.
    nonisolated static func watchdog(_ variable: (String) -> String?) -> Duration? {
        if let id = variable("WATCHDOG_PID"), Int32(id) != OwnProcess.id { return nil }
        guard let time = variable("WATCHDOG_USEC").flatMap({ Int64($0) }), time > 0 else { return nil }
        return .microseconds(time)
    }

    func tell(_ states: State...) {
        guard let socket else { return }
        do throws(KernelError) {
            try socket.send(states.map(\.line).joined(separator: "\n"))
        } catch {
            log?.write(.warn, error)
        }
    }

    /// The server serves, and which of its processes is to be asked from now on.
    func tellReady(_ status: String) { tell(.ready, .mainProcess(OwnProcess.id), .status(status)) }

    func tellReloading() { tell(.reloading(at: EventLoop.clock())) }

    /// Gives signs of life from now on, twice as often as they are asked for.
    func keepWatchdogQuiet() {
        guard let watchdog, socket != nil else { return }
        tell(.alive)
        timer.start(after: watchdog / 2)
    }
}

extension Duration {
    fileprivate var microseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
