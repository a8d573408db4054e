/// A moment at which something happens, unless it is stopped before.
@LoopActor package final class LoopTimer {
    /// Called once, in the loop's turn, when the moment has come.
    package var action: (@LoopActor () -> Void)?
    /// On the loop's clock, in nanoseconds.
    fileprivate(set) var deadline = 0
    fileprivate var index = -1

    package init(_ action: (@LoopActor () -> Void)? = nil) { self.action = action }

    package var isRunning: Bool { index >= 0 }

    /// Starts the timer, anew where it runs.
    package func start(after duration: Duration) {
        stop()
        deadline = LoopActor.loop.nanoseconds + duration.inNanoseconds
        LoopActor.loop.timers.insert(self)
    }

    package func stop() {
        if index >= 0 { LoopActor.loop.timers.remove(self) }
    }
}

extension Duration {
    /// In seconds: whatever is longer will not be lived to see.
    private static let longest: Int64 = 1 << 32

    var inNanoseconds: Int {
        let (seconds, attoseconds) = components
        return Int(min(seconds, Self.longest)) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
    }
}

/// Timers by deadline, in a binary heap: starting and stopping one costs the logarithm of their number.
@LoopActor struct TimerHeap {
    private var heap: [LoopTimer] = []

    var isEmpty: Bool { heap.isEmpty }
    var nextDeadline: Int? { heap.first?.deadline }

    mutating func insert(_ timer: LoopTimer) {
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
        guard let first = heap.first, first.deadline <= now else { return nil }
        remove(first)
        return first
    }

    mutating func removeAll() {
        for timer in heap { timer.index = -1 }
        heap = []
    }

    private mutating func rise(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard heap[index].deadline < heap[parent].deadline else { return }
            exchange(index, parent)
            index = parent
        }
    }

    private mutating func sink(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < heap.count && heap[child].deadline < heap[least].deadline {
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
