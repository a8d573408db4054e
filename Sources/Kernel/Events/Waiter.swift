/// Where a session sleeps until something it cares about has changed: a socket, a timer, an answer.
/// Whoever changes such a thing wakes it; it then looks for itself what has come.
@LoopActor public final class Waiter: EventObserver {
    private var continuation: UnsafeContinuation<Void, Never>?
    private var isAwake = false

    public init() {}

    /// Lets the session look again, now or as soon as it would sleep.
    public func wake() {
        if let continuation {
            self.continuation = nil
            continuation.resume()
        } else {
            isAwake = true
        }
    }

    /// Sleeps until woken; not at all where that has happened since the last sleep.
    public func sleep() async { await withUnsafeContinuation { resumeWhenWoken($0) } }

    /// The same for those who suspend themselves, which spares them a call that waits: resumes them when woken, or at
    /// once where that has happened since the last sleep.
    public func resumeWhenWoken(_ sleeper: UnsafeContinuation<Void, Never>) {
        if isAwake {
            isAwake = false
            sleeper.resume()
        } else {
            continuation = sleeper
        }
    }

    public func becameReady(_ source: EventSource) { wake() }
}
