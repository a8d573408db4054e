import Kernel

/// Signals that wait until a start or a reload has shown whether it can serve. Of each signal the last one
/// counts, behind what came before it, so all ends as if each had been obeyed in its turn.
struct PostponedSignals {
    private var signals: [ReceivedSignal] = []

    var isEmpty: Bool { signals.isEmpty }

    mutating func add(_ received: ReceivedSignal) {
        signals.removeAll { $0.signal == received.signal }
        signals.append(received)
    }

    /// Takes out all that wait, in their order.
    mutating func takeAll() -> [ReceivedSignal] {
        defer { signals = [] }
        return signals
    }
}
