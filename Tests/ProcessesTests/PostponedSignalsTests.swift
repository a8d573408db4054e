import Kernel
import Testing

@testable import Processes

@Suite struct PostponedSignalsTests {
    @Test(arguments: [
        ([], []), ([.hangUp], [.hangUp]), ([.hangUp, .hangUp], [.hangUp]),
        // Workers are there in the end,
        ([.hangUp, .windowChanged, .hangUp], [.windowChanged, .hangUp]),
        // or are not.
        ([.windowChanged, .hangUp, .windowChanged], [.hangUp, .windowChanged]),
        ([.user2, .hangUp, .user2, .windowChanged], [.hangUp, .user2, .windowChanged]),
    ] as [([Signal], [Signal])])
    func `signals that wait keep their order, and the last of each counts`(_ received: [Signal], _ obeyed: [Signal]) {
        var postponed = PostponedSignals()
        for signal in received { postponed.add(ReceivedSignal(signal: signal, sender: 1, isFromProcess: true)) }
        #expect(postponed.takeAll().map(\.signal) == obeyed)
        #expect(postponed.takeAll().isEmpty)
    }
}
