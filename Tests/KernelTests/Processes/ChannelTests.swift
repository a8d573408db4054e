import Glibc
import TestSupport
import Testing

@testable import Kernel

@Suite struct ChannelTests {
    @LoopActor private func pair() throws -> (EventSource, EventSource) {
        let ends = try Channel.makePair()
        return (EventSource(owning: ends.0, isStream: false), EventSource(owning: ends.1, isStream: false))
    }

    @Test func `messages arrive in order, both ways, and none is none`() throws {
        try onLoop {
            let (one, other) = try pair()
            #expect(one.send(message: 1) && one.send(message: 2) && other.send(message: 3))
            #expect(other.receiveMessage() == (1, false))
            #expect(other.receiveMessage() == (2, false))
            #expect(other.receiveMessage() == (nil, false))
            #expect(one.awaitMessage() == 3)
        }
    }

    @Test func `the end of a process is heard after its last message`() throws {
        try onLoop {
            let (one, other) = try pair()
            #expect(one.send(message: 1))
            one.close()
            #expect(other.awaitMessage() == 1)
            #expect(other.awaitMessage() == nil)
            #expect(!other.send(message: 1))
        }
    }

    @Test func `a descriptor comes along, as one of the receiver's own`() throws {
        try onLoop {
            let (one, other) = try pair()
            let (near, far) = try pair()
            let isSent = one.send(message: 1, passing: FileDescriptor(owning: near.release()))
            #expect(isSent && one.send(message: 2))
            let (message, passed, isClosed) = other.receive()
            #expect(message == 1 && !isClosed)
            let received = try #require(passed)
            #expect(fcntl(received.number, F_GETFD) == FD_CLOEXEC)
            #expect(far.send(message: 3))
            #expect(received.receiveMessage() == (3, false))
            let next = other.receive()
            #expect(next.message == 2 && next.passed == nil)
            // Who expects none keeps none.
            _ = one.send(message: 4, passing: FileDescriptor(owning: received.release()))
            #expect(other.receiveMessage() == (4, false))
            #expect(far.receiveMessage() == (nil, true))
        }
    }

    @Test func `a full channel refuses a message`() throws {
        try onLoop {
            let (one, other) = try pair()
            var count = 0
            while one.send(message: 1) { count += 1 }
            #expect(count > 1)
            #expect(other.receiveMessage() == (1, false))
        }
    }
}
