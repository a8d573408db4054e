import Kernel
import Protocols
import TLS

/// One worker's line to one auth server: a pool of connections that are kept alive, and the questions
/// that wait for one.
@LoopActor final class AuthClient {
    /// How many connections one worker opens to one auth server. More questions wait their turn, each
    /// within its own deadline.
    private let maximumConnections: Int
    /// How many questions may be under way on one connection that has been kept alive before. One that
    /// has not been gets one question: its server may not look for a second.
    static let maximumPipelined = 4

    let peer: AuthPeer
    fileprivate let worker: WorkerServices
    private var waiting: [AuthQuestion] = []
    private var idle: [AuthConnection] = []
    private var connectionCount = 0
    private var isScheduled = false

    var address: SocketAddress { peer.address }

    init(_ peer: AuthPeer, worker: WorkerServices, maximumConnections: Int = 64) {
        self.peer = peer
        self.maximumConnections = maximumConnections
        self.worker = worker
    }

    /// What the log says of something that is the server's fault.
    func describe(_ fault: String) -> String { "auth http server \(address) \(fault)" }

    // MARK: Being down

    /// Until when others are asked first, because the server has failed; a trial after that prolongs it.
    private var downUntil: Duration?

    /// Whether the server has failed of late.
    var isDown: Bool { downUntil.map { LoopActor.loop.now < $0 } ?? false }

    func noteFailure(pause: Duration) { downUntil = LoopActor.loop.now + pause }

    func noteAnswer() { downUntil = nil }

    /// Somebody asks a server that may be up again. Until it is known, others keep to those that are.
    func noteTrial(pause: Duration) {
        if downUntil != nil { noteFailure(pause: pause) }
    }

    /// Whether nothing would be lost with it.
    var isUnused: Bool { connectionCount == 0 && waiting.isEmpty && !isDown && !isScheduled }

    // MARK: Questions

    /// Puts a question to the server. `waiter` is woken when its answer, or the lack of one, is known.
    func ask(_ request: Secret, waiter: Waiter) -> AuthQuestion {
        let question = AuthQuestion(request, waiter: waiter)
        if waiting.isEmpty, connectionCount < maximumConnections, let connection = idle.popLast() {
            connection.take(question)
            connection.goOn()
        } else {
            waiting.append(question)
            schedule()
        }
        return question
    }

    /// What no kept connection has taken waits for the end of the turn: one may become idle in it.
    private func schedule() {
        guard !isScheduled else { return }
        isScheduled = true
        LoopActor.loop.atEndOfTurn { [self] in
            isScheduled = false
            distribute()
        }
    }

    /// Gives waiting questions to kept connections and to new ones, one to each, so that nobody waits for
    /// the answer to somebody else's slow login. Only when no more may be opened do they queue up.
    /// One that has met a closed connection goes to a new one: the other kept ones may be just as closed.
    private func distribute() {
        waiting.removeAll { $0.isCancelled }
        while let first = waiting.first {
            let needsNew = first.hasBeenResent && connectionCount < maximumConnections
            if !needsNew, let connection = idle.popLast() {
                for _ in 0..<share where !waiting.isEmpty { connection.take(waiting.removeFirst()) }
                connection.goOn()
            } else if connectionCount < maximumConnections {
                open(for: waiting.removeFirst())
            } else {
                return
            }
        }
    }

    private var share: Int {
        guard connectionCount >= maximumConnections else { return 1 }
        return max(1, min(Self.maximumPipelined, (waiting.count + idle.count) / (idle.count + 1)))
    }

    private func open(for question: AuthQuestion) {
        guard worker.takeConnection() else {
            return question.answer(.failed(text: worker.connectionsExhausted, nil, isOurs: true))
        }
        do throws(KernelError) {
            let source = try EventSource.connect(to: address)
            let connection = AuthConnection(source, client: self)
            do throws(KernelError) { try LoopActor.loop.watch(source, connection) } catch {
                source.close()
                throw error
            }
            connectionCount += 1
            connection.take(question)
        } catch {
            worker.giveBackConnection()
            let isConnect = error.call == "connect()"
            question.answer(
                .failed(text: isConnect ? "connect() to \(address) failed" : "\(error.call) failed", error, isOurs: !isConnect))
        }
    }

    // MARK: What connections report

    /// The connection has answered everything and may be asked more.
    func isIdle(_ connection: AuthConnection) {
        idle.append(connection)
        if !waiting.isEmpty { schedule() }
    }

    /// The connection is gone. Those of its questions that may be answered by another are put once more.
    func isGone(_ connection: AuthConnection, toAskAgain questions: [AuthQuestion]) {
        idle.removeAll { $0 === connection }
        connectionCount -= 1
        worker.giveBackConnection()
        waiting.insert(contentsOf: questions, at: 0)
        if !waiting.isEmpty { schedule() }
    }

    /// Closes a connection that nothing is under way on, for somebody who needs its place.
    /// - Returns: whether there was one.
    func closeIdle() -> Bool {
        guard let connection = idle.first else { return false }
        connection.close()
        return true
    }
}

/// One question, from asking to answer.
@LoopActor final class AuthQuestion {
    enum Answer {
        case verdict(AuthResponse.Verdict)
        /// No usable answer: what the log says of it. `isOurs`: the fault is not the auth server's.
        indirect case failed(text: String, KernelError?, isOurs: Bool = false)
    }

    fileprivate(set) var request: Secret?
    private(set) var answer: Answer?
    private(set) var isCancelled = false
    /// Whether it is with the server, and the answer to come.
    var isUnderWay: Bool { connection?.isReady ?? false }
    /// It went to a kept connection that then turned out to be closed. That excuses once.
    fileprivate(set) var hasBeenResent = false
    private let waiter: Waiter
    /// Until it is answered or put to another.
    fileprivate var connection: AuthConnection?

    fileprivate init(_ request: Secret, waiter: Waiter) {
        self.request = request
        self.waiter = waiter
    }

    fileprivate func answer(_ answer: Answer) {
        request = nil
        connection = nil
        guard !isCancelled else { return }
        self.answer = answer
        waiter.wake()
    }

    /// Nobody waits for the answer any longer.
    func cancel() {
        isCancelled = true
        request = nil
        connection?.questionWasCancelled()
        connection = nil
    }
}

/// One connection to the auth server, with the questions that are under way on it in their order.
@LoopActor final class AuthConnection: EventObserver {
    private let connection: Connection
    /// Lives as long as its last connection, even where the worker has forgotten it.
    private let client: AuthClient
    private var questions: [AuthQuestion] = []
    private var stage = Stage.connecting
    /// It has answered before and stayed open since.
    private var wasKept = false
    /// Some of the answer to the first question has come.
    private var hasAnswerBegun = false

    private enum Stage { case connecting, handshaking, ready }
    fileprivate var isReady: Bool { stage == .ready }

    /// How long a connection is kept without a question: the longer, the likelier that something in
    /// between has forgotten it without a word. The timer runs on beside a question, and is put off behind it.
    private static let longestIdleness = Duration.seconds(20)
    private let idleTimer = LoopTimer()

    fileprivate init(_ source: EventSource, client: AuthClient) {
        connection = Connection(source)
        self.client = client
        idleTimer.action = { [unowned self] in
            guard questions.isEmpty else { return }
            connection.endSending()
            close()
        }
    }

    fileprivate func take(_ question: AuthQuestion) {
        question.connection = self
        questions.append(question)
        guard let request = question.request else { return }
        if stage == .ready { connection.say(request.span) } else { connection.enqueue(request.span) }
    }

    /// Sees what has become of what was said.
    fileprivate func goOn() {
        if stage == .ready { proceed() }
    }

    func becameReady(_ source: EventSource) {
        switch stage {
        case .connecting:
            guard source.isWritable else { return }
            if let error = source.connectFault() {
                return fail(text: "recv() failed", KernelError("recv()", error.number))
            }
            connected()
        case .handshaking: handshake()
        case .ready: proceed()
        }
    }

    private func connected() {
        guard let tls = client.peer.tls else {
            stage = .ready
            return proceed()
        }
        do throws(TLSError) {
            connection.begin(try TLSClientConnection(tls.context, over: connection.source, to: client.address, host: tls.name))
            stage = .handshaking
            handshake()
        } catch {
            fail(text: describe(error.text), nil)
        }
    }

    private func handshake() {
        switch connection.handshake() {
        case .wouldBlock: break
        case .failed(let error): fail(text: describe(error.text), nil)
        case .done:
            stage = .ready
            proceed()
        }
    }

    private func proceed() {
        connection.flush()
        let buffer = client.worker.buffer
        while connection.canRead {
            let before = connection.input.count
            connection.read(through: buffer, limit: AuthResponse.maximumByteCount)
            if connection.input.count == before { break }
            hasAnswerBegun = true
            guard readAnswers() else { return }
        }
        // Under TLS, sending may have had to wait for what has just been read.
        connection.flush()
        if connection.isAtEnd || connection.isBroken { connectionEnded() }
    }

    /// - Returns: false where the connection has been closed.
    private func readAnswers() -> Bool {
        while let question = questions.first, !connection.input.isEmpty {
            switch connection.input.withSpan({ AuthResponse.parse($0, isEnd: false) }) {
            case .incomplete:
                guard connection.input.count < AuthResponse.maximumByteCount else {
                    fail(text: describe("sent too long response"), nil)
                    return false
                }
                return true
            case .invalid(let fault, _):
                fail(text: describe(AuthResponse.failureText(for: fault)), nil)
                return false
            case .complete(let response, let byteCount):
                connection.consume(byteCount)
                questions.remove(at: 0)
                question.answer(.verdict(response.verdict))
                hasAnswerBegun = !connection.input.isEmpty
                guard response.keepsConnection else {
                    close()
                    return false
                }
                wasKept = true
            }
        }
        guard questions.isEmpty else { return true }
        // An answer to no question: whoever speaks out of turn is not asked again.
        guard connection.input.isEmpty else {
            close()
            return false
        }
        idleTimer.start(after: Self.longestIdleness)
        client.isIdle(self)
        return true
    }

    /// The server has closed. An answer may end with that; if none had begun, the connection was stale.
    private func connectionEnded() {
        if hasAnswerBegun, let question = questions.first,
            case .complete(let response, _) = connection.input.withSpan({ AuthResponse.parse($0, isEnd: true) })
        {
            questions.removeFirst()
            question.answer(.verdict(response.verdict))
        } else if !wasKept, let question = questions.first {
            questions.removeFirst()
            question.answer(breakage)
        }
        close()
    }

    private var breakage: AuthQuestion.Answer {
        guard let (text, error) = connection.breakage else {
            return .failed(text: describe("prematurely closed connection"), nil)
        }
        return .failed(text: error == nil ? describe(text) : text, error)
    }

    private func fail(text: String, _ error: KernelError?) {
        if let question = questions.first {
            questions.removeFirst()
            question.answer(.failed(text: text, error))
        }
        close()
    }

    private func describe(_ fault: String) -> String { client.describe(fault) }

    fileprivate func questionWasCancelled() {
        if questions.allSatisfy(\.isCancelled) { close() }
    }

    /// Closes; questions still under way are asked again elsewhere, if that has not been done before.
    fileprivate func close() {
        guard connection.isOpen else { return }
        idleTimer.stop()
        connection.close()
        var again: [AuthQuestion] = []
        for question in questions where !question.isCancelled {
            if question.hasBeenResent {
                question.answer(.failed(text: describe("prematurely closed connection"), nil))
            } else {
                question.hasBeenResent = true
                question.connection = nil
                again.append(question)
            }
        }
        questions = []
        client.isGone(self, toAskAgain: again)
    }
}
