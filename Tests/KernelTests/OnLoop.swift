import Foundation
@testable import Kernel

/// The loop is one for a process, and tests run side by side: they take turns.
private let turn = NSLock()

/// Runs a test on the loop, with nothing watched and no timer running.
func onLoop(_ method: PollingMethod = .epoll, _ body: @LoopActor () throws -> Void) throws {
    turn.lock()
    defer { turn.unlock() }
    let result = LoopActor.assumeIsolated { () -> Result<Void, any Error> in
        Result {
            try LoopActor.loop.begin(using: method)
            try body()
        }
    }
    _ = try result.get()
}


/// Notes what it is told.
@LoopActor final class Recorder: EventObserver {
    private(set) var count = 0
    var action: (@LoopActor (EventSource) -> Void)?

    func becameReady(_ source: EventSource) {
        count += 1
        action?(source)
    }
}
