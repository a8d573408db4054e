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
