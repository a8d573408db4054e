import Foundation
import Glibc
import TestSupport
import Testing

@testable import Kernel

@Suite struct SignalTests {
    private static let table: [(Signal, Int32, String)] = [
        (.hangUp, 1, "SIGHUP"), (.interrupt, 2, "SIGINT"), (.quit, 3, "SIGQUIT"), (.kill, 9, "SIGKILL"), (.user1, 10, "SIGUSR1"),
        (.user2, 12, "SIGUSR2"), (.alarm, 14, "SIGALRM"), (.terminate, 15, "SIGTERM"), (.childExited, 17, "SIGCHLD"),
        (.windowChanged, 28, "SIGWINCH"), (.ioPossible, 29, "SIGIO"),
    ]

    @Test(arguments: table)
    func `a signal has Linux's number and name`(_ signal: Signal, _ number: Int32, _ name: String) {
        #expect(signal.number == number)
        #expect(signal.name == name)
    }

    @Test func `every signal is in the table`() {
        #expect(Set(Self.table.map(\.0)) == Set(Signal.allCases))
    }

    @Test func `a signal to nobody is refused with nginx's words`() {
        #expect(throws: KernelError("kill(2147483647, 15)", ESRCH)) { try Signal.terminate.send(to: .max) }
    }

    @Test func `signals are read in the loop, with their sender`() throws {
        // On a thread of its own, whose mask goes with it, and with signals for that thread alone.
        let outcome = Outcome<[String]>()
        onNewThread {
            outcome.settle(Result { try Self.hearOwnSignals([SIGUSR2, SIGHUP]) })
        }
        #expect(try outcome.value().sorted() == ["SIGHUP true", "SIGUSR2 true"])
    }

    /// Sends this thread signals, and tells which came, and whether from this process.
    private static func hearOwnSignals(_ numbers: [CInt]) throws -> [String] {
        try onLoop {
            let before = Glibc.signal(SIGPIPE, SIG_DFL)
            defer { _ = Glibc.signal(SIGPIPE, before) }
            var heard: [String] = []
            let reader = try SignalReader()
            #expect(reader.next() == nil)
            let recorder = Recorder()
            recorder.action = { _ in
                while let received = reader.next() { heard.append("\(received.signal.name) \(received.sender == getpid())") }
            }
            try LoopActor.loop.watch(reader.source, recorder)
            for number in numbers { pthread_kill(pthread_self(), number) }
            try runLoop { heard.count == numbers.count }
            reader.source.close()
            return heard
        }
    }
}

/// What a thread has come to.
private final class Outcome<Value: Sendable>: @unchecked Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    private var result: Result<Value, any Error>?

    func settle(_ result: Result<Value, any Error>) {
        self.result = result
        semaphore.signal()
    }

    func value() throws -> Value {
        semaphore.wait()
        return try #require(result).get()
    }
}
