import Kernel

/// What goes on at the same time: parts that run by themselves, on the one loop. The first that fails ends all.
@LoopActor final class Play {
    private(set) var fault: Fault?
    private(set) var operationsEnded = 0
    /// Whether operations may fail. Then those whom we play beside the clients do not mind either: what they
    /// have to say against is also an operation's failure.
    var countsFailures = false
    private var listeners: [Entry] = []

    func fail(_ fault: Fault) { if self.fault == nil { self.fault = fault } }

    /// Lets a part begin.
    func start(_ part: @escaping @LoopActor () async throws(Fault) -> Void) {
        Task { @LoopActor in
            do throws(Fault) { try await part() } catch { self.fail(error) }
        }
    }

    /// Has `serve` meet everybody who connects to the address.
    func listen(
        on address: SocketAddress, as role: Role, _ serve: @escaping @LoopActor (Wire) async throws(Fault) -> Void
    ) throws(Fault) {
        do {
            var options = ListeningSocket.Options()
            options.backlog = 4096
            let socket = try ListeningSocket.bind(address, options)
            let source = EventSource(try FileDescriptor.duplicate(of: socket.descriptor.number), isStream: false)
            let entry = Entry(source) { descriptor in
                self.start { () throws(Fault) in try await self.attend(try Wire(descriptor, of: role), serve) }
            }
            try LoopActor.loop.watch(source, entry)
            listeners.append(entry)
        } catch {
            throw Fault(role, "\(error)")
        }
    }

    private func attend(
        _ wire: Wire, _ serve: @LoopActor (Wire) async throws(Fault) -> Void
    ) async throws(Fault) {
        do throws(Fault) {
            try await serve(wire)
        } catch {
            wire.close()
            if !countsFailures { throw error }
        }
    }

    // MARK: Operations

    /// Has the operation done so often, by so many clients side by side, each of which begins with the next when
    /// it has ended one.
    func perform(
        _ count: Int, by clients: Int, _ operation: @escaping @LoopActor (_ client: Int) async throws(Fault) -> Void
    ) async -> Outcome {
        let crew = Crew(operations: count, parts: clients)
        for client in 0..<clients {
            start { () throws(Fault) in
                while crew.takeOperation() {
                    try await self.attempt(since: .now, for: crew) { () throws(Fault) in try await operation(client) }
                }
                crew.partEnded()
            }
        }
        return await crew.outcomeOfAll()
    }

    /// Has the operation begin so often, so many times a second, however long those before it take. One that
    /// begins late because this program is busy is late by that, too: else a stall of the proxy would delay
    /// just those who would have told of it.
    func perform(
        _ count: Int, perSecond rate: Int, _ operation: @escaping @LoopActor () async throws(Fault) -> Void
    ) async -> Outcome {
        let crew = Crew(operations: count, parts: count)
        let timetable = Timetable(count: count, perSecond: rate) { due in
            crew.outcome.delays.append((.now - due).nanoseconds)
            self.start { () throws(Fault) in
                try await self.attempt(since: due, for: crew, operation)
                crew.partEnded()
            }
        }
        timetable.start()
        return await crew.outcomeOfAll()
    }

    private func attempt(
        since begin: ContinuousClock.Instant, for crew: Crew, _ operation: @LoopActor () async throws(Fault) -> Void
    ) async throws(Fault) {
        do throws(Fault) {
            try await operation()
            crew.outcome.durations.append((.now - begin).nanoseconds)
        } catch {
            guard countsFailures else { throw error }
            crew.outcome.failures.append(error)
        }
        operationsEnded += 1
    }

    /// Does nothing for a while.
    func pause(_ duration: Duration) async {
        let (end, timer) = (Waiter(), LoopTimer())
        timer.action = { end.wake() }
        timer.start(after: duration)
        await end.sleep()
    }
}

/// A listening socket, and what becomes of who connects.
@LoopActor private final class Entry: EventObserver {
    /// A source is watched for ever, and keeps its observer.
    private let source: EventSource
    private let welcome: @LoopActor (EventSource) -> Void

    init(_ source: EventSource, _ welcome: @escaping @LoopActor (EventSource) -> Void) {
        self.source = source
        self.welcome = welcome
    }

    func becameReady(_ source: EventSource) {
        while let connection = try? source.accept() { welcome(connection.source()) }
    }
}

/// What came of operations.
struct Outcome {
    /// How long each took that did not fail, in nanoseconds.
    var durations: [Int] = []
    /// How much later each began than it was to, in nanoseconds; of operations with a rate.
    var delays: [Int] = []
    var failures: [Fault] = []
}

/// What the parts of one `perform` share.
@LoopActor private final class Crew {
    private var operationsLeft: Int
    private var partsAtWork: Int
    private let end = Waiter()
    var outcome = Outcome()

    init(operations: Int, parts: Int) {
        operationsLeft = operations
        partsAtWork = parts
        outcome.durations.reserveCapacity(operations)
    }

    func takeOperation() -> Bool {
        operationsLeft -= 1
        return operationsLeft >= 0
    }

    func partEnded() {
        partsAtWork -= 1
        if partsAtWork == 0 { end.wake() }
    }

    func outcomeOfAll() async -> Outcome {
        while partsAtWork > 0 { await end.sleep() }
        return outcome
    }
}

extension Duration {
    var nanoseconds: Int { Int(components.seconds) * 1_000_000_000 + Int(components.attoseconds / 1_000_000_000) }
}
