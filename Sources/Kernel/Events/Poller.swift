import CKernel
import Glibc

/// How the loop asks the kernel what is ready: the `use` directive.
public enum PollingMethod: String, Sendable { case epoll, poll }

/// What one wait found of one source.
struct Readiness {
    let source: Unmanaged<EventSource>
    let isReadable, isWritable, hasHungUp, hasFailed: Bool
}

/// What the loop waits by.
@LoopActor protocol Poller: AnyObject {
    /// Whether a stream that is closed leaves the set by that.
    var forgetsClosed: Bool { get }

    func add(_ source: EventSource) throws(KernelError)
    /// What is wanted to be known of a source has changed.
    func change(_ source: EventSource)
    func remove(_ source: EventSource)
    /// - Parameter milliseconds: how long at most; -1 for as long as it takes.
    /// - Returns: how many sources there is something to say of.
    func wait(milliseconds: CInt) throws(KernelError) -> Int
    /// What the last wait found, by number.
    func found(_ index: Int) -> Readiness?
    func close()
}

/// epoll: the kernel keeps the set of sources, and an event carries a pointer to its source.
@LoopActor final class EpollPoller: Poller {
    private let descriptor: CInt
    private var events = [epoll_event](repeating: epoll_event(), count: 512)
    let forgetsClosed = true

    init() throws(KernelError) {
        descriptor = try retrying("epoll_create1()") { epoll_create1(CInt(EPOLL_CLOEXEC)) }
    }

    func close() { _ = Glibc.close(descriptor) }

    func add(_ source: EventSource) throws(KernelError) {
        var event = Self.request(for: source)
        _ = try retrying("epoll_ctl()") { epoll_ctl(descriptor, EPOLL_CTL_ADD, source.number, &event) }
    }

    /// Tells at once what is so already, so that nothing is missed.
    func change(_ source: EventSource) {
        var event = Self.request(for: source)
        _ = epoll_ctl(descriptor, EPOLL_CTL_MOD, source.number, &event)
    }

    private static func request(for source: EventSource) -> epoll_event {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        if source.isStream { event.events |= EPOLLRDHUP.rawValue | EPOLLET.rawValue }
        if source.isStream && source.reportsWritable { event.events |= EPOLLOUT.rawValue }
        if source.isShared { event.events |= EPOLLEXCLUSIVE.rawValue }
        event.data.ptr = Unmanaged.passUnretained(source).toOpaque()
        return event
    }

    func remove(_ source: EventSource) {
        var event = epoll_event()
        _ = epoll_ctl(descriptor, EPOLL_CTL_DEL, source.number, &event)
    }

    func wait(milliseconds: CInt) throws(KernelError) -> Int {
        let count = epoll_wait(descriptor, &events, CInt(events.count), milliseconds)
        if count >= 0 { return Int(count) }
        if errno == EINTR { return 0 }
        throw KernelError("epoll_wait()")
    }

    func found(_ index: Int) -> Readiness? {
        let bits = events[index].events
        guard let pointer = events[index].data.ptr else { return nil }
        let isGone = bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
        return Readiness(
            source: .fromOpaque(pointer), isReadable: isGone || bits & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue) != 0,
            isWritable: isGone || bits & EPOLLOUT.rawValue != 0,
            hasHungUp: isGone || bits & EPOLLRDHUP.rawValue != 0, hasFailed: bits & EPOLLERR.rawValue != 0)
    }
}

/// poll: the set is handed over at each wait. Streams ask for just what is not known to be ready, which
/// makes its level trigger tell the same as epoll's edge.
@LoopActor final class PollPoller: Poller {
    private var sources: [EventSource] = []
    private var requests: [pollfd] = []
    private var found: [Readiness] = []
    let forgetsClosed = false

    func close() {}

    /// Each wait asks anew.
    func change(_ source: EventSource) {}

    func add(_ source: EventSource) {
        source.slot = sources.count
        sources.append(source)
    }

    func remove(_ source: EventSource) {
        guard source.slot >= 0, source.slot < sources.count, sources[source.slot] === source else { return }
        let last = sources.removeLast()
        if last !== source {
            sources[source.slot] = last
            last.slot = source.slot
        }
        source.slot = -1
    }

    func found(_ index: Int) -> Readiness? { found[index] }

    func wait(milliseconds: CInt) throws(KernelError) -> Int {
        found.removeAll(keepingCapacity: true)
        requests.removeAll(keepingCapacity: true)
        for source in sources { requests.append(Self.request(for: source)) }
        let count = poll(&requests, nfds_t(requests.count), milliseconds)
        if count < 0 && errno != EINTR { throw KernelError("poll()") }
        if count <= 0 { return 0 }
        for (source, answer) in zip(sources, requests) where answer.revents != 0 {
            let bits = CInt(answer.revents)
            let isGone = bits & (POLLERR | POLLHUP | POLLNVAL) != 0
            found.append(
                Readiness(
                    source: .passUnretained(source), isReadable: isGone || bits & (POLLIN | Self.hangUp) != 0,
                    isWritable: isGone || bits & POLLOUT != 0, hasHungUp: isGone || bits & Self.hangUp != 0,
                    hasFailed: bits & (POLLERR | POLLNVAL) != 0))
        }
        return found.count
    }

    /// POLLRDHUP, which is a GNU extension.
    private static let hangUp: CInt = 0x2000

    private static func request(for source: EventSource) -> pollfd {
        guard source.isStream else { return pollfd(fd: source.number, events: Int16(POLLIN), revents: 0) }
        // A connection that is known to be gone would report that without end: leave it out.
        if source.hasHungUp && source.isReadable && source.isWritable { return pollfd(fd: -1, events: 0, revents: 0) }
        var events: CInt = 0
        if !source.isReadable { events |= POLLIN }
        if !source.isWritable { events |= POLLOUT }
        if !source.hasHungUp { events |= hangUp }
        return pollfd(fd: source.number, events: Int16(events), revents: 0)
    }
}
