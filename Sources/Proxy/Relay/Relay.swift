import Kernel
import Telemetry

/// A session after its login: bytes from either side to the other, until both have ended.
///
/// It is no task, and holds no buffer but for bytes that one side has sent and the other cannot take
/// yet. It reads from a side only when everything read before has been passed on. Where much flows in the clear,
/// the bytes go through a pipe, which spares copying them; for few that would cost more than it spares.
@LoopActor final class Relay: EventObserver {
    /// How many reads one event of one side may cause before others get their turn, and how many bytes: a pipe takes
    /// more of them at once.
    private static let readsPerTurn = 8
    static let bytesPerTurn = 512 * 1024
    /// How much makes a direction a flood that comes in large pieces and without an answer, and how little one brings
    /// that ends it.
    private static let flood = 128 * 1024
    private static let ebb = 16 * 1024
    /// What a client may have said last that awaits an answer and says no more: a line of POP3 or SMTP (RFC 5321, section
    /// 4.5.3.1.4), or of IMAP that is no longer.
    private static let line = 512
    /// How long a flood may gather to a wave that fills a pipe.
    static let waveDuration = Duration.milliseconds(1)

    /// One direction: where bytes come from, where they go, and what is stuck in between.
    @LoopActor private struct Flow: ~Copyable {
        let from: Connection
        let to: Connection
        var stuck: ByteQueue
        /// What bytes go through instead, during a flood and only from when some come until they are gone.
        var pipe: Pipe?
        /// How much has come in large pieces, without an answer.
        var run = 0
        /// How much `from` has said since `to` spoke last.
        var saidCount = 0
        /// Whether `from` is read to its end though `to` takes nothing any longer: to close on somebody who is still
        /// sending takes back what was said to him last.
        let isHeardOut: Bool
        var isAnswered = false
        /// `to` takes nothing any longer, and what comes is dropped.
        var isGivenUp = false
        /// The loop reports `from` only when much has come.
        var isGathering = false
        /// `from` has ended its sending.
        var hasEnded = false
        /// All that it has sent has been passed on to `to`.
        var isDone = false
        /// And `to` knows that it was all.
        var isEndPassedOn = false

        var isFlood: Bool { run >= Relay.flood && !isGivenUp && from.isPlain && to.isPlain }
        /// Whether what it has said may be all that is to come before an answer.
        var isTerse: Bool { saidCount <= Relay.line }
        /// Whether what was read has yet to be passed on.
        var isStuck: Bool { !stuck.isEmpty || (pipe?.count ?? 0) > 0 }

        /// Whether there is anything to do. What is stuck may have come free by what was read from the side that it is for.
        var canGoOn: Bool { !isDone && (isStuck ? to.isWritable : hasEnded || from.isReadable) }

        /// Learns from a read how much flows.
        mutating func note(_ count: Int) {
            run = count < Relay.ebb ? 0 : run + count
            saidCount = isAnswered ? count : saidCount + count
            isAnswered = false
        }

        /// The other side has spoken. A flood goes on behind that, but nothing becomes one by many questions.
        mutating func noteAnswer() {
            isAnswered = true
            if !isFlood { run = 0 }
        }

        /// Whether to wait for more to come than a little is worth while.
        var canGather: Bool { isFlood && !from.isReadable && !isStuck && !hasEnded }
    }

    /// In the worker's list.
    var place = -1
    private let worker: WorkerServices
    private let log: ErrorLog
    private let context: LogContext
    private var isScheduled = false
    /// The shorter limit is in force.
    private var isHurried = false
    private var places: CountedPlaces
    private var fromClient: Flow
    private var fromUpstream: Flow
    private let inactivityLimit: Duration
    private let halfCloseLimit: Duration
    private let waveDuration: Duration
    /// On the loop's clock, in nanoseconds.
    private var lastActivity: Int
    /// Ended with the relay, which it holds.
    private let timer: LoopTimer
    /// Runs while a flood gathers.
    private var waveTimer: LoopTimer?

    /// - Parameters:
    ///   - toUpstream: what the client has sent behind its login, for the upstream.
    ///   - toClient: what the client is told of its login.
    ///   - inactivityLimit: `proxy_timeout`: the relay ends when nothing has moved for so long.
    ///   - halfCloseLimit: the same once one side has ended its sending.
    ///   - waveDuration: how long a flood may gather.
    ///   - timer: the session's, which may be running.
    ///   - places: where limits have counted the session, until the relay ends.
    init(
        client: Connection, upstream: Connection, toUpstream: ByteQueue, toClient: ByteQueue,
        inactivityLimit: Duration, halfCloseLimit: Duration, waveDuration: Duration = waveDuration, timer: LoopTimer = LoopTimer(),
        worker: WorkerServices, log: ErrorLog, context: LogContext, places: CountedPlaces
    ) {
        self.timer = timer
        self.worker = worker
        self.log = log
        self.context = context
        self.places = places
        self.inactivityLimit = inactivityLimit
        self.waveDuration = waveDuration
        self.halfCloseLimit = min(halfCloseLimit, inactivityLimit)
        fromClient = Flow(from: client, to: upstream, stuck: toUpstream, isHeardOut: true)
        fromUpstream = Flow(from: upstream, to: client, stuck: toClient, isHeardOut: false)
        lastActivity = LoopActor.loop.nanoseconds
    }

    /// Takes both sockets over from the session.
    func begin() {
        fromClient.from.observer = self
        fromUpstream.from.observer = self
        timer.action = { self.checkActivity() }
        timer.start(after: inactivityLimit)
        worker.add(self)
        pump()
    }

    func becameReady(_ source: EventSource) { pump() }

    /// Moves what can be moved, both ways.
    private func pump() {
        if advance(&fromClient) { fromUpstream.noteAnswer() }
        if advance(&fromUpstream) { fromClient.noteAnswer() }
        if fromClient.isDone && fromUpstream.isDone || upstreamHasHadLastWord() { return finish() }
        passOnEnd(of: &fromClient)
        passOnEnd(of: &fromUpstream)
        if isClosing && !isHurried {
            isHurried = true
            timer.start(after: halfCloseLimit)
        }
        if fromClient.canGoOn || fromUpstream.canGoOn { scheduleNextTurn() }
    }

    /// - Returns: whether `from` has said anything.
    private func advance(_ flow: inout Flow) -> Bool {
        let byteCount = move(&flow)
        if let pipe = flow.pipe, pipe.count == 0 { giveBackPipe(of: &flow) }
        if byteCount > 0 && flow.canGather { gather(&flow) }
        return byteCount > 0
    }

    /// - Returns: how much `from` has said.
    private func move(_ flow: inout Flow) -> Int {
        var byteCount = 0
        for _ in 0..<Self.readsPerTurn where !flow.isDone && byteCount < Self.bytesPerTurn {
            if flow.isStuck {
                deliverStuck(&flow)
                guard !flow.isStuck, !flow.isDone else { break }
            }
            if flow.hasEnded {
                flow.isDone = true
                break
            }
            guard flow.from.isReadable else { break }
            switch receive(&flow) {
            case .moved(let count):
                byteCount += count
                flow.note(count)
                // That it is heard out gives it no more time.
                if flow.isGivenUp { continue }
                lastActivity = LoopActor.loop.nanoseconds
                // What is said last waits for the end, which so must follow in this step.
                flow.hasEnded = flow.from.hasSaidAll
                if flow.pipe == nil { forward(count, in: &flow) }
                if flow.hasEnded { flow.isDone = !flow.isStuck }
            case .wouldBlock: return byteCount
            case .closed: flow.hasEnded = true
            case .failed:
                flow.hasEnded = true
                report(flow.from.breakage)
            }
        }
        return byteCount
    }

    /// Reads into a pipe in a flood, and into the worker's buffer otherwise.
    private func receive(_ flow: inout Flow) -> Transfer {
        if !flow.isFlood { giveBackPipe(of: &flow) } else if flow.pipe == nil { flow.pipe = worker.takePipe() }
        if let pipe = flow.pipe {
            if let transfer = flow.from.receive(into: pipe) { return transfer }
            giveBackPipe(of: &flow)
            worker.giveUpPipes()
        }
        return flow.from.receive(into: worker.buffer)
    }

    // MARK: Waves

    /// Whoever sends much sends it bit by bit. To be woken for each would cost more than to hand it on, so that it is
    /// left to gather, for a while: the last of it may be little.
    private func gather(_ flow: inout Flow) {
        guard !flow.isGathering else { return }
        flow.isGathering = true
        flow.from.reportReadable(from: Pipe.byteCount)
        let timer = waveTimer ?? LoopTimer { [unowned self] in endWave() }
        waveTimer = timer
        if !timer.isRunning { timer.start(after: waveDuration) }
    }

    /// Passes on what has gathered, however little it is.
    private func endWave() {
        stopGathering(&fromClient)
        stopGathering(&fromUpstream)
        pump()
    }

    private func stopGathering(_ flow: inout Flow) {
        guard flow.isGathering else { return }
        flow.isGathering = false
        flow.from.reportReadable(from: 1)
    }

    /// A connection that breaks ends like one that is ended, but for a word in the log.
    private func report(_ breakage: (text: String, error: KernelError?)?) {
        guard let breakage else { return }
        var context = context
        context.activity = "proxying"
        log.write(.info, breakage.text, reason: breakage.error?.reason, context: context)
    }

    /// Everything that `from` has sent is on its way: the other side is told that there is no more.
    private func passOnEnd(of flow: inout Flow) {
        guard flow.isDone, !flow.isEndPassedOn else { return }
        flow.isEndPassedOn = true
        flow.to.endSending()
    }

    /// The upstream has gone behind a last reply, and there is nothing from the client that would still have to be passed
    /// on: to wait for the client's end, too, would be for nothing. One that is sending more than a line is waited for,
    /// since it may go on, and a close would then take the reply back; and one under TLS, which takes leave by itself.
    private func upstreamHasHadLastWord() -> Bool {
        guard fromUpstream.isDone, !fromUpstream.isEndPassedOn, !fromUpstream.from.isBroken, !fromClient.isDone else { return false }
        guard fromClient.isTerse, fromClient.from.isPlain else { return false }
        // What has come since is in no event yet.
        fromClient.from.presumeReadable()
        return !advance(&fromClient) && !fromClient.isStuck
    }

    /// Both sides have ended.
    private func finish() {
        conclude(fromClient)
        conclude(fromUpstream)
        end("proxied session done")
    }

    /// Who has not heard of the end yet hears it by the close, which spares a call. But a close forgets what waits for it if
    /// a word has come meanwhile: what was said last, and TLS's goodbye.
    private func conclude(_ flow: borrowing Flow) {
        if !flow.isEndPassedOn && (flow.from.hasSaidAll || !flow.to.isPlain) { flow.to.endSending() }
    }

    /// `to` takes nothing any longer. What it has sent itself is still delivered, by the other flow.
    private func giveUp(_ flow: inout Flow) {
        flow.isGivenUp = true
        if !flow.isHeardOut { flow.hasEnded = true }
        flow.isDone = flow.hasEnded
        flow.isEndPassedOn = true
        flow.stuck.removeAll()
        giveBackPipe(of: &flow)
    }

    private func giveBackPipe(of flow: inout Flow) {
        guard let pipe = flow.pipe else { return }
        flow.pipe = nil
        worker.giveBack(pipe)
    }

    /// Sends the front of the shared buffer on; what the other side does not take is kept.
    private func forward(_ count: Int, in flow: inout Flow) {
        let to = flow.to
        var sent = 0
        let isLast = flow.hasEnded
        let isTaken = worker.buffer.withBytes(count) { bytes in
            while sent < bytes.count && to.isWritable {
                switch to.send(bytes.extracting(sent..<bytes.count), isLast: isLast) {
                case .moved(let more): sent += more
                case .wouldBlock: return true
                case .closed, .failed: return false
                }
            }
            return true
        }
        guard isTaken else { return giveUp(&flow) }
        if sent < count {
            worker.buffer.withBytes(count) { flow.stuck.append($0.extracting(sent..<$0.count)) }
        }
    }

    private func deliverStuck(_ flow: inout Flow) {
        while flow.isStuck && flow.to.isWritable {
            let to = flow.to
            switch flow.pipe.map(to.send) ?? flow.stuck.withSpan({ to.send($0) }) {
            case .moved(let count):
                if flow.pipe == nil { flow.stuck.consume(count) }
                lastActivity = LoopActor.loop.nanoseconds
            case .wouldBlock: return
            case .closed, .failed: return giveUp(&flow)
            }
        }
    }

    /// One side has ended its sending, even if what it sent cannot be passed on yet.
    private var isClosing: Bool {
        fromClient.hasEnded || fromUpstream.hasEnded || fromClient.isGivenUp
            || fromClient.from.hasHungUp || fromUpstream.from.hasHungUp
    }

    private func scheduleNextTurn() {
        guard !isScheduled else { return }
        isScheduled = true
        LoopActor.loop.atEndOfTurn { [self] in
            isScheduled = false
            if fromClient.from.isOpen { pump() }
        }
    }

    /// The timer is not moved with each byte: when it fires it looks how long ago the last one was.
    private func checkActivity() {
        let limit = isClosing ? halfCloseLimit : inactivityLimit
        let idle = Duration.nanoseconds(LoopActor.loop.nanoseconds - lastActivity)
        if idle < limit { return timer.start(after: limit - idle) }
        end("client timed out", reason: KernelError("", KernelError.timedOut).reason, activity: "proxying")
    }

    /// `worker_shutdown_timeout` has run out.
    func cutOff() { end("shutdown timeout", activity: "proxying") }

    private func end(_ message: String, reason: String? = nil, activity: StaticString? = nil) {
        guard fromClient.from.isOpen else { return }
        var context = context
        if let activity { context.activity = activity }
        log.write(.info, message, reason: reason, context: context)
        timer.end()
        waveTimer?.stop()
        giveBackPipe(of: &fromClient)
        giveBackPipe(of: &fromUpstream)
        fromClient.from.close()
        fromUpstream.from.close()
        places.giveBack()
        worker.remove(self)
    }
}
