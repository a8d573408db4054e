import Configuration
import Kernel
import Proxy
import Telemetry

/// The process that owns the configuration, the listeners and the workers. It serves nobody itself.
@LoopActor final class Master: EventObserver {
    private let invocation: Invocation
    private let title: ProcessTitle
    private let numbers: SharedCounter
    private let signals: SignalReader
    private var cycle: Cycle
    private var workers: [WorkerProcess] = []
    private var generation = 1
    private var phase = Phase.serving
    private let escalation = LoopTimer()

    private enum Phase { case serving, quitting, terminating(pause: Duration) }

    /// How long workers have to obey TERM: orders are repeated after growing pauses, until one would
    /// be longer than `patience`; then they are killed (`processes.md`, section 7.1).
    private static let firstPause = Duration.milliseconds(50)
    private static let patience = Duration.seconds(1)
    /// How long a reload waits for its workers before the old ones are told to leave all the same.
    private static let readinessLimit = Duration.seconds(10)

    init(_ cycle: Cycle, invocation: Invocation, title: ProcessTitle, numbers: SharedCounter) throws(KernelError) {
        self.cycle = cycle
        self.invocation = invocation
        self.title = title
        self.numbers = numbers
        signals = try SignalReader()
        try LoopActor.loop.watch(signals.source, self)
        escalation.action = { [unowned self] in escalate() }
        readiness.action = { [unowned self] in replaceOldGeneration() }
    }

    /// Runs until the last worker has gone after a TERM or QUIT.
    func run() throws(KernelError) {
        title.set("martlet: master process " + invocation.arguments.joined(separator: " "))
        startWorkers()
        try LoopActor.loop.run { isDone }
        if let path = cycle.pidPath {
            do throws(KernelError) {
                try PIDFile.remove(path)
            } catch {
                cycle.log.write(.alert, "unlink() \"\(path)\" failed", reason: error.reason)
            }
        }
        cycle.log.write(.notice, "exit")
        cycle.retireListeners(notIn: nil)
    }

    private var isDone: Bool {
        if case .serving = phase { false } else { workers.isEmpty }
    }

    // MARK: Workers

    private func startWorkers() {
        cycle.log.write(.notice, "start worker processes")
        for index in 0..<cycle.process.workerProcesses { startWorker(index) }
    }

    private func startWorker(_ index: Int, afterFailures failures: Int = 0) {
        do throws(KernelError) {
            let ends = try Channel.makePair()
            let own = EventSource(owning: ends.0, isStream: false)
            let theirs = EventSource(owning: ends.1, isStream: false)
            guard let id = try ChildProcess.fork() else {
                own.close()
                becomeWorker(theirs)
            }
            theirs.close()
            cycle.log.write(.notice, "start worker process \(id)")
            let worker = WorkerProcess(id, index: index, generation: generation, channel: own, failures: failures)
            workers.append(worker)
            try LoopActor.loop.watch(own, self)
        } catch {
            cycle.log.write(.alert, "\(error.call) failed while spawning \"worker process\"", reason: error.reason)
        }
    }

    /// The child's way: it never returns to the master's.
    private func becomeWorker(_ channel: EventSource) -> Never {
        for sibling in workers { sibling.channel.close() }
        signals.source.close()
        let log = cycle.log
        do throws(KernelError) {
            try WorkerRights.settle(cycle.process, log: log)
            title.set("martlet: worker process")
            let worker = try Worker(cycle, numbers: numbers, channel: channel, title: title)
            try worker.open()
            // The worker accepts on descriptors of its own.
            cycle.closeListeners()
            try worker.run()
        } catch {
            log.write(.emerg, error)
            OwnProcess.exit(WorkerRights.fatalExitCode)
        }
        OwnProcess.exit(0)
    }

    private func send(_ order: Order, to receivers: [WorkerProcess]) {
        for worker in receivers where !worker.channel.send(message: order.rawValue) {
            try? order.signal.send(to: worker.id)
        }
    }

    // MARK: Events

    func becameReady(_ source: EventSource) {
        if source === signals.source {
            while let received = signals.next() { obey(received) }
        } else if let worker = workers.first(where: { $0.channel === source }) {
            hear(worker)
        }
    }

    private func hear(_ worker: WorkerProcess) {
        while true {
            let (message, isClosed) = worker.channel.receiveMessage()
            if message == Order.ready.rawValue {
                worker.isReady = true
                replaceOldGenerationIfReady()
            }
            if isClosed { worker.channel.close() }
            if isClosed || message == nil { return }
        }
    }

    private func obey(_ received: ReceivedSignal) {
        let (words, action) = reaction(to: received.signal)
        cycle.log.write(.notice, received.description + words)
        action()
    }

    /// What each signal asks of a master (`processes.md`, section 4). One that leaves does only that.
    private func reaction(to signal: Signal) -> (words: String, action: () -> Void) {
        switch signal {
        case .terminate, .interrupt: (", exiting", terminate)
        case .quit: (", shutting down", quit)
        case .hangUp: (", reconfiguring", whileServing(reconfigure))
        case .user1: (", reopening logs", whileServing(reopenLogs))
        case .user2, .windowChanged: (", ignoring", {})
        case .childExited: ("", reap)
        case .ioPossible, .alarm, .kill: ("", {})
        }
    }

    private func whileServing(_ action: @escaping () -> Void) -> () -> Void {
        { [self] in if case .serving = phase { action() } }
    }

    // MARK: Ends of workers

    private func reap() {
        while let (id, end) = ChildProcess.reap() {
            guard let place = workers.firstIndex(where: { $0.id == id }) else {
                cycle.log.write(.notice, "unknown process \(id) \(end.words)")
                continue
            }
            let worker = workers.remove(at: place)
            worker.channel.close()
            cycle.log.write(end.isOrdinary ? .notice : .alert, "worker process \(id) \(end.words)")
            replace(worker, after: end)
        }
        replaceOldGenerationIfReady()
    }

    /// A worker that was not told to leave is replaced: at once the first time, and after a growing
    /// pause where it dies again and again.
    private func replace(_ worker: WorkerProcess, after end: ChildProcess.End) {
        guard case .serving = phase, !worker.isLeaving else { return }
        if end == .exited(WorkerRights.fatalExitCode) {
            cycle.log.write(
                .alert, "worker process \(worker.id) exited with fatal code \(WorkerRights.fatalExitCode) and cannot be respawned")
            return
        }
        let failures = worker.hasLivedLong ? 0 : worker.failures + 1
        let respawn = Respawn(after: failures)
        respawn.timer.action = { [unowned self, unowned respawn] in
            respawns.removeAll { $0 === respawn }
            if case .serving = phase, worker.generation == generation { startWorker(worker.index, afterFailures: failures) }
        }
        respawns.append(respawn)
        respawn.timer.start(after: respawn.pause)
    }

    private var respawns: [Respawn] = []

    // MARK: Reload

    private let readiness = LoopTimer()
    private var isReplacing = false

    /// Builds a new generation. If that fails, nothing has changed (`processes.md`, section 9).
    private func reconfigure() {
        cycle.log.write(.notice, "reconfiguring")
        guard let new = Cycle.reloaded(from: cycle, for: invocation) else { return }
        cycle = new
        generation += 1
        startWorkers()
        isReplacing = true
        readiness.start(after: Self.readinessLimit)
        replaceOldGenerationIfReady()
    }

    /// Old workers are told to leave only when new ones accept, or have had their time to.
    private func replaceOldGenerationIfReady() {
        guard isReplacing else { return }
        let current = workers.filter { $0.generation == generation }
        if !current.isEmpty && current.allSatisfy(\.isReady) { replaceOldGeneration() }
    }

    private func replaceOldGeneration() {
        readiness.stop()
        isReplacing = false
        leave(workers.filter { $0.generation < generation && !$0.isLeaving })
    }

    private func leave(_ leaving: [WorkerProcess]) {
        for worker in leaving { worker.isLeaving = true }
        send(.quit, to: leaving)
    }

    private func reopenLogs() {
        cycle.log.write(.notice, "reopening logs")
        let owner = OwnProcess.effectiveUser == 0 ? cycle.process.user?.user : nil
        cycle.reopenLogs(owner: owner)
        send(.reopen, to: workers)
    }

    // MARK: Leaving

    private func quit() {
        guard case .serving = phase else { return }
        phase = .quitting
        readiness.stop()
        leave(workers.filter { !$0.isLeaving })
        cycle.retireListeners(notIn: nil)
    }

    private func terminate() {
        if case .terminating = phase { return }
        phase = .terminating(pause: Self.firstPause)
        readiness.stop()
        escalate()
    }

    private func escalate() {
        guard case .terminating(let pause) = phase else { return }
        if pause > Self.patience {
            for worker in workers { try? Signal.kill.send(to: worker.id) }
            return
        }
        send(.terminate, to: workers)
        phase = .terminating(pause: pause * 2)
        escalation.start(after: pause)
    }
}

/// One worker, as its master knows it.
@LoopActor private final class WorkerProcess {
    let id: Int32
    let index: Int
    let generation: Int
    let channel: EventSource
    /// How many of its predecessors died young, one after the other.
    let failures: Int
    private let birth = LoopActor.loop.now
    var isReady = false
    var isLeaving = false

    init(_ id: Int32, index: Int, generation: Int, channel: EventSource, failures: Int) {
        self.id = id
        self.index = index
        self.generation = generation
        self.channel = channel
        self.failures = failures
    }

    var hasLivedLong: Bool { LoopActor.loop.now - birth >= Respawn.longestPause }
}

/// A worker that is to be started again, when it has waited.
@LoopActor final class Respawn {
    nonisolated static let longestPause = Duration.seconds(10)
    let timer = LoopTimer()
    let pause: Duration

    /// At once after the first failure; then 0.1 s, doubled with each, up to the longest.
    init(after failures: Int) {
        pause = failures <= 1 ? .zero : min(.milliseconds(100) * (1 << min(failures - 2, 10)), Self.longestPause)
    }
}

extension ChildProcess.End {
    var isOrdinary: Bool { if case .exited = self { true } else { false } }

    var words: String {
        switch self {
        case .exited(let code): "exited with code \(code)"
        case .signalled(let signal, let dumpedCore): "exited on signal \(signal)" + (dumpedCore ? " (core dumped)" : "")
        }
    }
}

extension Order {
    /// What says the same to a worker whose channel takes nothing.
    var signal: Signal {
        switch self {
        case .quit: .quit
        case .terminate, .ready: .terminate
        case .reopen: .user1
        }
    }
}
