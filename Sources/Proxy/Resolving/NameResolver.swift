import Kernel
import Protocols
import Telemetry

/// One worker's way to the name servers of one `resolver` directive, with what they have said.
@LoopActor final class NameResolver {
    let settings: Resolver
    let log: ErrorLog
    unowned let worker: WorkerServices
    /// How long a server may be silent before the next one is asked.
    let patience: Duration
    /// How long it must have been, where nobody waits so long, to be passed over all the same.
    var shortestSilence: Duration { patience / 5 }
    private var cache = AnswerCache()
    /// Questions on their way. Whoever asks one of them waits for the same answer.
    private var lookups: [DNSQuestion: Lookup] = [:]
    /// Which server comes next, and until when each is passed over because it kept silent.
    private var turn = 0
    private var silentUntil: [Duration]
    /// Where hosts were when a name server last knew it, by name and without port.
    private var lastKnown: [String: [SocketAddress]] = [:]
    private static let lastKnownLimit = 256

    /// How long it is remembered that there is no such name, and an answer at the longest.
    static let negativeLifetime = Duration.seconds(5)
    static let longestLifetime = Duration.seconds(24 * 60 * 60)
    private static let silencePause = Duration.seconds(30)

    /// - Parameter log: where faults of the servers go.
    init(_ settings: Resolver, worker: WorkerServices, log: ErrorLog, patience: Duration = .seconds(5)) {
        self.patience = patience
        self.settings = settings
        self.worker = worker
        self.log = log
        silentUntil = settings.servers.map { _ in .zero }
    }

    /// Asks, unless the answer is known.
    /// - Parameters:
    ///   - limit: how long the answer is waited for.
    ///   - waiter: woken when there is an answer, which may be that there is none.
    ///   - isDispensable: whether the answer is done without where clients need the socket that it takes.
    func ask(
        _ question: DNSQuestion, within limit: Duration, waiter: Waiter, isDispensable: Bool = false
    ) -> Inquiry {
        let inquiry = Inquiry(waiter)
        if let known = cache.answer(to: question, at: LoopActor.loop.now) {
            inquiry.answer(known)
        } else if let lookup = lookups[question] {
            inquiry.wait(for: lookup, within: limit)
        } else if isDispensable && !hasRoomToSpare {
            inquiry.answer(.failure(.noRoom))
        } else {
            let lookup = Lookup(question, resolver: self)
            lookups[question] = lookup
            inquiry.wait(for: lookup, within: limit)
            lookup.begin()
        }
        return inquiry
    }

    /// Whether a socket can be had for what can be done without. Where name servers are silent, each client would
    /// take two otherwise.
    private var hasRoomToSpare: Bool { !worker.isNearlyFull && lookups.count < max(1, worker.smallShare) }

    // MARK: What lookups ask and report

    /// The place among the servers at which a lookup starts: each in turn, but those that kept silent.
    func nextServer() -> Int {
        let count = settings.servers.count
        let turns = (0..<count).map { (turn + $0) % count }
        let next = turns.first { silentUntil[$0] <= LoopActor.loop.now } ?? turn % count
        turn = (next + 1) % count
        return next
    }

    func note(isSilent: Bool, server: Int) {
        silentUntil[server] = isSilent ? LoopActor.loop.now + Self.silencePause : .zero
    }

    /// - Parameter lifetime: what the answer says of itself; nil where it is not to be kept.
    func isDone(_ question: DNSQuestion, _ answer: AnswerCache.Answer, lifetime: Duration?) {
        lookups[question] = nil
        guard let lifetime else { return }
        let isPositive = (try? answer.get()) != nil
        let kept = isPositive ? min(settings.validity ?? lifetime, Self.longestLifetime) : lifetime
        if kept > .zero { cache.keep(answer, to: question, until: LoopActor.loop.now + kept) }
    }

    // MARK: Hosts

    /// Asks for all addresses of a name, of both families where both are asked for.
    func askForAddresses(of name: DNSName, port: UInt16, within limit: Duration, waiter: Waiter) -> AddressInquiry {
        let types: [DNSQuestion.RecordType] = (settings.asksForIPv4 ? [.ipv4] : []) + (settings.asksForIPv6 ? [.ipv6] : [])
        return AddressInquiry(
            inquiries: types.map { ask(DNSQuestion($0, of: name), within: limit, waiter: waiter) }, port: port)
    }

    func lastKnownAddresses(of host: Host) -> [SocketAddress] {
        lastKnown[host.name]?.map { $0.with(port: host.port) } ?? host.addresses
    }

    /// Remembers where a host is, for when no name server can tell. Auth servers choose names of hosts, too, so
    /// there are so many and no more.
    func remember(_ addresses: [SocketAddress], of host: Host) {
        guard lastKnown.count < Self.lastKnownLimit || lastKnown[host.name] != nil else { return }
        lastKnown[host.name] = addresses
    }
}

/// Somebody's wait for an answer.
@LoopActor final class Inquiry {
    private(set) var answer: AnswerCache.Answer?
    private let waiter: Waiter
    private var lookup: Lookup?
    private let timer = LoopTimer()

    fileprivate init(_ waiter: Waiter) { self.waiter = waiter }

    fileprivate func wait(for lookup: Lookup, within limit: Duration) {
        self.lookup = lookup
        lookup.add(self)
        timer.action = { [weak self] in
            guard let self else { return }
            cancel()
            answer(.failure(.timedOut))
        }
        timer.start(after: limit)
    }

    func answer(_ answer: AnswerCache.Answer) {
        timer.stop()
        lookup = nil
        self.answer = answer
        waiter.wake()
    }

    /// Waits no longer. Harmless when there is an answer.
    func cancel() {
        timer.stop()
        lookup?.remove(self)
        lookup = nil
    }
}

/// The same for all addresses of a host.
@LoopActor struct AddressInquiry {
    fileprivate let inquiries: [Inquiry]
    fileprivate let port: UInt16

    /// All that were found. That one family has none, or that nobody knows, is no fault beside addresses of the
    /// other: there are name servers that refuse to speak of IPv6.
    var answer: Result<[SocketAddress], LookupFailure>? {
        var addresses: [SocketAddress] = []
        var failure = LookupFailure.hostNotFound
        for inquiry in inquiries {
            switch inquiry.answer {
            case .success(let values): addresses += values.compactMap { $0.address(port: port) }
            case .failure(let other): if other != .hostNotFound { failure = other }
            case nil: return nil
            }
        }
        return addresses.isEmpty ? .failure(failure) : .success(addresses)
    }

    func cancel() { for inquiry in inquiries { inquiry.cancel() } }
}

extension DNSResponse.Value {
    func address(port: UInt16) -> SocketAddress? {
        switch self {
        case .ipv4(let address): .ipv4(address, port: port)
        case .ipv6(let high, let low): .ipv6(high, low, port: port)
        case .alias, .pointer: nil
        }
    }
}
