public import Configuration
public import Kernel

/// How a worker waits for what happens, and how many connections it holds.
public struct EventsSettings: SettingsGroup {
    /// Clients, upstreams, auth servers and listeners of one worker together.
    @Setting public var workerConnections = 512
    @Setting public var method = PollingMethod.epoll
    /// Whether all waiting connections are accepted at once, rather than one in each turn.
    @Setting public var multiAccept = false
    /// Whether workers take turns at accepting, instead of the system waking one of them.
    @Setting public var usesAcceptMutex = false
    /// How long a worker waits for its turn; also the pause after the system has run out of descriptors.
    @Setting public var acceptMutexDelay = Duration.milliseconds(500)
    @Setting public var debuggedNetworks: [Network] = []
    @Setting public var workerAIORequests = 32
    @Setting public var epollEvents = 512

    public init() {}

    public static let directives: [Directive<Self>] = [
        .custom(
            "worker_connections", in: [.events], takes: .exactly(1), sets: \.$workerConnections,
            handler: { (call) throws(DirectiveFault) in
                guard let number = call.words[0].number else {
                    throw .message("invalid number \"\(call.words[0].printed)\"")
                }
                return number
            }),
        .custom(
            "use", in: [.events], takes: .exactly(1), sets: \.$method,
            handler: { (call) throws(DirectiveFault) in
                guard let method = PollingMethod(rawValue: call.words[0].text) else {
                    throw .message("invalid event type \"\(call.words[0].printed)\"")
                }
                return method
            }),
        .flag("multi_accept", in: [.events], sets: \.$multiAccept),
        .flag("accept_mutex", in: [.events], sets: \.$usesAcceptMutex),
        .duration("accept_mutex_delay", in: [.events], sets: \.$acceptMutexDelay),
        .custom(
            "debug_connection", in: [.events], takes: .exactly(1), inherits: \.$debuggedNetworks,
            handler: { (group, call) throws(DirectiveFault) in
                group.$debuggedNetworks.append(contentsOf: try Network.networks(call.words[0], in: call))
            }),
        .number("worker_aio_requests", in: [.events], sets: \.$workerAIORequests),
        .number("epoll_events", in: [.events], sets: \.$epollEvents),
    ]
}
