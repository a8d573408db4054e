import Kernel

/// One measurement, from the first connection to the figures.
@LoopActor final class Bench {
    private let arguments: Arguments
    private let play = Play()
    private let clients: Clients
    private let watchdog = LoopTimer()
    private var measurement: Measurement?

    /// What both sides are given to end what is under way before the worker's use is read.
    private static let settling = Duration.milliseconds(20)
    /// The same before memory is read: what is given back late shall be given back.
    private static let memorySettling = Duration.milliseconds(500)
    /// How many sessions are opened at the same time, where many are wanted.
    private static let openingAtOnce = 32
    /// Says that what counts begins now.
    private static let readyWord = "measuring\n"
    /// How long nothing may happen.
    private static let patience = Duration.seconds(30)

    init(_ arguments: Arguments) throws(Fault) {
        self.arguments = arguments
        if arguments.rate != nil && arguments.work != .login { throw Fault("--rate is for logins") }
        let server = try arguments.needed(\.server, as: "--server")
        let authServer = try arguments.needed(\.authServer, as: "--auth")
        let upstream = try arguments.needed(\.upstream, as: "--upstream")
        clients = try Clients(of: server, speaking: arguments.speech, arguments.tls)
        let asked = AuthServer(for: arguments.speech, sendingTo: upstream)
        let mailbox = Upstream(arguments.speech, transfersOf: arguments.size)
        try play.listen(on: authServer, as: .authServer) { wire throws(Fault) in try await asked.serve(wire) }
        try play.listen(on: upstream, as: .upstream) { wire throws(Fault) in try await mailbox.serve(wire) }
    }

    /// Runs the loop until there is a measurement, or a reason why there is none.
    func run() throws(Fault) -> Measurement {
        play.start { () throws(Fault) in self.measurement = try await self.measure() }
        watch()
        do {
            try LoopActor.loop.run { self.measurement != nil || self.play.fault != nil }
        } catch {
            throw Fault("\(error)")
        }
        guard let measurement else { throw play.fault ?? Fault("nothing was measured") }
        return measurement
    }

    /// Ends a play that has come to a standstill.
    private func watch() {
        let before = play.operationsEnded
        watchdog.action = { [unowned self] in
            guard play.operationsEnded == before else { return watch() }
            play.fail(Fault("nothing has happened for \(Self.patience)"))
        }
        watchdog.start(after: Self.patience)
    }

    // MARK: The kinds of work

    private func measure() async throws(Fault) -> Measurement {
        switch arguments.work {
        case .login: return try await measureLogins()
        case .idle: return try await measureMemory()
        case .echo:
            let exchange = Exchange.echo(arguments.size)
            return try await measureInSessions { wire throws(Fault) in try await wire.ask(exchange) }
        case .down:
            return try await measureTransfers { wire, size throws(Fault) in
                try await wire.send(Transfer.down)
                try await wire.expectPattern(size)
            }
        case .up:
            return try await measureTransfers { wire, size throws(Fault) in
                try await wire.send(Transfer.up)
                try await wire.sendPattern(size)
                try await wire.expect(Transfer.thanks)
            }
        }
    }

    private func measureLogins() async throws(Fault) -> Measurement {
        // The first alone: the others may come back to its TLS session.
        try await clients.visit()
        clients.mustResume = arguments.tls == .resumed
        let bystanders = try await open(arguments.bystanders)
        var measurement = try await measure { _ throws(Fault) in try await self.clients.visit() }
        for wire in bystanders {
            do throws(Fault) { try await wire.ask(arguments.speech.noop) } catch { measurement.sessionsLost += 1 }
        }
        return measurement
    }

    private func measureInSessions(
        _ operation: @escaping @LoopActor (Wire) async throws(Fault) -> Void
    ) async throws(Fault) -> Measurement {
        let wires = try await open(arguments.sessions)
        return try await measure { client throws(Fault) in try await operation(wires[client]) }
    }

    private func measureTransfers(
        _ transfer: @escaping @LoopActor (Wire, Int) async throws(Fault) -> Void
    ) async throws(Fault) -> Measurement {
        let size = arguments.size
        var measurement = try await measureInSessions { wire throws(Fault) in try await transfer(wire, size) }
        measurement.byteCount = size * measurement.operations
        return measurement
    }

    private func measureMemory() async throws(Fault) -> Measurement {
        if arguments.workers.isEmpty { throw Fault("--workers is needed") }
        // What the worker keeps from its first sessions is no session's.
        _ = await play.perform(Self.openingAtOnce, by: Self.openingAtOnce) { _ throws(Fault) in
            try await self.clients.visit()
        }
        await play.pause(Self.memorySettling)
        let (before, kernelBefore) = (try memoryOfWorkers(), try ProcessUse.kernelMemory())
        writeAll(Self.readyWord, to: FileDescriptor.standardOutput)
        let wires = try await open(arguments.sessions)
        await play.pause(Self.memorySettling)
        let (after, kernelAfter) = (try memoryOfWorkers(), try ProcessUse.kernelMemory())
        for wire in wires { try await wire.ask(arguments.speech.noop) }
        var measurement = Measurement(operations: wires.count)
        measurement.bytesPerSession = Double(after - before) / Double(wires.count)
        measurement.kernelBytesPerSession = Double(kernelAfter - kernelBefore) / Double(wires.count)
        return measurement
    }

    // MARK: Steps

    /// Opens so many sessions, which stay.
    private func open(_ count: Int) async throws(Fault) -> [Wire] {
        let opened = Opened()
        _ = await play.perform(count, by: min(count, Self.openingAtOnce)) { _ throws(Fault) in
            opened.wires.append(try await self.clients.logIn())
        }
        return opened.wires
    }

    private final class Opened {
        var wires: [Wire] = []
    }

    /// Has the operation done so often as is wanted, and reads before and after what that has cost.
    private func measure(
        _ operation: @escaping @LoopActor (Int) async throws(Fault) -> Void
    ) async throws(Fault) -> Measurement {
        let (count, sessions) = (arguments.operations, arguments.sessions)
        _ = await play.perform(max(sessions, count / 10), by: sessions, operation)
        await play.pause(Self.settling)
        writeAll(Self.readyWord, to: FileDescriptor.standardOutput)
        play.countsFailures = arguments.failures == .count
        let (worker, own, begin) = (
            try timeOfWorkers(), try ProcessUse.processorTime(of: OwnProcess.id), ContinuousClock.now
        )
        let outcome =
            if let rate = arguments.rate {
                await play.perform(count, perSecond: rate) { () throws(Fault) in try await operation(0) }
            } else {
                await play.perform(count, by: sessions, operation)
            }
        var measurement = Measurement(outcome)
        measurement.wallNanoseconds = (ContinuousClock.now - begin).nanoseconds
        await play.pause(Self.settling)
        measurement.workerNanoseconds = try timeOfWorkers() - worker
        measurement.ownNanoseconds = try ProcessUse.processorTime(of: OwnProcess.id) - own
        return measurement
    }

    private func timeOfWorkers() throws(Fault) -> Int {
        var sum = 0
        for worker in arguments.workers { sum += try ProcessUse.processorTime(of: worker) }
        return sum
    }

    private func memoryOfWorkers() throws(Fault) -> Int {
        var sum = 0
        for worker in arguments.workers { sum += try ProcessUse.memory(of: worker) }
        return sum
    }
}
