package import Kernel
import Protocols
import Telemetry

/// A worker's listeners: it takes waiting connections and makes sessions of them.
@LoopActor package final class Acceptor {
    private let worker: WorkerServices
    private let acceptsMany: Bool
    private let pauseWhenExhausted: Duration
    private var doors: [Door] = []
    private let resumption = LoopTimer()

    /// - Parameters:
    ///   - acceptsMany: `multi_accept`.
    ///   - pauseWhenExhausted: `accept_mutex_delay`: how long nothing is accepted when descriptors run out.
    package init(worker: WorkerServices, acceptsMany: Bool, pauseWhenExhausted: Duration) {
        self.worker = worker
        self.acceptsMany = acceptsMany
        self.pauseWhenExhausted = pauseWhenExhausted
        resumption.action = { [unowned self] in resume() }
    }

    /// Begins to accept on a listener that the master has bound. The descriptor becomes this worker's.
    package func open(_ descriptor: consuming FileDescriptor, for entrance: Entrance) throws(KernelError) {
        let door = Door(EventSource(descriptor, isStream: false), entrance: entrance, acceptor: self)
        doors.append(door)
        try LoopActor.loop.watch(door.source, door)
    }

    /// Accepts nothing any longer; the master's copies of the listeners stay open.
    package func close() {
        resumption.stop()
        for door in doors { door.source.close() }
        doors = []
    }

    fileprivate func accept(at door: Door) {
        repeat {
            do throws(KernelError) {
                guard let accepted = try door.source.accept() else { return }
                admit(accepted, at: door)
            } catch {
                if error.isAbortedConnection {
                    door.log.write(.error, error)
                    continue
                }
                door.log.write(error.isOutOfDescriptors ? .crit : .alert, error)
                if error.isOutOfDescriptors { pause() }
                return
            }
        } while acceptsMany && door.source.isOpen
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
            _ = source.send(dialogue.farewell(.tooManyConnections).span)
        }
        source.close()
    }

    /// Descriptors have run out: waiting clients stay in the kernel's queue for a moment.
    private func pause() {
        guard !resumption.isRunning else { return }
        for door in doors { LoopActor.loop.unwatch(door.source) }
        resumption.start(after: pauseWhenExhausted)
    }

    private func resume() {
        for door in doors {
            do throws(KernelError) {
                try LoopActor.loop.watch(door.source, door)
            } catch {
                door.log.write(.alert, error)
            }
        }
    }
}

/// One listener of one worker.
@LoopActor private final class Door: EventObserver {
    let source: EventSource
    let entrance: Entrance
    private unowned let acceptor: Acceptor

    init(_ source: EventSource, entrance: Entrance, acceptor: Acceptor) {
        self.source = source
        self.entrance = entrance
        self.acceptor = acceptor
    }

    /// Where faults of accepting go: the log of the first server whose clients come in here.
    var log: ErrorLog { entrance.listens[0].server.log }

    func becameReady(_ source: EventSource) { acceptor.accept(at: self) }
}
