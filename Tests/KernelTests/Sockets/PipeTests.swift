import CKernel
import Glibc
import TestSupport
import Testing

@testable import Kernel

@Suite struct PipeTests {
    /// Two pairs of sockets, and a pipe for what goes from the one's near end to the other's.
    @LoopActor private struct Course {
        let pipe: Pipe
        let from, to: WatchedPair

        init() throws {
            (pipe, from, to) = (try Pipe(), try WatchedPair(Recorder()), try WatchedPair(Recorder()))
            let (source, target) = (from.near, to.near)
            try runLoop { source.isWritable && target.isWritable }
        }

        func close() {
            from.close()
            to.close()
        }
    }

    @Test func `bytes go through as they are`() throws {
        try onLoop {
            let course = try Course()
            defer { course.close() }
            course.from.far.say("hello")
            try runLoop { course.from.near.isReadable }
            #expect(course.pipe.fill(from: course.from.near) == .moved(5))
            #expect(course.pipe.count == 5)
            #expect(course.pipe.drain(into: course.to.near) == .moved(5))
            #expect(course.pipe.count == 0)
            #expect(course.to.far.hear().bytes == Array("hello".utf8))
        }
    }

    @Test func `what is of no kind for it does not fill it`() throws {
        try onLoop {
            let source = EventSource(owning: epoll_create1(0), isStream: true)
            let pipe = try Pipe()
            #expect(pipe.fill(from: source) == nil && pipe.count == 0)
            source.close()
        }
    }

    @Test func `with nothing to read it would block, and the flag says so`() throws {
        try onLoop {
            let course = try Course()
            defer { course.close() }
            course.from.near.isReadable = true
            #expect(course.pipe.fill(from: course.from.near) == .wouldBlock)
            #expect(!course.from.near.isReadable && course.pipe.count == 0)
        }
    }

    @Test func `who takes no more makes it wait, with what is in it`() throws {
        try onLoop {
            let course = try Course()
            defer { course.close() }
            let sent = course.to.near.sayUntilFull([UInt8](repeating: 0x61, count: 50_000))
            course.to.near.isWritable = true
            course.from.far.say("behind")
            try runLoop { course.from.near.isReadable }
            #expect(course.pipe.fill(from: course.from.near) == .moved(6))
            #expect(course.pipe.drain(into: course.to.near) == .wouldBlock)
            #expect(!course.to.near.isWritable && course.pipe.count == 6)
            #expect(course.to.far.hear().bytes.count == sent)
            try runLoop { course.to.near.isWritable }
            #expect(course.pipe.drain(into: course.to.near) == .moved(6))
            #expect(course.to.far.hear().bytes == Array("behind".utf8))
        }
    }

    @Test(arguments: [PollingMethod.epoll, .poll])
    func `who has always taken what was sent is watched once it takes no more`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let course = try Course()
            let ends = try Channel.makePair()
            let near = AcceptedConnection(descriptor: FileDescriptor(owning: ends.0), peer: .unix("")).source()
            let far = EventSource(owning: ends.1, isStream: true)
            defer {
                course.close()
                near.close()
                far.close()
            }
            try LoopActor.loop.watch(near, Recorder())
            try takeTurn()
            while near.isWritable {
                if course.pipe.count == 0 {
                    _ = course.from.far.sayUntilFull([UInt8](repeating: 0x61, count: 50_000))
                    #expect(course.pipe.fill(from: course.from.near) != .wouldBlock)
                }
                _ = course.pipe.drain(into: near)
            }
            #expect(course.pipe.count > 0)
            try takeTurn()
            #expect(!near.isWritable)
            _ = far.hear()
            try runLoop { near.isWritable }
        }
    }

    @Test func `an end is an end, and comes behind what was sent before it`() throws {
        try onLoop {
            let course = try Course()
            defer { course.close() }
            course.from.far.say("last")
            course.from.far.endSending()
            try runLoop { course.from.near.hasHungUp }
            #expect(course.pipe.fill(from: course.from.near) == .moved(4))
            #expect(course.pipe.drain(into: course.to.near) == .moved(4))
            #expect(course.pipe.fill(from: course.from.near) == .closed)
        }
    }

    @Test func `a stream that breaks is spoken of as where bytes are copied`() throws {
        try onLoop {
            let course = try Course()
            defer { course.close() }
            // To close with something unread is to break the connection.
            course.from.near.say("unread")
            course.from.far.close()
            try runLoop { course.from.near.hasHungUp }
            #expect(course.pipe.fill(from: course.from.near) == .failed(KernelError("recv()", ECONNRESET)))
        }
    }

    @Test func `nobody reads at the other end: closed`() throws {
        try onLoop {
            // As all our processes do: splice() has no flag to leave the signal out.
            let before = Glibc.signal(SIGPIPE, SIG_IGN)
            defer { _ = Glibc.signal(SIGPIPE, before) }
            let course = try Course()
            defer { course.close() }
            course.from.far.say("unheard")
            try runLoop { course.from.near.isReadable }
            #expect(course.pipe.fill(from: course.from.near) == .moved(7))
            course.to.far.close()
            try runLoop { course.to.near.hasHungUp }
            #expect(course.pipe.drain(into: course.to.near) == .closed)
        }
    }
}
