import Kernel

/// One worker, as its master knows it.
@LoopActor final class WorkerProcess {
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
