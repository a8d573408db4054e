import Glibc
import TestSupport
import Testing

@testable import Kernel

@Suite struct FileDescriptorTests {
    /// Two ends, the second to be read from.
    @LoopActor private func pair() throws -> (CInt, EventSource) {
        let ends = try Channel.makePair()
        return (ends.0, EventSource(owning: ends.1, isStream: false))
    }

    @Test func `a descriptor is closed when its owner lets go of it`() throws {
        try onLoop {
            let (number, other) = try pair()
            do { _ = FileDescriptor(owning: number) }
            #expect(other.awaitMessage() == nil)
        }
    }

    @Test func `one that is given away stays open`() throws {
        try onLoop {
            let (number, other) = try pair()
            let released = FileDescriptor(owning: number).release()
            #expect(released == number)
            let again = EventSource(owning: released, isStream: false)
            #expect(again.send(message: 7))
            #expect(other.awaitMessage() == 7)
        }
    }

    @Test func `a duplicate outlives the original and is closed by an exec`() throws {
        try onLoop {
            let (number, other) = try pair()
            let original = FileDescriptor(owning: number)
            let duplicate = EventSource(try FileDescriptor.duplicate(of: original.number), isStream: false)
            #expect(fcntl(duplicate.number, F_GETFD) & FD_CLOEXEC != 0)
            _ = consume original
            #expect(duplicate.send(message: 1))
            #expect(other.awaitMessage() == 1)
            duplicate.close()
            #expect(other.awaitMessage() == nil)
        }
    }

    @Test func `a descriptor takes the place of another, which is closed`() throws {
        try onLoop {
            let (first, second) = (try pair(), try pair())
            let descriptor = FileDescriptor(owning: first.0)
            try descriptor.duplicate(onto: second.0)
            #expect(second.1.awaitMessage() == nil)
            let taken = EventSource(owning: second.0, isStream: false)
            _ = consume descriptor
            #expect(taken.send(message: 9))
            #expect(first.1.awaitMessage() == 9)
        }
    }

    @Test func `bytes are written whole, and a failure says which call`() throws {
        try onLoop {
            let (number, other) = try pair()
            let descriptor = FileDescriptor(owning: number)
            writeAll("ab", to: descriptor.number)
            writeAll([99, 100], to: descriptor.number)
            let count = try write([101].span, to: descriptor.number)
            #expect(count == 1)
            #expect(other.hear().bytes == Array("abcde".utf8))
            #expect(throws: KernelError("write()", EBADF)) { try write([1].span, to: -1) }
            _ = consume descriptor
        }
    }
}
