public import Kernel
import Protocols
import Telemetry

/// A worker's listeners: it takes waiting connections and makes sessions of them.
@LoopActor public final class Acceptor {
    /// How workers that wait at the same listeners agree on who accepts (`processes.md`, section 8).
    public enum Sharing {
        /// There is one worker.
        case alone
        /// The system wakes one of them.
        case oneIsWoken
        /// They take turns: who has the lock waits at the listeners, the others wait for the lock.
        case takingTurns(SharedLock)
    }

    private let worker: WorkerServices
    private let sharing: Sharing
    private let acceptsMany: Bool
    private let delay: Duration
    private var doors: [Door] = []
    /// How many turns are left to others, who may have more room. Not all: they may be as full.
    private var turnsToLeave = 0
    /// Ends the pause after descriptors have run out.
    private let resumption = LoopTimer()
    /// Wakes the loop, so that it asks again whether it is this worker's turn.
    private let nextTry = LoopTimer()
    /// Ends the time in which handshakes that have begun can end.
    private let lastCall = LoopTimer()
    /// Called when nothing is accepted any longer.
    public var whenClosed: (@LoopActor () -> Void)?

    /// Whom a listener's sockets belong to.
    public enum Ownership {
        /// All workers accept on it.
        case shared
        /// No other worker accepts on it.
        case own
        /// Its own worker is not there.
        case guest
    }

    /// How long handshakes may take that were under way when newcomers began to be turned away. Those come again
    /// after a second, and find the socket closed.
    private static let handshakeLimit = Duration.milliseconds(500)

    /// The system prefers who has waited longest, however busy: after so many connections a worker goes to the
    /// end of the line.
    private static let connectionsInARow = 16

    public init(worker: WorkerServices, settings: EventsSettings, sharing: Sharing) {
        self.worker = worker
        self.sharing = sharing
        acceptsMany = settings.multiAccept
        delay = max(settings.acceptMutexDelay, .milliseconds(1))
        resumption.action = { [unowned self] in watchDoors() }
        if case .takingTurns = sharing { LoopActor.loop.beforeWaiting = { [weak self] in self?.takeTurn() } }
    }

    /// Begins to accept on a listener that the master has bound. The descriptor becomes this worker's.
    public func open(
        _ descriptor: consuming FileDescriptor, for entrance: Entrance, as ownership: Ownership = .shared
    ) throws(KernelError) {
        try open(EventSource(descriptor, isStream: false), for: entrance, as: ownership)
    }

    public func open(_ source: EventSource, for entrance: Entrance, as ownership: Ownership) throws(KernelError) {
        let door = Door(source, entrance: entrance, ownership: ownership, acceptor: self)
        if case .oneIsWoken = sharing { door.source.isShared = !door.isOwn }
        doors.append(door)
        if !takesTurns(at: door) { try LoopActor.loop.watch(door.source, door) }
    }

    /// Accepts no longer where this worker has stood in for others.
    public func stepBack() { close(doors.filter { $0.ownership == .guest }) }

    public var isClosed: Bool { doors.isEmpty }

    /// Accepts nothing any longer; the master's copies of the listeners stay open. But where a listener goes
    /// with this worker, and so turns newcomers away, those are let in who are already on their way.
    public func close() {
        close(doors.filter { !$0.source.turnsAwayNewcomers })
        guard !isClosed else { return closeNow() }
        // Nobody else may own it by now.
        lastCall.action = { [self] in closeNow() }
        lastCall.start(after: Self.handshakeLimit)
    }

    /// Accepts nothing any longer, at once.
    public func closeNow() {
        close(doors)
        resumption.stop()
        nextTry.stop()
        lastCall.stop()
        lastCall.action = nil
        if case .takingTurns(let lock) = sharing {
            lock.release()
            LoopActor.loop.beforeWaiting = nil
        }
        whenClosed?()
    }

    /// Closes listeners. Who has connected up to now is let in first: they may be gone with this worker.
    private func close(_ leaving: [Door]) {
        for door in leaving {
            var rest = door.entrance.options.socket.backlog
            while rest > 0, worker.hasRoom, acceptOne(at: door) { rest -= 1 }
            door.source.close()
        }
        doors.removeAll { !$0.source.isOpen }
    }

    fileprivate func accept(at door: Door) {
        if case .takingTurns(let lock) = sharing, !door.isOwn {
            guard lock.take() else { return }
            defer { lock.release() }
            return acceptAll(at: door)
        }
        acceptAll(at: door)
        if door.source.isShared && door.source.isOpen && hasHadEnough(door) { goToTheEnd(of: door) }
    }

    private func acceptAll(at door: Door) {
        repeat {} while acceptOne(at: door) && acceptsMany && door.source.isOpen
    }

    /// - Returns: whether there may be more.
    private func acceptOne(at door: Door) -> Bool {
        do throws(KernelError) {
            guard let accepted = try door.source.accept() else { return false }
            door.acceptedCount += 1
            admit(accepted, at: door)
            turnsToLeave = worker.shortage
            return true
        } catch {
            if error.isAbortedConnection {
                door.log.write(.error, error)
                return true
            }
            door.log.write(error.isOutOfDescriptors ? .crit : .alert, error)
            if error.isOutOfDescriptors { pause() }
            return false
        }
    }

    private func admit(_ accepted: consuming AcceptedConnection, at door: Door) {
        let peer = accepted.peer
        let source = accepted.source()
        let (listen, server) = door.entrance.host(of: source.localAddress)
        guard worker.takeConnection() else {
            server.log.write(.alert, worker.connectionsExhausted)
            turnAway(source, from: server, at: listen)
            return
        }
        let session = Session(source, peer: peer, listen: listen, server: server, worker: worker)
        do throws(KernelError) {
            try LoopActor.loop.watch(source, session.waiter)
        } catch {
            server.log.write(.alert, error)
            source.close()
            return worker.giveBackConnection()
        }
        session.begin()
    }

    /// No room: the client is told so, if it takes the few bytes at once. Where it awaits TLS it would not
    /// understand them.
    private func turnAway(_ source: EventSource, from server: MailServer, at listen: Listen) {
        if !server.beginsWithTLS(listen) {
            let dialogue = server.mailProtocol.makeClientDialogue(DialogueStart(challenge: 0, time: 0))
            _ = source.send(dialogue.farewell(.tooManyConnections).span, hasMore: true)
            source.endSending()
        }
        source.close()
    }

    /// Descriptors have run out: waiting clients stay in the kernel's queue for a moment.
    private func pause() {
        guard !resumption.isRunning else { return }
        for door in doors { LoopActor.loop.unwatch(door.source) }
        resumption.start(after: delay)
    }

    private func watchDoors() {
        for door in doors where !takesTurns(at: door) { watch(door) }
    }

    private func watch(_ door: Door) {
        do throws(KernelError) {
            try LoopActor.loop.watch(door.source, door)
        } catch {
            door.log.write(.alert, error)
        }
    }
}

// MARK: Sharing

extension Acceptor {
    private func takesTurns(at door: Door) -> Bool {
        if case .takingTurns = sharing { !door.isOwn } else { false }
    }

    /// Waits at the shared listeners if it is this worker's turn, and keeps away from them if it is not.
    private func takeTurn() {
        guard case .takingTurns(let lock) = sharing else { return }
        let isLeft = turnsToLeave > 0
        if isLeft { turnsToLeave -= 1 }
        let isOurs = !isLeft && !resumption.isRunning && lock.take()
        if !isOurs { lock.release() }
        for door in doors where !door.isOwn && door.source.isWatched != isOurs {
            if isOurs { watch(door) } else { LoopActor.loop.unwatch(door.source) }
        }
        if isOurs { nextTry.stop() } else if !nextTry.isRunning { nextTry.start(after: delay) }
    }

    private func hasHadEnough(_ door: Door) -> Bool {
        door.acceptedCount % Self.connectionsInARow == 0 || worker.isNearlyFull
    }

    /// Lets all other workers go first the next time.
    private func goToTheEnd(of door: Door) {
        guard door.source.isWatched else { return }
        LoopActor.loop.unwatch(door.source)
        watch(door)
    }
}

/// One listener of one worker.
@LoopActor private final class Door: EventObserver {
    let source: EventSource
    let entrance: Entrance
    let ownership: Acceptor.Ownership
    var acceptedCount = 0
    private unowned let acceptor: Acceptor

    init(_ source: EventSource, entrance: Entrance, ownership: Acceptor.Ownership, acceptor: Acceptor) {
        self.source = source
        self.entrance = entrance
        self.ownership = ownership
        self.acceptor = acceptor
    }

    /// Whether it needs no agreement with other workers.
    var isOwn: Bool { ownership != .shared }

    /// Where faults of accepting go: the log of the first server whose clients come in here.
    var log: ErrorLog { entrance.listens[0].server.log }

    func becameReady(_ source: EventSource) { acceptor.accept(at: self) }
}
