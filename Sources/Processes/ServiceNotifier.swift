import Kernel
import Telemetry

/// Tells the service manager how the server is, where it wants to know (`sd_notify(3)`).
@LoopActor final class ServiceNotifier {
    private let socket: NotificationSocket?
    private let watchdog: Duration?
    private let timer = LoopTimer()
    /// What the manager has no room for yet, the oldest first.
    private var waiting: [String] = []
    private let retry = LoopTimer()
    private static let retryPause = Duration.milliseconds(100)
    /// How much waits for a manager that does not read. What is older by so many states tells nothing any more.
    static let maximumWaiting = 16
    /// How often that is tried again when the process ends.
    private static let lastAttempts = 10
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
        retry.action = { [unowned self] in deliver() }
    }

    /// How long the manager waits for a sign of life; nil where it does not, or means another process.
    nonisolated static func watchdog(_ variable: (String) -> String?) -> Duration? {
        if let id = variable("WATCHDOG_PID"), Int32(id) != OwnProcess.id { return nil }
        guard let time = variable("WATCHDOG_USEC").flatMap({ Int64($0) }), time > 0 else { return nil }
        return .microseconds(time)
    }

    /// Tells it as soon as the manager has room for it, and waits for nobody.
    func tell(_ states: State...) {
        guard socket != nil else { return }
        waiting = waiting.suffix(Self.maximumWaiting - 1) + [states.map(\.line).joined(separator: "\n")]
        deliver()
    }

    private func deliver() {
        while let socket, let text = waiting.first {
            do throws(KernelError) {
                try socket.send(text)
            } catch {
                if error.number == KernelError.wouldBlock { return retry.start(after: Self.retryPause) }
                log?.write(.warn, error)
            }
            waiting.removeFirst()
        }
    }

    /// Tells what has been left, when nothing else is to be done.
    func finish() {
        for _ in 0..<Self.lastAttempts where !waiting.isEmpty {
            OwnProcess.sleep(Self.retryPause)
            deliver()
        }
    }

    /// The server serves, and which of its processes is to be asked from now on.
    func tellReady(_ status: String) { tell(.ready, .mainProcess(OwnProcess.id), .status(status)) }

    func tellReloading() { tell(.reloading(at: EventLoop.clock())) }

    /// Gives signs of life from now on, twice as often as they are asked for.
    func keepWatchdogQuiet() {
        guard let watchdog, socket != nil else { return }
        // A sign of life that comes late says no more than the next one.
        if waiting.isEmpty { tell(.alive) }
        timer.start(after: watchdog / 2)
    }
}

extension Duration {
    fileprivate var microseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
