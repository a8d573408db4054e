import Configuration
import Kernel
import Proxy
import Telemetry

/// The process that owns the configuration, the listeners and the workers. It serves nobody itself.
@LoopActor final class Master: EventObserver {
    private let invocation: Invocation
    private let title: ProcessTitle
    private let numbers: SharedCounter
    /// Workers of all generations take turns by it where the file says so.
    private let acceptLock: SharedLock
    private let signals: SignalReader
    private var cycle: Cycle
    private var workers: [WorkerProcess] = []
    private var generation = 1
    private var phase = Phase.serving
    private let escalation = LoopTimer()
    private let notifier: ServiceNotifier
    private let inheritance: Inheritance
    private var upgrade: BinaryUpgrade?
    /// Nil from the moment on when a worker serves.
    private var start: Start?
    private var exitCode: Int32 = 0
    /// Told to have no workers, but to keep the listeners.
    private var isResting = false

    /// A configuration and its number, counted from the start.
    private typealias Generation = (cycle: Cycle, generation: Int)

    private enum Phase { case serving, quitting, terminating(pause: Duration) }

    /// How long workers have to obey TERM: orders are repeated after growing pauses, until one would
    /// be longer than `patience`; then they are killed (`processes.md`, section 7.1).
    private static let firstPause = Duration.milliseconds(50)
    private static let patience = Duration.seconds(2)
    /// How long a start or a reload waits for its workers. If none has become ready by then, it has failed.
    private static let readinessLimit = Duration.seconds(10)

    init(
        _ cycle: Cycle, _ start: Start, invocation: Invocation, title: ProcessTitle, numbers: SharedCounter, notifier: ServiceNotifier,
        inheritance: Inheritance
    ) throws(KernelError) {
        self.cycle = cycle
        self.start = start
        self.notifier = notifier
        self.inheritance = inheritance
        self.invocation = invocation
        self.title = title
        self.numbers = numbers
        acceptLock = try SharedLock()
        signals = try SignalReader()
        try LoopActor.loop.watch(signals.source, self)
        escalation.action = { [unowned self] in escalate() }
        readiness.action = { [unowned self] in settle(isLastChance: true) }
    }

    /// Runs until the last worker has gone after a TERM or QUIT.
    /// - Returns: the exit code.
    func run() throws(KernelError) -> Int32 {
        title.set("martlet: master process " + invocation.arguments.joined(separator: " "))
        startWorkers()
        readiness.start(after: Self.readinessLimit)
        notifier.keepWatchdogQuiet()
        try LoopActor.loop.run { isDone }
        cycle.removePIDFile(at: upgrade?.ownPIDPath ?? cycle.pidPath)
        if let upgrade { notifier.tell(.mainProcess(upgrade.id)) }
        notifier.finish()
        cycle.log.write(.notice, "exit")
        giveUpListeners()
        return exitCode
    }

    /// Closes the listeners for good, but those that the new binary goes on with.
    private func giveUpListeners() {
        cycle.retireListeners(besides: upgrade.map { ProcessSockets(of: $0.id) })
    }

    private var isDone: Bool {
        if case .serving = phase { false } else { workers.isEmpty }
    }

    // MARK: Workers

    private func startWorkers() {
        cycle.log.write(.notice, "start worker processes")
        for index in 0..<cycle.process.workerProcesses { startWorker(index) }
    }

    private func startWorker(_ index: Int, of serving: Generation? = nil, afterFailures failures: Int = 0) {
        let (cycle, generation) = serving ?? (cycle, generation)
        do throws(KernelError) {
            let ends = try Channel.makePair()
            let own = EventSource(owning: ends.0, isStream: false)
            let theirs = EventSource(owning: ends.1, isStream: false)
            guard let id = try ChildProcess.fork() else {
                own.close()
                becomeWorker(index, theirs, of: cycle)
            }
            theirs.close()
            cycle.log.write(.notice, "start worker process \(id)")
            let openings = cycle.openings(of: WorkerPlace(index: index, count: cycle.workerCount))
            let worker = WorkerProcess(
                id, index: index, generation: generation, openings: openings, channel: own, failures: failures)
            workers.append(worker)
            try LoopActor.loop.watch(own, self)
        } catch {
            cycle.log.write(.alert, "\(error.call) failed while spawning \"worker process\"", reason: error.reason)
            respawn(index, of: generation, afterFailures: failures + 2)
        }
    }

    /// The child's way: it never returns to the master's.
    private func becomeWorker(_ index: Int, _ channel: EventSource, of cycle: Cycle) -> Never {
        for sibling in workers { sibling.channel.close() }
        signals.source.close()
        let log = cycle.log
        do throws(KernelError) {
            try WorkerRights.settle(cycle.process, index: index, closing: inheritance.strangers, log: log)
            title.set("martlet: worker process")
            let worker = try Worker(
                cycle, index: index, numbers: numbers, acceptLock: acceptLock, channel: channel, title: title)
            try worker.open()
            start?.succeedAsWorker()
            // The worker accepts on descriptors of its own.
            self.cycle.closeListeners()
            outgoing?.cycle.closeListeners()
            // Nor does it write to any logs but its own generation's.
            self.cycle = cycle
            notifier.log = cycle.log
            outgoing = nil
            try worker.run()
        } catch {
            log.write(.emerg, error)
            OwnProcess.exit(WorkerRights.fatalExitCode)
        }
        OwnProcess.exit(0)
    }

    private func send(_ order: Order, to receivers: [WorkerProcess]) {
        for worker in receivers where !worker.channel.send(message: order.rawValue) {
            try? order.signal?.send(to: worker.id)
        }
    }

    /// Leaves no socket without a worker that accepts there, if there is any that can.
    private func arrangeWorkers() {
        WorkerProcess.arrange(cycle.openings + (outgoing?.cycle.openings ?? []), among: workers)
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
            switch message.flatMap(Order.init(rawValue:)) {
            case .ready:
                worker.isReady = true
                settle()
            // One that is to leave anyway was told so by a signal, which says not who has sent it.
            case .leaving: if worker.isLeaving { send(.quit, to: [worker]) } else { replaceLeaving(worker) }
            case .unable:
                worker.declineToStandIn { [unowned self] in arrangeWorkers() }
                arrangeWorkers()
            case .quit, .terminate, .reopen, .standIn, .stepBack, nil: break
            }
            if isClosed { worker.channel.close() }
            if isClosed || message == nil { return }
        }
    }

    /// Looks whether it has become clear if what has been started can serve, and who has to stand in for whom.
    private func settle(isLastChance: Bool = false) {
        if start == nil { settleReload(isLastChance: isLastChance) } else { settleStart(isLastChance: isLastChance) }
        arrangeWorkers()
    }

    /// A start succeeds with its first worker. Where none ever serves, this is no server: an old master goes
    /// on without a new binary, and whoever waits hears of it.
    private func settleStart(isLastChance: Bool) {
        guard let start, case .serving = phase else { return }
        if workers.contains(where: \.isReady) {
            do throws(KernelError) { try start.succeed() } catch { return failStart("\(error)") }
            self.start = nil
            readiness.stop()
            notifier.tellReady(cycle.statusText)
            obeyPostponed()
        } else if isLastChance || workers.isEmpty && respawns.isEmpty {
            failStart("no worker process can serve")
        }
    }

    private func failStart(_ reason: String) {
        cycle.log.write(.emerg, reason)
        exitCode = 1
        terminate()
    }

    private func obey(_ received: ReceivedSignal) {
        let (words, action) = reaction(to: received)
        cycle.log.write(.notice, received.description + words)
        action()
    }

    /// What each signal asks of a master (`processes.md`, section 4). One that leaves does only that.
    private func reaction(to received: ReceivedSignal) -> (words: String, action: () -> Void) {
        switch received.signal {
        case .terminate, .interrupt: (", exiting", terminate)
        case .quit: (", shutting down", quit)
        case .hangUp: (", reconfiguring", settled(received, reconfigure))
        case .user1: (", reopening logs", whileServing(reopenLogs))
        case .user2 where isOnlyBinary: (", changing binary", settled(received, changeBinary))
        case .user2: (", ignoring", refuseUpgrade)
        // A terminal whose size changes says the same, and means nothing by it.
        case .windowChanged where received.isFromProcess: (", stop accepting connections", settled(received, rest))
        case .childExited: ("", reap)
        case .windowChanged, .ioPossible, .alarm, .kill: ("", {})
        }
    }

    private func whileServing(_ action: @escaping () -> Void) -> () -> Void {
        { [self] in if case .serving = phase { action() } }
    }

    /// The same, but when a start or a reload that is under way has shown whether it can serve.
    private func settled(_ received: ReceivedSignal, _ action: @escaping () -> Void) -> () -> Void {
        whileServing { [self] in
            if start == nil && outgoing == nil && postponed.isEmpty { return action() }
            postponed.add(received)
        }
    }

    private func obeyPostponed() {
        // Later in this turn: a worker that is forked keeps whatever its forefather's calls hold, and those that
        // lead here hold an older generation, logs and all.
        LoopActor.loop.atEndOfTurn { [unowned self] in
            for received in postponed.takeAll() { reaction(to: received).action() }
        }
    }

    // MARK: Ends of workers

    private func reap() {
        while let (id, end) = ChildProcess.reap() {
            acceptLock.release(heldBy: id)
            cycle.forget(process: id)
            outgoing?.cycle.forget(process: id)
            if let upgrade, upgrade.id == id {
                fail(upgrade, end)
                continue
            }
            guard let place = workers.firstIndex(where: { $0.id == id }) else {
                cycle.log.write(.notice, "unknown process \(id) \(end.words)")
                continue
            }
            let worker = workers.remove(at: place)
            worker.channel.close()
            cycle.log.write(end.isOrdinary ? .notice : .alert, "worker process \(id) \(end.words)")
            replace(worker, after: end)
        }
        settle()
    }

    /// A worker that was not told to leave is replaced: at once the first time, and after a growing
    /// pause where it dies again and again.
    private func replace(_ worker: WorkerProcess, after end: ChildProcess.End) {
        guard case .serving = phase, !worker.isLeaving else { return }
        if end == .exited(WorkerRights.fatalExitCode) && isOnTrial(worker) {
            cycle.log.write(
                .alert, "worker process \(worker.id) exited with fatal code \(WorkerRights.fatalExitCode) and cannot be respawned")
            return
        }
        respawn(worker.index, of: worker.generation, afterFailures: worker.hasLivedLong ? 0 : worker.failures + 1)
    }

    /// Whether a worker's generation has yet to show that it can serve. One that has may do so again, when
    /// what its workers miss is back.
    private func isOnTrial(_ worker: WorkerProcess) -> Bool {
        worker.generation == generation && (start != nil || outgoing != nil)
    }

    /// Somebody else than its master has told a worker to leave. That may take as long as its sessions do, so
    /// another has its place meanwhile.
    private func replaceLeaving(_ worker: WorkerProcess) {
        guard case .serving = phase, !worker.isLeaving else { return }
        leave([worker])
        respawn(worker.index, of: worker.generation, afterFailures: 0)
        settle()
    }

    private func respawn(_ index: Int, of generation: Int, afterFailures failures: Int) {
        let respawn = Respawn(after: failures)
        respawn.timer.action = { [unowned self, unowned respawn] in
            respawns.removeAll { $0 === respawn }
            startAgain(index, of: generation, afterFailures: failures)
            settle()
        }
        respawns.append(respawn)
        respawn.timer.start(after: respawn.pause)
    }

    /// Workers of the old generation are needed too, as long as nobody knows whether the new one can serve.
    private func startAgain(_ index: Int, of generation: Int, afterFailures failures: Int) {
        guard case .serving = phase, let serving = generationServing(as: generation) else { return }
        startWorker(index, of: serving, afterFailures: failures)
    }

    private func generationServing(as number: Int) -> Generation? {
        number == generation ? (cycle, generation) : outgoing.flatMap { $0.1 == number ? $0 : nil }
    }

    private var respawns: [Respawn] = []

    // MARK: Reload

    private let readiness = LoopTimer()
    /// The generation that serves until the newer one is seen to.
    private var outgoing: Generation?
    private var postponed = PostponedSignals()
    private var newestGeneration = 1

    /// Builds a new generation. If that fails, nothing has changed (`processes.md`, section 9).
    private func reconfigure() {
        notifier.tellReloading()
        if upgrade != nil { return rollBack() }
        cycle.log.write(.notice, "reconfiguring")
        guard let new = Cycle.reloaded(from: cycle, for: invocation) else {
            return notifier.tellReady("the new configuration is refused, see the log; " + cycle.statusText)
        }
        outgoing = (cycle, generation)
        cycle = new
        newestGeneration += 1
        generation = newestGeneration
        startWorkers()
        readiness.start(after: Self.readinessLimit)
    }

    /// Old workers are told to leave when the new ones accept. Where no new one ever does, the old
    /// generation stays, as after a file that cannot be loaded.
    private func settleReload(isLastChance: Bool = false) {
        guard let outgoing else { return }
        let current = workers.filter { $0.generation == generation && !$0.isLeaving }
        // Old ones too, also such as are about to be started: whoever waits at a listener that goes is let in by them.
        let isNobodyComing = workers.allSatisfy { $0.isReady || $0.isLeaving } && !respawns.contains { $0.pause == .zero }
        let isEveryoneReady = !current.isEmpty && isNobodyComing
        let isNobodyLeft = current.isEmpty && respawns.isEmpty
        guard isEveryoneReady || isNobodyLeft || isLastChance else { return }
        readiness.stop()
        self.outgoing = nil
        if current.contains(where: \.isReady) {
            isResting = false
            cycle.takeOver(from: outgoing.cycle)
            leave(workers.filter { $0.generation < generation && !$0.isLeaving })
            notifier.tellReady(cycle.statusText)
        } else {
            abandon(current, for: outgoing)
            notifier.tellReady("the new configuration cannot serve, see the log; " + cycle.statusText)
        }
        notifier.log = cycle.log
        obeyPostponed()
    }

    private func abandon(_ failed: [WorkerProcess], for old: Generation) {
        cycle.log.write(.alert, "no worker process of the new configuration can serve, the old configuration stays")
        for worker in failed { worker.isLeaving = true }
        send(.terminate, to: failed)
        cycle.retireListeners(notIn: old.cycle)
        (cycle, generation) = old
    }

    private func leave(_ leaving: [WorkerProcess]) {
        for worker in leaving { worker.isLeaving = true }
        send(.quit, to: leaving)
    }

    private func reopenLogs() {
        cycle.log.write(.notice, "reopening logs")
        let owner = OwnProcess.effectiveUser == 0 ? cycle.process.user?.user : nil
        cycle.reopenLogs(owner: owner)
        outgoing?.cycle.reopenLogs(owner: owner)
        send(.reopen, to: workers)
    }

    // MARK: Another binary

    /// Whether neither a new binary runs, nor the old one may still go on.
    private var isOnlyBinary: Bool { upgrade == nil && !inheritance.hasOldBinary }

    private func changeBinary() {
        cycle.log.write(.notice, "changing binary")
        upgrade = BinaryUpgrade.launch(invocation, leaving: cycle, closing: inheritance.strangers)
    }

    private func refuseUpgrade() {
        cycle.log.write(
            .crit,
            "the changing binary signal is ignored: you should shutdown or terminate before either old or new binary's process")
    }

    /// The new binary has ended, be it that it could not serve or that it was told to: all is as before.
    private func fail(_ upgrade: BinaryUpgrade, _ end: ChildProcess.End) {
        cycle.log.write(end.isOrdinary ? .notice : .alert, "new binary process \(upgrade.id) \(end.words)")
        upgrade.undo(log: cycle.log)
        self.upgrade = nil
        whileServing { [self] in
            // It may have said that of itself.
            notifier.tell(.mainProcess(OwnProcess.id))
            resume()
        }()
    }

    /// Lets all workers go, but keeps the listeners, for a new binary to serve alone.
    private func rest() {
        isResting = true
        for respawn in respawns { respawn.timer.stop() }
        respawns = []
        leave(workers.filter { !$0.isLeaving })
    }

    private func resume() {
        guard isResting else { return }
        isResting = false
        startWorkers()
    }

    /// While a new binary runs, HUP brings the old one's workers back, with the configuration they had.
    private func rollBack() {
        resume()
        notifier.tellReady(cycle.statusText)
    }

    // MARK: Leaving

    /// What was to come does not matter any more; the pid file and the sockets are the old generation's.
    private func forgetReload() {
        readiness.stop()
        guard let outgoing else { return }
        cycle.retireListeners(notIn: outgoing.cycle)
        (cycle, generation) = outgoing
        self.outgoing = nil
    }

    private func quit() {
        guard case .serving = phase else { return }
        phase = .quitting
        tellStopping()
        forgetReload()
        // First, so that workers know which sockets close with them.
        giveUpListeners()
        leave(workers.filter { !$0.isLeaving })
    }

    private func terminate() {
        if case .terminating = phase { return }
        if case .serving = phase { tellStopping() }
        phase = .terminating(pause: Self.firstPause)
        forgetReload()
        escalate()
    }

    /// Where another binary goes on, the service does not stop.
    private func tellStopping() {
        title.set(PIDFile.leavingTitle)
        if isOnlyBinary { notifier.tell(.stopping) }
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
