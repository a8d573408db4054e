import Glibc

/// Who is told when a source can be read or written.
@LoopActor public protocol EventObserver: AnyObject {
    /// The flags of `source` have changed. The source, or any other, may be closed in here.
    func becameReady(_ source: EventSource)
}

/// A descriptor that the loop watches, with what is known of its readiness.
///
/// Streams are registered once for life and edge-triggered: a flag stays true until a call runs dry
/// and clears it. Whether a stream can be written to is watched only where that is not known, which spares
/// all others the events that would tell nothing. Everything else is level-triggered and reports as long as
/// something waits.
///
/// Every session has two of them, for life: flags stand together, since each gap between properties costs eight bytes.
@LoopActor public final class EventSource {
    /// The descriptor's number, for calls; -1 once closed.
    public private(set) var number: CInt
    public let isStream: Bool
    public var isReadable = false
    /// Whoever finds a stream full clears it, and hears from the loop when it has room again.
    public var isWritable = false {
        didSet { if !isWritable && !reportsWritable { LoopActor.loop.reportWritable(self) } }
    }
    /// The other side has ended its sending, or the connection is gone.
    public internal(set) var hasHungUp = false
    /// The connection has failed; the next call says how.
    var hasFailed = false
    /// All that the other side has sent has been read, and then its end.
    public internal(set) var isDrained = false
    /// Whether the loop says when it becomes writable. Where not, whatever happens to the stream shows that it is.
    var reportsWritable = true
    /// Whether the loop watches it.
    public internal(set) var isWatched = false
    /// Whether other processes watch it too: then one of those that wait is woken, and not all.
    public var isShared = false
    /// Told of events; released by `close()`.
    public var observer: (any EventObserver)?
    /// The place in the poller's table, where it keeps one.
    var slot = -1

    /// Takes over a descriptor that does not block.
    public init(owning number: CInt, isStream: Bool) {
        self.number = number
        self.isStream = isStream
    }

    public convenience init(_ descriptor: consuming FileDescriptor, isStream: Bool) {
        self.init(owning: descriptor.release(), isStream: isStream)
    }

    deinit { if number >= 0 { _ = Glibc.close(number) } }

    public var isOpen: Bool { number >= 0 }

    /// Stops watching and closes. Harmless when done already.
    public func close() {
        guard number >= 0 else { return }
        LoopActor.loop.forget(self)
        _ = Glibc.close(number)
        number = -1
        observer = nil
    }

    /// Stops watching and gives the descriptor back unclosed.
    public func release() -> CInt {
        let released = number
        LoopActor.loop.forget(self)
        number = -1
        observer = nil
        return released
    }
}
