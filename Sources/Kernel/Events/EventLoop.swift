import CKernel
import Glibc

/// Everything in a process that is not a pure function happens on this actor, whose executor is the
/// process's one loop, on its one thread.
@globalActor public actor LoopActor {
    public static let shared = LoopActor()
    nonisolated public static let loop = EventLoop()
    /// Kept, since it is asked for around each call of an async function.
    nonisolated public let unownedExecutor = loop.asUnownedSerialExecutor()

    /// Enters the actor from code that the loop or `main` calls: both are on the one thread there is.
    nonisolated public static func assumeIsolated<Result>(_ body: @LoopActor () -> Result) -> Result {
        withoutActuallyEscaping(body) { unsafeBitCast($0, to: (() -> Result).self)() }
    }
}

/// The loop: wait, run what has expired, tell who is ready, run the jobs that became ready; again.
///
/// It is also the executor of `LoopActor`, so that a session can be written as straight-line code: an
/// await ends the step, and the job that goes on with it is run at the end of a turn.
public final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    private var poller: any Poller
    private var jobs: [UnownedJob] = []
    /// The thread that the loop is run by.
    private var thread: pthread_t?
    /// Sources closed during a turn: an event of the same turn may still name them.
    private var closed: [EventSource] = []
    /// Called at the end of each turn, after all events and jobs: for what is better done together.
    private var afterTurn: [PutOff] = []
    /// An array of bare closures would put each into a box.
    private struct PutOff { let action: @LoopActor () -> Void }
    /// Called at the start of each turn, before its wait.
    @LoopActor public var beforeWaiting: (@LoopActor () -> Void)?
    @LoopActor var timers = TimerHeap()
    /// How far the loop's clock is ahead of the system's, in nanoseconds.
    private var lead = 0

    /// The monotonic clock at the start of this turn, in nanoseconds.
    public private(set) var nanoseconds = EventLoop.clockNanoseconds()
    /// The monotonic clock at the start of this turn.
    public var now: Duration { .nanoseconds(nanoseconds) }

    init() {
        poller = LoopActor.assumeIsolated { PollPoller() }
        kernel_take_jobs { job, otherwise in
            guard let job else { return }
            LoopActor.loop.take(job, otherwise: otherwise)
        }
    }

    /// Starts over with nothing watched: what a worker does first, since it has inherited the
    /// master's sources.
    @LoopActor public func begin(using method: PollingMethod) throws(KernelError) {
        thread = pthread_self()
        timers.removeAll()
        afterTurn = []
        beforeWaiting = nil
        poller.close()
        poller = switch method {
        case .epoll: try EpollPoller()
        case .poll: PollPoller()
        }
    }

    /// The thread that has run the loop goes on to other things.
    @LoopActor public func leave() { thread = nil }

    // MARK: Sources

    /// Watches a source until it is closed.
    @LoopActor public func watch(_ source: EventSource, _ observer: any EventObserver) throws(KernelError) {
        source.observer = observer
        try poller.add(source)
        source.isWatched = true
    }

    /// Has the loop say from now on when a stream becomes writable.
    @LoopActor func reportWritable(_ source: EventSource) {
        guard !source.reportsWritable else { return }
        source.reportsWritable = true
        if source.isWatched { poller.change(source) }
    }

    /// Stops watching, for a while or for good; the descriptor stays open.
    @LoopActor public func unwatch(_ source: EventSource) {
        guard source.isWatched else { return }
        source.isWatched = false
        poller.remove(source)
        closed.append(source)
    }

    /// Stops watching a source whose descriptor is about to be closed. That takes a stream out of epoll's
    /// set; what other processes hold too, such as a listener, must be taken out by hand.
    @LoopActor func forget(_ source: EventSource) {
        guard source.isWatched else { return }
        if source.isStream && poller.forgetsClosed {
            source.isWatched = false
            closed.append(source)
        } else {
            unwatch(source)
        }
    }

    // MARK: Turns

    /// Runs turns until `isDone` says so at the end of one.
    @LoopActor public func run(until isDone: @LoopActor () -> Bool) throws(KernelError) {
        thread = pthread_self()
        runJobs()
        while !isDone() { try turn() }
    }

    /// Calls `action` at the end of this turn, or of the next one where none runs.
    @LoopActor public func atEndOfTurn(_ action: @escaping @LoopActor () -> Void) {
        afterTurn.append(PutOff(action: action))
    }

    @LoopActor private func turn() throws(KernelError) {
        beforeWaiting?()
        let poller = poller
        let foundCount = try poller.wait(milliseconds: timeout())
        nanoseconds = Self.clockNanoseconds() + lead
        // Whoever goes on because of a timer knows what has come by then.
        while let timer = timers.popExpired(at: nanoseconds) { timer.action?() }
        for index in 0..<foundCount { if let readiness = poller.found(index) { tell(readiness) } }
        runJobs()
        if !afterTurn.isEmpty {
            // What these put off again waits for the next turn, so that sockets get theirs.
            let actions = afterTurn
            afterTurn.removeAll(keepingCapacity: true)
            for putOff in actions { putOff.action() }
            runJobs()
        }
        if !closed.isEmpty { closed.removeAll(keepingCapacity: true) }
    }

    @LoopActor private func tell(_ readiness: Readiness) {
        readiness.source._withUnsafeGuaranteedRef { source in
            // Closed by an earlier event of this turn; `closed` keeps the object until the turn's end.
            guard source.isWatched else { return }
            if readiness.isReadable { source.isReadable = true }
            if readiness.isWritable || !source.reportsWritable { source.isWritable = true }
            if readiness.hasHungUp { source.hasHungUp = true }
            if readiness.hasFailed { source.hasFailed = true }
            source.observer?.becameReady(source)
        }
    }

    @LoopActor private func timeout() -> CInt {
        if !jobs.isEmpty || !afterTurn.isEmpty { return 0 }
        guard let turn = timers.nextTurn else { return -1 }
        // By the clock of the turn that has passed: a timer may be late by what that took. Rounded up: waking a moment
        // too early would only mean to wait again.
        let rest = turn - nanoseconds
        return rest <= 0 ? 0 : CInt(clamping: (rest - 1) / 1_000_000 + 1)
    }

    /// Has the loop's clock show so much more from here on: a test lets hours pass by it.
    @LoopActor public func letPass(_ duration: Duration) {
        lead += duration.inNanoseconds
        nanoseconds += duration.inNanoseconds
    }

    /// The monotonic clock.
    public static func clock() -> Duration { .nanoseconds(clockNanoseconds()) }

    private static func clockNanoseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    // MARK: The executor

    public func enqueue(_ job: consuming ExecutorJob) { jobs.append(UnownedJob(job)) }
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
    public func checkIsolated() {}
    public func isIsolatingCurrentContext() -> Bool? { true }

    /// Takes a job that is bound to no executor, as is what goes on behind a continuation on its way to its actor.
    /// The runtime would start threads for it, and a task that names an executor for such jobs would look for it, under
    /// a lock, at every step. Other threads than the loop's, which only tests have, go the runtime's way.
    private func take(_ job: UnsafeMutableRawPointer, otherwise: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?) {
        guard let thread, pthread_equal(thread, pthread_self()) != 0 else {
            otherwise?(job)
            return
        }
        jobs.append(unsafeBitCast(job, to: UnownedJob.self))
    }

    private func runJobs() {
        if jobs.isEmpty { return }
        let executor = asUnownedSerialExecutor()
        var index = 0
        while index < jobs.count {
            jobs[index].runSynchronously(on: executor)
            index += 1
        }
        jobs.removeAll(keepingCapacity: true)
    }
}
