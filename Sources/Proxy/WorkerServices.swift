public import Kernel
import Telemetry

/// What all sessions of one worker share.
@LoopActor public final class WorkerServices {
    let buffer = SharedBuffer()
    /// `worker_connections`: how many sockets this worker may have, of every kind.
    let connectionLimit: Int
    private(set) var connectionCount: Int
    private let numbers: SharedCounter
    private var authClients: [AuthClient] = []
    private var resolvers: [Resolver: NameResolver] = [:]
    private var sessions = Roster<Session>()
    private var relays = Roster<Relay>()
    private var pipes = PipePool()
    /// Runs while relays are cut off.
    private let nextCutOff = LoopTimer()
    /// Called when the last session has ended.
    public var whenEmpty: (@LoopActor () -> Void)?

    /// - Parameters:
    ///   - connectionLimit: the limit on all sockets.
    ///   - reserved: how many of them listeners take, whatever number of sockets each has.
    ///   - numbers: what sessions are numbered by, over all workers.
    public init(connectionLimit: Int, reserved: Int, numbers: SharedCounter) {
        self.connectionLimit = connectionLimit
        connectionCount = reserved
        self.numbers = numbers
    }

    func nextConnectionNumber() -> UInt64 { numbers.next() }

    /// Counts one more socket, if there is room for it.
    func takeConnection() -> Bool {
        // What is only kept for later makes room first.
        while connectionCount >= connectionLimit {
            guard closeIdlePipe() || authClients.contains(where: { $0.closeIdle() }) else { return false }
        }
        connectionCount += 1
        return true
    }

    /// For how many more there is room, once what is only kept for later has made some.
    private var roomToMake: Int { connectionLimit - connectionCount + pipes.idleDescriptorCount }

    var hasRoom: Bool { roomToMake > 0 }

    /// An eighth of all connections: few enough to be spared, and enough to get by with for a while.
    var smallShare: Int { connectionLimit / 8 }

    /// Whether there is room for no more than a few connections: time to leave new ones to others.
    var isNearlyFull: Bool { shortage > 0 }

    /// For how many fewer than these few there is room.
    var shortage: Int { max(0, smallShare - roomToMake) }

    func giveBackConnection() { connectionCount -= 1 }

    /// How many auth servers are remembered before those are forgotten that nothing is under way with.
    private static let authClientLimit = 64

    var connectionsExhausted: String { "\(connectionLimit) worker_connections are not enough" }

    // MARK: Pipes, which count as sockets

    /// A pipe for what flows from one socket to another, if there is one to spare.
    func takePipe() -> Pipe? {
        let hasRoom = connectionLimit - connectionCount >= Pipe.descriptorCount && !isNearlyFull
        guard let (pipe, isNew) = pipes.take(mayGrow: hasRoom) else { return nil }
        if isNew { connectionCount += Pipe.descriptorCount }
        return pipe
    }

    func giveBack(_ pipe: Pipe) {
        if !pipes.giveBack(pipe) { connectionCount -= Pipe.descriptorCount }
    }

    /// Does without pipes from here on, where the kernel would not fill one.
    func giveUpPipes() {
        pipes.isForbidden = true
        while closeIdlePipe() {}
    }

    private func closeIdlePipe() -> Bool {
        guard pipes.closeIdle() else { return false }
        connectionCount -= Pipe.descriptorCount
        return true
    }

    func authClient(for peer: AuthPeer) -> AuthClient {
        // Mostly there is one, or a few.
        if let client = authClients.first(where: { $0.peer == peer }) { return client }
        // Servers that are found by name may have been at many places.
        if authClients.count >= Self.authClientLimit { authClients.removeAll(where: \.isUnused) }
        let client = AuthClient(peer, worker: self)
        authClients.append(client)
        return client
    }

    /// Whom a server asks for names; nil where it asks nobody.
    func resolver(for server: MailServer) -> NameResolver? {
        guard let settings = server.resolver else { return nil }
        if let resolver = resolvers[settings] { return resolver }
        let resolver = NameResolver(settings, worker: self, log: server.log)
        resolvers[settings] = resolver
        return resolver
    }

    // MARK: Sessions, for the day on which they must end

    public var isEmpty: Bool { sessions.isEmpty && relays.isEmpty }

    func add(_ session: Session) { sessions.add(session) }
    func add(_ relay: Relay) { relays.add(relay) }

    func remove(_ session: Session) {
        sessions.remove(session)
        if isEmpty { whenEmpty?() }
    }

    func remove(_ relay: Relay) {
        relays.remove(relay)
        giveBackConnection()
        giveBackConnection()
        if isEmpty { whenEmpty?() }
    }

    /// How many relays are cut off at once, and how long it is until the next are. Who has been may come back at once,
    /// and the workers that are met with all of them, on this processor too, serve others meanwhile.
    static let cutOffCount = 32
    private static let cutOffPause = Duration.milliseconds(1)

    /// Ends every session: those before login with their protocol's farewell, relays some at a time.
    public func cutOffAll() {
        for session in sessions.members { session.interrupt(.shuttingDown) }
        cutOffRelays()
    }

    private func cutOffRelays() {
        for relay in Array(relays.members.suffix(Self.cutOffCount)) { relay.cutOff() }
        guard !relays.isEmpty else { return nextCutOff.end() }
        nextCutOff.action = { [self] in cutOffRelays() }
        nextCutOff.start(after: Self.cutOffPause)
    }
}

/// Something that a worker has many of and must be able to find all of. It knows its place, so to come and to go costs
/// the same however many there are.
@LoopActor protocol RosterMember: AnyObject {
    /// -1 where it is in no list.
    var place: Int { get set }
}

extension Session: RosterMember {}
extension Relay: RosterMember {}

/// All that are there, in no order.
@LoopActor struct Roster<Member: RosterMember> {
    private(set) var members: [Member] = []

    var isEmpty: Bool { members.isEmpty }

    mutating func add(_ member: Member) {
        member.place = members.count
        members.append(member)
    }

    /// Harmless where it is not in the list.
    mutating func remove(_ member: Member) {
        let place = member.place
        guard place >= 0 else { return }
        member.place = -1
        let last = members.removeLast()
        guard last !== member else { return }
        last.place = place
        members[place] = last
    }
}
