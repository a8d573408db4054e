import CKernel
import Glibc

/// Everything in a process that is not a pure function happens on this actor, whose executor is the
/// process's one loop, on its one thread.
@globalActor package actor LoopActor {
    package static let shared = LoopActor()
    nonisolated package static let loop = EventLoop()
    nonisolated package var unownedExecutor: UnownedSerialExecutor { Self.loop.asUnownedSerialExecutor() }

    /// Enters the actor from code that the loop or `main` calls: both are on the one thread there is.
    @inlinable nonisolated package static func assumeIsolated<Result>(_ body: @LoopActor () -> Result) -> Result {
        withoutActuallyEscaping(body) { unsafeBitCast($0, to: (() -> Result).self)() }
    }
}

/// The loop: wait, run what has expired, tell who is ready, run the jobs that became ready; again.
///
/// It is also the executor of `LoopActor`, so that a session can be written as straight-line code: an
/// await ends the step, and the job that goes on with it is run at the end of a turn.
package final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    private enum Poller { case epoll(EpollPoller), poll(PollPoller) }

    private var poller: Poller
    private var jobs: [UnownedJob] = []
    private var batch: [UnownedJob] = []
    private var found: [Readiness] = []
    /// Sources closed during a turn: an event of the same turn may still name them.
    private var closed: [EventSource] = []
    /// Called at the end of each turn, after all events and jobs: for what is better done together.
    private var afterTurn: [@LoopActor () -> Void] = []
    /// Called at the start of each turn, before its wait.
    @LoopActor package var beforeWaiting: (@LoopActor () -> Void)?
    @LoopActor var timers = TimerHeap()

    /// The monotonic clock at the start of this turn.
    package private(set) var now = EventLoop.clock()

    init() { poller = .poll(LoopActor.assumeIsolated { PollPoller() }) }

    /// Starts over with nothing watched: what a worker does first, since it has inherited the
    /// master's sources.
    @LoopActor package func begin(using method: PollingMethod) throws(KernelError) {
        timers.removeAll()
        afterTurn = []
        beforeWaiting = nil
        if case .epoll(let old) = poller { old.close() }
        poller = switch method {
        case .epoll: .epoll(try EpollPoller())
        case .poll: .poll(PollPoller())
        }
    }

    // MARK: Sources

    /// Watches a source until it is closed.
    @LoopActor package func watch(_ source: EventSource, _ observer: any EventObserver) throws(KernelError) {
        source.observer = observer
        switch poller {
        case .epoll(let epoll):
            try epoll.add(source)
        case .poll(var poll):
            poller = .poll(PollPoller())
            poll.add(source)
            poller = .poll(poll)
        }
        source.isWatched = true
    }

    /// Stops watching, for a while or for good; the descriptor stays open.
    @LoopActor package func unwatch(_ source: EventSource) {
        guard source.isWatched else { return }
        source.isWatched = false
        switch poller {
        case .epoll(let epoll):
            epoll.remove(source)
        case .poll(var poll):
            poller = .poll(PollPoller())
            poll.remove(source)
            poller = .poll(poll)
        }
        closed.append(source)
    }

    /// Stops watching a source whose descriptor is about to be closed. That takes a stream out of epoll's
    /// set; what other processes hold too, such as a listener, must be taken out by hand.
    @LoopActor func forget(_ source: EventSource) {
        guard source.isWatched else { return }
        if source.isStream, case .epoll = poller {
            source.isWatched = false
            closed.append(source)
        } else {
            unwatch(source)
        }
    }

    // MARK: Turns

    /// Runs turns until `isDone` says so at the end of one.
    @LoopActor package func run(until isDone: @LoopActor () -> Bool) throws(KernelError) {
        runJobs()
        while !isDone() { try turn() }
    }

    /// Calls `action` at the end of this turn, or of the next one where none runs.
    @LoopActor package func atEndOfTurn(_ action: @escaping @LoopActor () -> Void) {
        afterTurn.append(action)
    }

    @LoopActor private func turn() throws(KernelError) {
        found.removeAll(keepingCapacity: true)
        beforeWaiting?()
        let milliseconds = timeout()
        switch poller {
        case .epoll(var epoll):
            defer { poller = .epoll(epoll) }
            poller = .poll(PollPoller())
            try epoll.wait(milliseconds: milliseconds, into: &found)
        case .poll(var poll):
            defer { poller = .poll(poll) }
            poller = .poll(PollPoller())
            try poll.wait(milliseconds: milliseconds, into: &found)
        }
        now = Self.clock()
        while let timer = timers.popExpired(at: now) { timer.action?() }
        runJobs()
        for readiness in found { tell(readiness) }
        runJobs()
        if !afterTurn.isEmpty {
            // What these put off again waits for the next turn, so that sockets get theirs.
            let actions = afterTurn
            afterTurn.removeAll(keepingCapacity: true)
            for action in actions { action() }
            runJobs()
        }
        closed.removeAll(keepingCapacity: true)
    }

    @LoopActor private func tell(_ readiness: Readiness) {
        readiness.source._withUnsafeGuaranteedRef { source in
            // Closed by an earlier event of this turn; `closed` keeps the object until the turn's end.
            guard source.isWatched else { return }
            if readiness.isReadable { source.isReadable = true }
            if readiness.isWritable { source.isWritable = true }
            if readiness.hasHungUp { source.hasHungUp = true }
            source.observer?.becameReady(source)
        }
    }

    @LoopActor private func timeout() -> CInt {
        if !jobs.isEmpty || !afterTurn.isEmpty { return 0 }
        guard let deadline = timers.nextDeadline else { return -1 }
        let (seconds, attoseconds) = (deadline - Self.clock()).components
        if seconds < 0 || attoseconds < 0 { return 0 }
        // Rounded up: waking a moment too early would only mean to wait again.
        return CInt(clamping: seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }

    /// The monotonic clock.
    package static func clock() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    // MARK: The executor

    package func enqueue(_ job: consuming ExecutorJob) { jobs.append(UnownedJob(job)) }
    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
    package func checkIsolated() {}

    private func runJobs() {
        while !jobs.isEmpty {
            swap(&jobs, &batch)
            for job in batch {
                job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
            }
            batch.removeAll(keepingCapacity: true)
        }
    }
}
