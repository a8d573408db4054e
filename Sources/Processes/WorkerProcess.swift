import Kernel

/// One worker, as its master knows it.
@LoopActor final class WorkerProcess {
    let id: Int32
    let index: Int
    let generation: Int
    let channel: EventSource
    /// How many of its predecessors died young, one after the other.
    let failures: Int
    /// The sockets that it accepts on when it is ready.
    let openings: Set<Opening>
    /// Those that it accepts on until others do.
    private var guests: Set<Opening> = []
    /// While it runs, the worker is not asked to stand in: it has said that it cannot.
    private let respite = LoopTimer()
    private static let respiteLength = Duration.milliseconds(500)
    private let birth = LoopActor.loop.now
    var isReady = false
    var isLeaving = false

    init(_ id: Int32, index: Int, generation: Int, openings: [Opening] = [], channel: EventSource, failures: Int) {
        self.id = id
        self.index = index
        self.generation = generation
        self.channel = channel
        self.failures = failures
        self.openings = Set(openings)
    }

    var hasLivedLong: Bool { LoopActor.loop.now - birth >= Respawn.longestPause }
}

// MARK: Standing in for others

extension WorkerProcess {
    /// Sees to it that somebody accepts wherever clients may come: where a socket's own worker is not there, as
    /// after a death, another one is given the socket until it is.
    static func arrange(_ openings: [Opening], among workers: [WorkerProcess]) {
        let present = workers.filter { $0.isReady && !$0.isLeaving }
        let own = present.reduce(into: Set<Opening>()) { $0.formUnion($1.openings) }
        for worker in present where !worker.guests.isSubset(of: openings) || !worker.guests.isDisjoint(with: own) {
            worker.stepBack()
        }
        var served = present.reduce(into: own) { $0.formUnion($1.guests) }
        for opening in openings where served.insert(opening).inserted {
            present.filter { $0.canStandIn(at: opening.listener) }.min { $0.guests.count < $1.guests.count }?.standIn(at: opening)
        }
    }

    /// Whether its configuration says what to do with clients of a listener, and it is not short of descriptors.
    private func canStandIn(at listener: Listener) -> Bool {
        !respite.isRunning && openings.contains { $0.listener === listener }
    }

    private func standIn(at opening: Opening) {
        guard let descriptor = try? opening.listener.open(opening.place),
            channel.send(message: Order.standIn.rawValue, passing: descriptor)
        else { return }
        guests.insert(opening)
    }

    /// It had no descriptor for a socket that it was given. Which one, it cannot say.
    /// - Parameter retry: called when it may be asked again.
    func declineToStandIn(until retry: @escaping @LoopActor () -> Void) {
        stepBack()
        respite.action = retry
        respite.start(after: Self.respiteLength)
    }

    private func stepBack() {
        guard channel.send(message: Order.stepBack.rawValue) else { return }
        guests = []
    }
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
    var signal: Signal? {
        switch self {
        case .quit: .quit
        case .terminate: .terminate
        case .reopen: .user1
        case .standIn, .stepBack, .ready, .leaving, .unable: nil
        }
    }
}
