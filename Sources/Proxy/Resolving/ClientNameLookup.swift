import Kernel
import Protocols
import Telemetry

/// Finds what the DNS calls a client, beside the session: the names of its address, and of those one that leads
/// back to the address (`mail-extras.md`, section 3). A name that does not could be anybody's.
@LoopActor final class ClientNameLookup {
    /// Nil until it is known.
    private(set) var hostName: ClientIdentity.HostName?
    let address: SocketAddress
    private let resolver: NameResolver
    /// For the names of the address, and again for all their addresses.
    private let limit: Duration
    private let log: ErrorLog
    private var context: LogContext
    /// Whom to wake when the name is known.
    private let session: Waiter

    private let waiter = Waiter()
    private var isCancelled = false

    init(of address: SocketAddress, by resolver: NameResolver, within limit: Duration, log: ErrorLog, context: LogContext, waking session: Waiter) {
        self.address = address
        self.resolver = resolver
        self.limit = limit
        self.log = log
        self.context = context
        self.session = session
    }

    /// Starts the task, on the loop and at once.
    func begin() {
        Task.immediate { @LoopActor in
            self.hostName = await self.find()
            self.session.wake()
        }
    }

    /// Nobody wants to know any longer.
    func cancel() {
        isCancelled = true
        waiter.wake()
    }

    private func find() async -> ClientIdentity.HostName {
        let octets = address.octets
        // Who comes by a path has no address, and nginx says so in this way.
        guard !octets.isEmpty else { return .temporarilyUnavailable }
        context.activity = "in resolving client address"
        let question = DNSQuestion(.pointer, of: DNSName(reversing: octets))
        switch await answer(to: question, within: limit) {
        case .success(let values): return await confirm(values)
        case .failure(let failure): return meaning(of: failure, for: address.host)
        }
    }

    private func confirm(_ values: [DNSResponse.Value]) async -> ClientIdentity.HostName {
        context.activity = "in resolving client hostname"
        let type: DNSQuestion.RecordType = if case .ipv4 = address { .ipv4 } else { .ipv6 }
        let isAsked = type == .ipv4 ? resolver.settings.asksForIPv4 : resolver.settings.asksForIPv6
        let end = LoopActor.loop.now + limit
        var result = ClientIdentity.HostName.unavailable
        for case .pointer(let name) in values {
            let text = String(decoding: name.text, as: UTF8.self)
            guard let hostText = name.hostText else {
                log.write(.error, "\(address.host) resolved to invalid host name \"\(text)\"", context: context)
                result = .temporarilyUnavailable
                continue
            }
            guard isAsked else { continue }
            switch await answer(to: DNSQuestion(type, of: name), within: max(.zero, end - LoopActor.loop.now)) {
            case .success(let values):
                let address = address.with(port: 0)
                if values.contains(where: { $0.address(port: 0) == address }) { return .confirmed(hostText) }
            case .failure(let failure):
                if case .temporarilyUnavailable = meaning(of: failure, for: "\"\(text)\"") { result = .temporarilyUnavailable }
            }
        }
        return result
    }

    private func meaning(of failure: LookupFailure, for name: String) -> ClientIdentity.HostName {
        if !isCancelled { log.write(.error, "\(name) could not be resolved (\(failure.text))", context: context) }
        return failure == .hostNotFound ? .unavailable : .temporarilyUnavailable
    }

    private func answer(to question: DNSQuestion, within limit: Duration) async -> AnswerCache.Answer {
        let inquiry = resolver.ask(question, within: limit, waiter: waiter, isDispensable: true)
        defer { inquiry.cancel() }
        while !isCancelled {
            if let answer = inquiry.answer { return answer }
            await waiter.sleep()
        }
        return .failure(.timedOut)
    }
}

extension Session {
    /// Begins to look for the client's name in the DNS, if the protocol tells it and there is somebody to ask. The
    /// client is greeted meanwhile: the name is needed only when it logs in. What is known of another address
    /// is forgotten.
    func lookUpClientName() {
        forgetClientNameLookup()
        identity.hostName = .unavailable
        guard server.tellsClientHost, let resolver = worker.resolver(for: server) else { return }
        let lookup = ClientNameLookup(
            of: identity.address, by: resolver, within: server.resolverTimeout, log: log, context: context, waking: waiter)
        clientNameLookup = lookup
        lookup.begin()
    }

    /// Looks no further for the client's name.
    func forgetClientNameLookup() {
        clientNameLookup?.cancel()
        clientNameLookup = nil
    }

    /// Waits for what the DNS calls the client. That is the name servers' time, which `resolver_timeout` bounds,
    /// and not the client's.
    func learnClientName() async throws(SessionFailure) {
        // Somebody who is trusted may have told meanwhile that the client is elsewhere, or what it is called.
        if case .confirmed = identity.hostName {
            clientNameLookup?.cancel()
            clientNameLookup = nil
        }
        if let lookup = clientNameLookup, lookup.address != identity.address { lookUpClientName() }
        guard let lookup = clientNameLookup else { return }
        if lookup.hostName == nil {
            stopDeadline()
            // Whoever has said more before it ended its sending may still be there for the answers.
            func isGone() -> Bool {
                guard client.hasHungUp, client.input.isEmpty else { return false }
                if client.canRead { client.read(through: worker.buffer, limit: server.clientBufferSize) }
                return client.isBroken || client.isAtEnd && client.input.isEmpty
            }
            try await wait { lookup.hostName != nil || isGone() }
            if lookup.hostName == nil { throw .clientGone }
        }
        if let hostName = lookup.hostName { identity.hostName = hostName }
        clientNameLookup = nil
    }
}
