import Testing

@testable import Kernel
@testable import Processes

@Suite struct WorkerTests {
    @Test(arguments: [
        (Signal.hangUp, 4711, "signal 1 (SIGHUP) received from 4711"), (.childExited, 7, "signal 17 (SIGCHLD) received from 7"),
        (.terminate, 0, "signal 15 (SIGTERM) received"),
    ] as [(Signal, Int32, String)])
    func `a signal is told with its sender, unless that is the kernel`(_ signal: Signal, _ sender: Int32, _ text: String) {
        #expect(ReceivedSignal(signal: signal, sender: sender, isFromProcess: true).description == text)
    }
}
