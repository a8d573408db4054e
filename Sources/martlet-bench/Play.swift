import Kernel

/// What goes on at the same time: parts that run by themselves, on the one loop. The first that fails ends all.
@LoopActor final class Play {
    private(set) var fault: Fault?
    private(set) var operationsEnded = 0
    private var listeners: [Entry] = []

    func fail(_ fault: Fault) { if self.fault == nil { self.fault = fault } }

    /// Lets a part begin.
    func start(_ part: @escaping @LoopActor () async throws(Fault) -> Void) {
        Task.immediate(executorPreference: LoopActor.loop) { @LoopActor in
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
                self.start { () throws(Fault) in try await serve(try Wire(descriptor, of: role)) }
            }
            try LoopActor.loop.watch(source, entry)
            listeners.append(entry)
        } catch {
            throw Fault(role, "\(error)")
        }
    }

    /// Has the operation done so often, by so many clients side by side, each of which begins with the next when
    /// it has ended one.
    /// - Returns: how long each took, in nanoseconds.
    func perform(
        _ count: Int, by clients: Int, _ operation: @escaping @LoopActor (_ client: Int) async throws(Fault) -> Void
    ) async -> [Int] {
        let crew = Crew(operations: count, clients: clients)
        for client in 0..<clients {
            start { () throws(Fault) in
                while crew.takeOperation() {
                    let begin = ContinuousClock.now
                    try await operation(client)
                    crew.durations.append((ContinuousClock.now - begin).nanoseconds)
                    self.operationsEnded += 1
                }
                crew.clientEnded()
            }
        }
        while crew.clientsAtWork > 0 { await crew.end.sleep() }
        return crew.durations
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

/// What the clients of one `perform` share.
@LoopActor private final class Crew {
    private var operationsLeft: Int
    private(set) var clientsAtWork: Int
    var durations: [Int] = []
    let end = Waiter()

    init(operations: Int, clients: Int) {
        operationsLeft = operations
        clientsAtWork = clients
        durations.reserveCapacity(operations)
    }

    func takeOperation() -> Bool {
        operationsLeft -= 1
        return operationsLeft >= 0
    }

    func clientEnded() {
        clientsAtWork -= 1
        end.wake()
    }
}

extension Duration {
    var nanoseconds: Int { Int(components.seconds) * 1_000_000_000 + Int(components.attoseconds / 1_000_000_000) }
}
