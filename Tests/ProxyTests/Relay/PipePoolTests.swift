import Kernel
import TestSupport
import Testing

@testable import Proxy

@Suite struct PipePoolTests {
    @Test func `one given back is lent again, and none beyond the limit is made`() throws {
        try onLoop {
            var pool = PipePool()
            var lent: [Pipe] = []
            while let (pipe, isNew) = pool.take(mayGrow: true) {
                #expect(isNew)
                lent.append(pipe)
            }
            #expect(lent.count == PipePool.limit && pool.idleDescriptorCount == 0)
            let pipe = try #require(lent.last)
            let isKept = pool.giveBack(pipe)
            #expect(isKept && pool.idleDescriptorCount == Pipe.descriptorCount)
            let again = pool.take(mayGrow: false)
            #expect(again?.pipe === pipe && again?.isNew == false)
            let none = pool.take(mayGrow: false)
            #expect(none == nil)
        }
    }

    @Test func `one with something in it is not lent again, and leaves room for another`() throws {
        try onLoop {
            var pool = PipePool()
            var lent: [Pipe] = []
            while let (pipe, _) = pool.take(mayGrow: true) { lent.append(pipe) }
            let pair = try WatchedPair(Recorder())
            defer { pair.close() }
            pair.far.say("left over")
            try runLoop { pair.near.isReadable }
            let pipe = try #require(lent.first)
            #expect(pipe.fill(from: pair.near) == .moved(9))
            let isKept = pool.giveBack(pipe)
            let other = pool.take(mayGrow: true)
            #expect(!isKept && other?.pipe !== pipe && other?.isNew == true)
        }
    }

    @Test func `an idle one can be closed, and a lent one cannot`() throws {
        try onLoop {
            var pool = PipePool()
            let lent = pool.take(mayGrow: true)
            let before = pool.closeIdle()
            let isKept = pool.giveBack(try #require(lent).pipe)
            let closings = [pool.closeIdle(), pool.closeIdle()]
            #expect(!before && isKept && closings == [true, false])
        }
    }

    @Test func `a worker that is nearly full makes none`() throws {
        try onLoop {
            let worker = try WorkerServices.withRoom(for: 32)
            for _ in 0..<29 { #expect(worker.takeConnection()) }
            #expect(worker.takePipe() == nil)
            worker.giveBackConnection()
            let pipe = try #require(worker.takePipe())
            #expect(worker.room == 2)
            worker.giveBack(pipe)
            #expect(worker.room == 2 && worker.takePipe() === pipe)
        }
    }

    @Test func `where the kernel fills none, there is none any more`() throws {
        try onLoop {
            let worker = try WorkerServices.withRoom(for: 32)
            let pipes = (try #require(worker.takePipe()), try #require(worker.takePipe()))
            worker.giveBack(pipes.0)
            worker.giveUpPipes()
            #expect(worker.takePipe() == nil && worker.room == 30)
            // One that is on loan is not kept when it comes back.
            worker.giveBack(pipes.1)
            #expect(worker.takePipe() == nil && worker.room == 32)
        }
    }

    @Test func `an idle one makes nobody nearly full`() throws {
        try onLoop {
            let worker = try WorkerServices.withRoom(for: 32)
            for _ in 0..<27 { #expect(worker.takeConnection()) }
            let pipe = try #require(worker.takePipe())
            #expect(worker.isNearlyFull)
            worker.giveBack(pipe)
            #expect(!worker.isNearlyFull)
        }
    }

    @Test func `the kernel that has refused one is left alone for a while`() throws {
        try onLoop {
            var attempts = 0
            var pool = PipePool { () throws(KernelError) in
                attempts += 1
                throw KernelError("pipe2()", KernelError.timedOut)
            }
            for _ in 0..<3 {
                let none = pool.take(mayGrow: true)
                #expect(none == nil && attempts == 1)
            }
            LoopActor.loop.letPass(PipePool.patience)
            _ = pool.take(mayGrow: true)
            #expect(attempts == 2)
        }
    }
}
