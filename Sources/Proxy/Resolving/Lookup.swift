import Kernel
import Protocols
import Telemetry

/// One question on its way through the name servers, for all who wait for its answer; it ends when nobody does
/// any more.
@LoopActor final class Lookup {
    private let question: DNSQuestion
    private unowned let resolver: NameResolver
    private var inquiries: [Inquiry] = []

    private let waiter = Waiter()
    private let timer = LoopTimer()
    private var isLate = false

    /// How long nobody is asked after a round in which no server could be.
    private static let pauseBetweenRounds = Duration.seconds(1)
    /// After how many wrong answers the question is put anew, under another number and from another port:
    /// somebody may be guessing at them.
    private static let maximumWrongAnswers = 16
    /// How many values are kept of an answer. All addresses of a host are few, and so are the names of one.
    private static let maximumValues = 64, maximumNames = 8

    init(_ question: DNSQuestion, resolver: NameResolver) {
        self.question = question
        self.resolver = resolver
        timer.action = { [unowned self] in
            isLate = true
            waiter.wake()
        }
    }

    func add(_ inquiry: Inquiry) { inquiries.append(inquiry) }

    func remove(_ inquiry: Inquiry) {
        inquiries.removeAll { $0 === inquiry }
        if inquiries.isEmpty { waiter.wake() }
    }

    /// Starts the lookup's task, on the loop and at once.
    func begin() {
        Task.immediate { @LoopActor in await self.run() }
    }

    private func run() async {
        let (answer, lifetime) = await find()
        timer.stop()
        resolver.isDone(question, answer, lifetime: lifetime)
        let waiting = inquiries
        inquiries = []
        for inquiry in waiting { inquiry.answer(answer) }
    }

    /// Follows the name's aliases to its records.
    private func find() async -> (AnswerCache.Answer, lifetime: Duration?) {
        var asked = question
        var (lifetime, aliasCount) = (Int.max, 0)
        while true {
            let response: DNSResponse
            switch await self.response(to: asked) {
            case .failure(let failure):
                return (.failure(failure), failure == .hostNotFound ? NameResolver.negativeLifetime : nil)
            case .success(let found): response = found
            }
            switch response.answer(to: asked, aliasCount: aliasCount) {
            case .values(let values, let seconds):
                let limit = question.type == .pointer ? Self.maximumNames : Self.maximumValues
                return (.success(Array(values.prefix(limit))), .seconds(min(lifetime, seconds)))
            case .alias(let target, let seconds, let count):
                asked = DNSQuestion(question.type, of: target)
                lifetime = min(lifetime, seconds)
                aliasCount = count
            case .none, .endless:
                return (.failure(.hostNotFound), NameResolver.negativeLifetime)
            }
        }
    }

    // MARK: Servers

    private enum Outcome {
        case response(DNSResponse)
        /// The server cannot be asked, or says what is no answer.
        case failed
        case silent
    }

    /// Asks server after server, until one knows whether there is such a name, or all have said that they cannot
    /// tell.
    private func response(to question: DNSQuestion) async -> Result<DNSResponse, LookupFailure> {
        let servers = resolver.settings.servers
        var place = resolver.nextServer()
        var (refusalCount, failureCount) = (0, 0)
        while !inquiries.isEmpty {
            let outcome = await ask(question, servers[place])
            if inquiries.isEmpty { break }
            if case .silent = outcome { resolver.note(isSilent: true, server: place) }
            switch outcome {
            case .response(let response):
                resolver.note(isSilent: false, server: place)
                if response.code == 0 { return .success(response) }
                let failure = LookupFailure(code: response.code)
                if failure == .hostNotFound { return .failure(failure) }
                refusalCount += 1
                if refusalCount >= servers.count { return .failure(failure) }
            case .failed:
                failureCount += 1
                if failureCount.isMultiple(of: servers.count) { await pause() }
            case .silent: break
            }
            place = (place + 1) % servers.count
        }
        return .failure(.timedOut)
    }

    private func ask(_ question: DNSQuestion, _ server: SocketAddress) async -> Outcome {
        let outcome = await askByDatagram(question, server)
        guard case .response(let response) = outcome, response.isTruncated else { return outcome }
        let whole = await askByStream(question, server)
        if case .response(let response) = whole, response.isTruncated { return .failed }
        return whole
    }

    private func askByDatagram(_ question: DNSQuestion, _ server: SocketAddress) async -> Outcome {
        guard let source = open(server, { () throws(KernelError) in try EventSource.datagrams(to: server) }) else { return .failed }
        defer { close(source) }
        let id = UInt16.random(in: 0 ... .max)
        guard case .moved = source.send(question.encode(id: id).span) else { return .failed }
        start(resolver.patience)
        let buffer = resolver.worker.buffer
        var wrongCount = 0
        while wrongCount < Self.maximumWrongAnswers {
            guard await wait(until: { source.isReadable }) else { return .silent }
            switch buffer.fill(from: source) {
            case .moved(let count):
                let response = buffer.withBytes(count) { read($0, question, id, from: server, over: "UDP") }
                if let response { return .response(response) }
                wrongCount += 1
            case .closed:
                // A datagram without a byte.
                report(DNSFault.short.text(over: "UDP"), server)
                wrongCount += 1
            case .wouldBlock: break
            case .failed(let error):
                report("\(error.call) failed (\(error.reason))", server)
                return .failed
            }
        }
        return .failed
    }

    private func askByStream(_ question: DNSQuestion, _ server: SocketAddress) async -> Outcome {
        guard let source = open(server, { () throws(KernelError) in try EventSource.connect(to: server) }) else { return .failed }
        defer { close(source) }
        start(resolver.patience)
        guard await wait(until: { source.isWritable }) else { return .silent }
        if let error = source.connectFault() {
            report("\(error.call) failed (\(error.reason))", server)
            return .failed
        }
        let id = UInt16.random(in: 0 ... .max)
        let request = question.encodeForStream(id: id)
        guard source.send(request.span) == .moved(request.count) else { return .failed }
        let buffer = resolver.worker.buffer
        var input: [UInt8] = []
        while true {
            guard await wait(until: { source.isReadable }) else { return .silent }
            switch buffer.fill(from: source) {
            case .moved(let count): buffer.withBytes(count) { input += $0.bytes() }
            case .wouldBlock: continue
            case .closed, .failed: return .failed
            }
            guard input.count >= 2 else { continue }
            let end = 2 + Int(input[0]) << 8 + Int(input[1])
            guard input.count >= end else { continue }
            let response = read(input.span.extracting(2..<end), question, id, from: server, over: "TCP")
            return response.map { .response($0) } ?? .failed
        }
    }

    /// Reads an answer, and holds it to the question: whoever can only guess at the port and the number of a
    /// question cannot answer it.
    private func read(
        _ message: Span<UInt8>, _ question: DNSQuestion, _ id: UInt16, from server: SocketAddress, over transport: String
    ) -> DNSResponse? {
        let response: DNSResponse
        do throws(DNSFault) {
            response = try DNSResponse.parse(message)
        } catch {
            report(error.text(over: transport), server)
            return nil
        }
        guard response.id == id else {
            report("wrong ident \(response.id) in DNS response for \(printed(question.name)), expect \(id)", server)
            return nil
        }
        guard response.question == nil || response.question == question else {
            report("unexpected DNS response for \(printed(question.name))", server)
            return nil
        }
        if response.code == 1 || response.code > 5 {
            report("DNS error (\(LookupFailure(code: response.code).text)), query id:\(id)", server)
        }
        return response
    }

    private func printed(_ name: DNSName) -> String { String(decoding: name.text, as: UTF8.self) }

    private func report(_ text: String, _ server: SocketAddress) {
        resolver.log.write(.error, "\(text) while resolving, resolver: \(server)")
    }

    // MARK: Sockets and time

    private func open(_ server: SocketAddress, _ make: () throws(KernelError) -> EventSource) -> EventSource? {
        let worker = resolver.worker
        guard worker.takeConnection() else {
            resolver.log.write(.alert, worker.connectionsExhausted)
            return nil
        }
        do throws(KernelError) {
            let source = try make()
            do throws(KernelError) { try LoopActor.loop.watch(source, waiter) } catch {
                source.close()
                throw error
            }
            return source
        } catch {
            worker.giveBackConnection()
            report("\(error.call) failed (\(error.reason))", server)
            return nil
        }
    }

    private func close(_ source: EventSource) {
        source.close()
        resolver.worker.giveBackConnection()
    }

    private func start(_ limit: Duration) {
        isLate = false
        timer.start(after: limit)
    }

    private func pause() async {
        start(Self.pauseBetweenRounds)
        _ = await wait(until: { false })
    }

    /// - Returns: whether it is so: false where patience has ended, or nobody waits for the answer any more.
    private func wait(until isSo: () -> Bool) async -> Bool {
        while !isSo() {
            if isLate || inquiries.isEmpty { return false }
            await waiter.sleep()
        }
        return true
    }
}
