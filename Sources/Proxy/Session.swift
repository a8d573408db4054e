import Kernel
import Protocols
import TLS
import Telemetry

/// One client's whole way, from accept to relay. When the relay begins, the session's task ends, and
/// with it everything that only the login needed.
@LoopActor final class Session {
    let server: MailServer
    let worker: WorkerServices
    let log: ErrorLog
    let client: Connection
    /// In the worker's list.
    var place = -1
    /// What client and we have agreed upon; nil in the clear.
    var security: TLSServerConnection?
    var identity: ClientIdentity
    /// The same as it was before anything was said in the clear that TLS lets us forget.
    var identityBeforeClaims: ClientIdentity?
    var dialogue: any ClientDialogue
    var context: LogContext
    var loginAttempts = UInt(0)
    /// Whether the client at `identity.address` has been let in. A proxy that may say who its client is need not be,
    /// unless it logs in without having said it.
    var isAdmitted = false
    /// Where limits have counted this session.
    var places = CountedPlaces()
    /// The connection to the upstream, while the session and not yet the relay owns it.
    var upstream: Connection?
    /// On its way to the client's name in the DNS.
    var clientNameLookup: ClientNameLookup?

    let waiter = Waiter()
    /// Ended, or handed to the relay, when the session ends: it holds the session.
    private let deadline = LoopTimer()
    private var interruption: SessionFailure?
    let beginsWithTLS: Bool
    let expectsProxyHeader: Bool
    /// Whether the peer is a proxy whose word is taken. Who a PROXY header comes from says by it who the client is, and
    /// the client itself says nothing.
    private let believesClaims: Bool
    private var awaitsTLS: Bool { beginsWithTLS && security == nil }
    /// How many bytes of replies a client may leave waiting before no more of its commands are heard.
    private static let mostUnsaid = 64 * 1024

    init(_ source: EventSource, peer: SocketAddress, listen: Listen, server: MailServer, worker: WorkerServices) {
        self.server = server
        self.worker = worker
        identity = ClientIdentity(peer: peer)
        log = server.log(of: peer)
        client = Connection(source)
        beginsWithTLS = server.beginsWithTLS(listen)
        expectsProxyHeader = listen.options.proxyProtocol
        believesClaims = !listen.options.proxyProtocol && server.trusts(identity.peer)
        dialogue = server.makeClientDialogue(believesClaims: believesClaims)
        context = LogContext(
            connection: worker.nextConnectionNumber(), client: identity.host, server: listen.name,
            activity: "sending client greeting line")
        log.write(
            .info, "client \(peer) connected to \(listen.address)", context: .numbered(context.connection))
        log.debug(.event, "accept: \(peer) fd:\(source.number)", context: context)
    }

    /// Starts the session's task, on the loop. It names no executor beside its actor: each step would
    /// have to look for it, under a lock.
    func begin() {
        deadline.action = { self.interrupt(self.expiry) }
        worker.add(self)
        Task { @LoopActor in await self.run() }
    }

    /// Whatever throws ends in one farewell and one log line.
    private func run() async {
        do throws(SessionFailure) {
            if expectsProxyHeader { try await readProxyHeader() }
            if !believesClaims, let failure = admitClient() { try await turnAway(failure) }
            if beginsWithTLS { try await handshakeAtOnce() }
            lookUpClientName()
            try await greet()
            while true {
                let credentials = try await converse()
                let method = credentials.method
                if let failure = isAdmitted ? bar() : admitClient() { try await turnAway(failure) }
                switch try await authenticate(credentials) {
                case .refused(let refusal, let wait):
                    try await slowDown(after: refusal, to: method)
                    try await refuse(refusal, after: wait)
                case .accepted(let destination):
                    if !destination.upstreamDecides, let failure = admitLogin() { try await turnAway(failure) }
                    switch try await logIn(to: destination) {
                    case .accepted(let upstream, let reply):
                        if destination.upstreamDecides, let failure = admitLogin() { try await turnAway(failure) }
                        return relay(to: upstream, beginningWith: reply)
                    case .refused(let refusal):
                        try await slowDown(after: refusal, to: method)
                        try await refuseAndGoOn(refusal)
                    }
                }
            }
        } catch {
            end(after: error)
        }
    }

    // MARK: Steps

    /// TLS from the first byte.
    private func handshakeAtOnce() async throws(SessionFailure) {
        setDeadline(server.timeout, else: .clientTimedOut)
        try await handshakeWithClient()
        context.activity = "sending client greeting line"
    }

    /// Lets TLS begin on a connection that was plain. What was pipelined in the clear could be anyone's, so it
    /// is forgotten, and with it all that the dialogue has heard.
    private func startTLS(after reply: [UInt8]) async throws(SessionFailure) {
        client.discardInput()
        dialogue.forgetPlaintext()
        forgetClaims()
        context.usesStartTLS = true
        context.activity = "in starttls state"
        client.enqueue(reply)
        try await flush(client)
        try await handshakeWithClient()
        context.activity = "in auth state"
    }

    /// Greets the client, which must wait for it where the server has a greeting delay.
    @inline(__always) private func greet() async throws(SessionFailure) {
        if let delay = server.greetingDelay {
            setDeadline(server.timeout + delay, else: .clientTimedOut)
            context.activity = "in delay pipelining state"
            try await pause(for: delay) { hasClientSpoken() }
            if hasClientSpoken() { try refuseToHear() }
            context.activity = "sending client greeting line"
        }
        setDeadline(server.timeout, else: .clientTimedOut)
        client.say(dialogue.greeting(overTLS: client.isEncrypted).span)
        if client.hasOutput { try await flush(client) }
        context.activity = "in auth state"
    }

    /// Whether there is a word of the client's, or its end. Under TLS only reading tells: what has come may be
    /// half a record.
    private func hasClientSpoken() -> Bool {
        if client.canRead { client.read(through: worker.buffer, limit: server.clientBufferSize) }
        return !client.input.isEmpty || client.isAtEnd || client.isBroken
    }

    private func refuseToHear() throws(SessionFailure) {
        guard !client.input.isEmpty else { throw clientFault }
        let text = client.input.withSpan { bytes in
            (0..<server.mailProtocol.printableByteCount(of: bytes)).map { bytes[$0] == 0x0D || bytes[$0] == 0x0A ? 0x5F : bytes[$0] }
        }
        throw .clientSpokeTooSoon(text: String(decoding: text, as: UTF8.self))
    }

    /// Runs the client's dialogue until it yields credentials. The only place where its decisions meet
    /// the network. Replies to pipelined commands are sent together.
    @inline(__always) private func converse() async throws(SessionFailure) -> Credentials {
        while true {
            if client.input.isEmpty { try await listen() }
            if let credentials = try await perform(decide()) { return credentials }
        }
    }

    /// What the dialogue makes of what the client has said.
    private func decide() -> ClientAction {
        var step = client.input.withSpan { dialogue.receive($0, overTLS: client.isEncrypted) }
        if case .awaitInput = step.action, client.input.count >= server.clientBufferSize {
            step = client.input.withSpan { dialogue.receiveTooLong($0) }
        }
        client.consume(step.byteCount)
        if let note = step.note { log.write(.info, note, context: context) }
        return step.action
    }

    /// Turns a decision of the dialogue into input and output.
    @inline(__always) private func perform(_ action: ClientAction) async throws(SessionFailure) -> Credentials? {
        switch action {
        case .awaitInput:
            try await listen()
        case .reply(let reply):
            if client.input.isEmpty { client.say(reply.span) } else { client.enqueue(reply) }
            if client.output.count >= Self.mostUnsaid { try await flush(client) }
        case .adopt(let claim, let reply):
            try await adopt(claim)
            client.enqueue(reply)
        case .authenticate(let credentials):
            if client.hasOutput { try await flush(client) }
            return credentials
        case .close(let farewell):
            throw .finished(farewell: farewell)
        case .startTLS(let reply):
            try await startTLS(after: reply)
        }
        return nil
    }

    /// Waits for what the client says, once it has heard all that it is to hear.
    private func listen() async throws(SessionFailure) {
        if client.hasOutput { try await flush(client) }
        try await wait { [client] in client.isReadable || client.isBroken || client.isAtEnd }
        client.read(through: worker.buffer, limit: server.clientBufferSize)
        if client.isBroken { throw clientFault }
        if client.isAtEnd { throw .clientGone }
    }

    /// Tells the client no: after the auth server's pause and with another try, or at once and for good.
    private func refuse(_ refusal: Refusal, after wait: Duration?) async throws(SessionFailure) {
        if let wait {
            deadline.stop()
            try await pause(for: wait) { false }
        }
        setDeadline(server.timeout, else: .clientTimedOut)
        context.activity = "in auth state"
        _ = try await perform(dialogue.refuse(refusal, thenCloses: wait == nil))
    }

    /// Tells the client that the upstream has refused its login; it may try again, but not for ever.
    private func refuseAndGoOn(_ refusal: Refusal) async throws(SessionFailure) {
        setDeadline(server.timeout, else: .clientTimedOut)
        context.activity = "in auth state"
        loginRefusals += 1
        _ = try await perform(dialogue.refuse(refusal, thenCloses: loginRefusals >= Self.maximumRefusals))
    }

    /// How many logins an upstream may refuse in one session of a `proxy_pass` server.
    private static let maximumRefusals = 10
    private var loginRefusals = 0

    /// Hands both sockets to a relay; nothing of the login is needed any longer.
    private func relay(to upstream: Connection, beginningWith reply: [UInt8]) {
        context.activity = nil
        log.write(.info, "client logged in", context: context)
        log.debug(.mail, "mail proxy: relaying, client fd:\(client.source.number) upstream fd:\(upstream.source.number)", context: context)
        self.upstream = nil
        client.expectNoPasswords()
        upstream.expectNoPasswords()
        if upstream.input.isEmpty {
            client.say(reply.span)
        } else {
            client.enqueue(reply)
            upstream.input.withSpan { client.enqueue($0) }
            upstream.discardInput()
        }
        let relay = Relay(
            client: client, upstream: upstream, toUpstream: client.takeInput(), toClient: client.takeOutput(),
            inactivityLimit: server.proxy.timeout, halfCloseLimit: server.timeout, timer: deadline, worker: worker, log: log,
            context: context, places: places)
        relay.begin()
        worker.remove(self)
    }

    /// The one way out before a relay.
    private func end(after failure: SessionFailure) {
        deadline.end()
        clientNameLookup?.cancel()
        note(failure)
        let farewell = failure.farewell(in: dialogue)
        // In a handshake nothing can be said but TLS's own alert, which is on its way, and nothing at all before
        // it. A client that has ended TLS hears that we have too.
        if !client.isHandshaking && !awaitsTLS {
            client.enqueue(farewell)
            client.flush(isLast: true)
            client.endSending()
        }
        client.drain(through: worker.buffer)
        client.close()
        worker.giveBackConnection()
        closeUpstream()
        places.giveBack()
        worker.remove(self)
    }

    /// Says in the log what has gone wrong.
    func note(_ failure: SessionFailure) {
        guard let record = failure.record else { return }
        log.write(record.level, record.message, reason: record.reason, context: context)
    }

    func closeUpstream() {
        guard let upstream else { return }
        upstream.close()
        worker.giveBackConnection()
        self.upstream = nil
    }

    // MARK: Waiting
    //
    // What mostly need not wait is inlined, and so is what has one caller: to call an async function is to ask twice
    // which executor one is on, and to find it room for what it holds.

    private var expiry = SessionFailure.clientTimedOut

    /// Lets what follows take so long and no longer, however busily.
    func setDeadline(_ limit: Duration, else failure: SessionFailure) {
        expiry = failure
        deadline.start(after: limit)
    }

    func stopDeadline() { deadline.stop() }

    /// Makes the session's next wait, or the present one, end in a failure.
    func interrupt(_ failure: SessionFailure) {
        interruption = failure
        waiter.wake()
    }

    /// Waits until something is so. Everything that could make it so wakes the waiter.
    @inline(__always) func wait(until isSo: () -> Bool) async throws(SessionFailure) {
        while true {
            if let interruption { throw interruption }
            if isSo() { return }
            // `waiter.sleep()` cannot be inlined. Unsafe as whatever must be resumed once, which the waiter does.
            unsafe await withUnsafeContinuation { unsafe waiter.resumeWhenWoken($0) }
        }
    }

    /// Waits for some time, or until something is so. Hardly any session does, so none has room for it in its frames.
    @inline(never) func pause(for duration: Duration, unless isSo: () -> Bool) async throws(SessionFailure) {
        guard duration > .zero else { return }
        let timer = LoopTimer { [waiter] in waiter.wake() }
        timer.start(after: duration)
        defer { timer.stop() }
        try await wait { !timer.isRunning || isSo() }
    }

    /// Sends what waits to be sent, all of it. Mostly nothing does, and then not to call this spares a way to the actor.
    func flush(_ connection: Connection) async throws(SessionFailure) {
        connection.flush()
        while connection.hasOutput {
            if connection.isBroken { throw connection === client ? clientFault : upstreamFault(connection) }
            try await wait { connection.isWritable }
            connection.flush()
        }
    }

    /// Why nothing can be said to the client any more, or heard of it.
    private var clientFault: SessionFailure {
        client.breakage.map { .clientBroken(text: $0.text, $0.error) } ?? .clientGone
    }

    func upstreamFault(_ connection: Connection) -> SessionFailure {
        let (text, error) = connection.breakage ?? ("upstream prematurely closed connection", nil)
        return .upstream(level: .error, text: text, error)
    }
}
