/// A moment at which something happens, unless it is stopped before.
@LoopActor public final class LoopTimer {
    /// Called once, in the loop's turn, when the moment has come.
    public var action: (@LoopActor () -> Void)?
    /// On the loop's clock, in nanoseconds.
    fileprivate(set) var deadline = 0
    /// The place in the heap, and the moment that it has this place for: a timer that is put off stays where it is
    /// until then. Most are put off or stopped, and few expire.
    fileprivate var index = -1
    fileprivate var turn = 0

    public init(_ action: (@LoopActor () -> Void)? = nil) { self.action = action }

    public var isRunning: Bool { index >= 0 }

    /// Starts the timer, anew where it runs.
    public func start(after duration: Duration) {
        deadline = LoopActor.loop.nanoseconds + duration.inNanoseconds
        if isRunning && deadline >= turn { return }
        stop()
        LoopActor.loop.timers.insert(self)
    }

    public func stop() {
        if index >= 0 { LoopActor.loop.timers.remove(self) }
    }

    /// Stops the timer for good, and lets go of whatever its action holds.
    public func end() {
        stop()
        action = nil
    }
}

extension Duration {
    /// 2³² seconds: whatever is longer will not be lived to see.
    private static var longest: UInt128 { 4_294_967_296_000_000_000_000_000_000 }

    var inNanoseconds: Int {
        // One division of the processor's, where `components` takes several of 128 bits each.
        let magnitude = min(attoseconds.magnitude, Self.longest)
        let (quotient, _) = UInt64(1_000_000_000).dividingFullWidth(
            (high: UInt64(truncatingIfNeeded: magnitude >> 64), low: UInt64(truncatingIfNeeded: magnitude)))
        return attoseconds < 0 ? -Int(quotient) : Int(quotient)
    }
}

/// Timers by the moment to look at them, in a binary heap: starting and stopping one costs the logarithm of their number.
@LoopActor struct TimerHeap {
    private var heap: [LoopTimer] = []

    var isEmpty: Bool { heap.isEmpty }
    /// When to look here again; nothing expires before.
    var nextTurn: Int? { heap.first?.turn }

    mutating func insert(_ timer: LoopTimer) {
        timer.turn = timer.deadline
        timer.index = heap.count
        heap.append(timer)
        rise(timer.index)
    }

    mutating func remove(_ timer: LoopTimer) {
        let index = timer.index
        timer.index = -1
        let last = heap.removeLast()
        guard last !== timer else { return }
        heap[index] = last
        last.index = index
        rise(index)
        sink(last.index)
    }

    /// Takes out the first timer whose moment is not after `now`.
    mutating func popExpired(at now: Int) -> LoopTimer? {
        while let first = heap.first, first.turn <= now {
            if first.turn == first.deadline {
                remove(first)
                return first
            }
            first.turn = first.deadline
            sink(0)
        }
        return nil
    }

    mutating func removeAll() {
        for timer in heap { timer.index = -1 }
        heap = []
    }

    private mutating func rise(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard heap[index].turn < heap[parent].turn else { return }
            exchange(index, parent)
            index = parent
        }
    }

    private mutating func sink(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < heap.count && heap[child].turn < heap[least].turn {
                least = child
            }
            if least == index { return }
            exchange(index, least)
            index = least
        }
    }

    private mutating func exchange(_ left: Int, _ right: Int) {
        heap.swapAt(left, right)
        heap[left].index = left
        heap[right].index = right
    }
}
