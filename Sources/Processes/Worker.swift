import Kernel
import Proxy
import Telemetry

/// A process that serves: it accepts on the listeners that the master has bound.
@LoopActor final class Worker: EventObserver {
    private let services: WorkerServices
    private let signals: SignalReader
    private let title: ProcessTitle?
    private let place: WorkerPlace
    private let sharing: Acceptor.Sharing
    /// The master's end is the other one; nil in a process that is its own master.
    private let channel: EventSource?
    private var cycle: Cycle
    private var acceptor: Acceptor?
    private let shutdownTimer = LoopTimer()
    private var hasAskedToLeave = false
    private var isLeaving = false
    private var isDone = false
    /// What a process that is its own master does on HUP.
    var reconfigure: (() -> Cycle?)?
    /// Told when no more clients are taken in.
    var whenLeaving: (() -> Void)?

    /// What a signal asks of a worker, and how the log puts it (`processes.md`, section 4).
    private enum Reaction { case terminate, quit, reopen, reconfigure, ignore }

    /// - Parameters:
    ///   - index: which of the workers this is, from 0.
    ///   - acceptLock: what workers take turns by where the file says so; nil in a process that is its own master.
    init(
        _ cycle: Cycle, index: Int = 0, numbers: SharedCounter, acceptLock: SharedLock? = nil, channel: EventSource?,
        title: ProcessTitle?
    ) throws(KernelError) {
        self.cycle = cycle
        place = WorkerPlace(index: index, count: cycle.workerCount)
        sharing = cycle.sharing(acceptLock)
        self.channel = channel
        self.title = title
        let loop = LoopActor.loop
        try loop.begin(using: cycle.events.method)
        signals = try SignalReader()
        services = WorkerServices(
            connectionLimit: cycle.events.workerConnections, reserved: cycle.entrances.count, numbers: numbers)
        try loop.watch(signals.source, self)
        if let channel { try loop.watch(channel, self) }
        shutdownTimer.action = { [unowned self] in
            acceptor?.closeNow()
            services.cutOffAll()
        }
        services.whenEmpty = { [unowned self] in endIfDone() }
    }

    /// Starts to accept.
    func open() throws(KernelError) {
        let acceptor = Acceptor(worker: services, settings: cycle.events, sharing: sharing)
        acceptor.whenClosed = { [unowned self] in endIfDone() }
        for (listener, entrance) in zip(cycle.listeners, cycle.entrances) {
            for number in listener.places(of: place, areShared: !entrance.hasSocketPerWorker) {
                try acceptor.open(try listener.open(number), for: entrance, as: entrance.hasSocketPerWorker ? .own : .shared)
            }
        }
        // Nobody is to come to a worker that could not become one, so that is last.
        for opening in cycle.openings(of: place) { try opening.listener.listen(opening.place) }
        self.acceptor = acceptor
    }

    /// Serves until told to leave.
    func run() throws(KernelError) {
        _ = channel?.send(message: Order.ready.rawValue)
        try LoopActor.loop.run { isDone }
        cycle.log.write(.notice, "exiting")
        cycle.log.write(.notice, "exit")
    }

    func becameReady(_ source: EventSource) {
        if source === channel { hearMaster(source) } else { hearSignals() }
    }

    private func hearMaster(_ channel: EventSource) {
        while true {
            let (message, passed, isClosed) = channel.receive()
            if isClosed {
                // The master has died: nobody could ever stop or replace this worker.
                cycle.log.write(.alert, "the master process is gone")
                isDone = true
                return channel.close()
            }
            switch message.map(Order.init(rawValue:)) {
            case .quit: quit()
            case .terminate: isDone = true
            case .reopen: reopen()
            case .standIn: standIn(at: passed)
            case .stepBack: acceptor?.stepBack()
            case .ready, .leaving, .unable, .some(nil): break
            case nil: return
            }
        }
    }

    /// Accepts for a worker that is not there, until it is.
    /// - Parameter door: nil where this process had no descriptor left for it.
    private func standIn(at door: EventSource?) {
        guard !isLeaving, let acceptor else { return }
        guard let door else {
            cycle.log.write(.crit, "no descriptor is left to accept for another worker process")
            return declineToStandIn()
        }
        guard let entrance = cycle.entrances.first(where: { $0.address == door.localAddress }) else { return }
        do throws(KernelError) { try acceptor.open(door, for: entrance, as: .guest) } catch {
            cycle.log.write(.alert, error)
            declineToStandIn()
        }
    }

    private func declineToStandIn() { _ = channel?.send(message: Order.unable.rawValue) }

    private func hearSignals() {
        while let received = signals.next() {
            let (reaction, words) = reaction(to: received)
            cycle.log.write(.notice, received.description + words)
            switch reaction {
            case .terminate: terminate()
            case .quit: askToLeave()
            case .reopen: reopen()
            case .reconfigure: adoptNext()
            case .ignore: break
            }
        }
    }

    private func reaction(to received: ReceivedSignal) -> (Reaction, String) {
        switch received.signal {
        case .terminate, .interrupt: (.terminate, ", exiting")
        case .quit: (.quit, ", shutting down")
        case .user1: (.reopen, ", reopening logs")
        case .hangUp where reconfigure != nil: (.reconfigure, ", reconfiguring")
        // A process that is its own master, and any whose terminal changes its size, has nothing to do.
        case .windowChanged where received.isFromProcess && channel != nil: (.quit, ", shutting down")
        case .hangUp, .user2, .windowChanged, .ioPossible: (.ignore, ", ignoring")
        case .childExited, .alarm, .kill: (.ignore, "")
        }
    }

    private func reopen() {
        cycle.log.write(.notice, "reopening logs")
        cycle.reopenLogs(owner: nil)
    }

    private func terminate() {
        if !isLeaving { whenLeaving?() }
        isDone = true
    }

    /// Whoever tells one worker to leave sees to nothing else. The master does, and until it agrees clients are let
    /// in: while it moves to other addresses, there may be nobody else to do so. Told again, or where the master cannot
    /// be asked, a worker leaves at once.
    private func askToLeave() {
        guard !isLeaving, !hasAskedToLeave, let channel, channel.send(message: Order.leaving.rawValue) else { return quit() }
        hasAskedToLeave = true
    }

    /// Accepts nothing more. Sessions go on until they end, or `worker_shutdown_timeout` ends them.
    private func quit() {
        guard !isLeaving else { return }
        isLeaving = true
        whenLeaving?()
        cycle.log.write(.notice, "gracefully shutting down")
        title?.set("martlet: worker process is shutting down")
        if channel == nil { cycle.retireListeners() }
        acceptor?.close()
        endIfDone()
        if let limit = cycle.process.workerShutdownTimeout { shutdownTimer.start(after: limit) }
    }

    private func endIfDone() {
        if isLeaving && services.isEmpty && acceptor?.isClosed ?? true { isDone = true }
    }

    /// Goes on with another configuration, in a process that is its own master: sessions keep theirs. Who leaves
    /// does not come back.
    private func adoptNext() {
        guard !isLeaving, let new = reconfigure?() else { return }
        new.takeOver(from: cycle)
        acceptor?.close()
        cycle = new
        do throws(KernelError) { try open() } catch { new.log.write(.alert, error) }
    }
}

extension ReceivedSignal {
    /// `signal 1 (SIGHUP) received from 4711`, or without a sender where the kernel sent it.
    var description: String {
        "signal \(signal.number) (\(signal.name)) received" + (sender == 0 ? "" : " from \(sender)")
    }
}

extension Cycle {
    /// How workers of this generation agree on who accepts.
    fileprivate func sharing(_ lock: SharedLock?) -> Acceptor.Sharing {
        guard workerCount > 1, let lock else { return .alone }
        return events.usesAcceptMutex ? .takingTurns(lock) : .oneIsWoken
    }

    /// Each socket that a worker accepts on.
    func openings(of worker: WorkerPlace) -> [Opening] {
        zip(listeners, entrances).flatMap { (listener, entrance) in
            listener.places(of: worker, areShared: !entrance.hasSocketPerWorker).map { Opening(listener: listener, place: $0) }
        }
    }

    /// Each socket that clients may come to.
    var openings: [Opening] { listeners.flatMap { listener in listener.listeningPlaces.map { Opening(listener: listener, place: $0) } } }
}
