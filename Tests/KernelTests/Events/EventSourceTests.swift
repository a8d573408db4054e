import Glibc
import TestSupport
import Testing

@testable import Kernel

@Suite struct EventSourceTests {
    @Test(arguments: [PollingMethod.epoll, .poll])
    func `a closed source hears no more, and may be closed again`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let recorder = Recorder()
            let pair = try WatchedPair(recorder)
            try runLoop { recorder.count > 0 }
            let count = recorder.count
            pair.near.close()
            pair.near.close()
            #expect(!pair.near.isOpen && pair.near.observer == nil)
            try takeTurn()
            #expect(recorder.count == count)
            #expect(pair.far.awaitMessage() == nil)
            pair.close()
        }
    }

    @Test(arguments: [PollingMethod.epoll, .poll])
    func `a released source stays open and is watched no more`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let recorder = Recorder()
            let ends = try Channel.makePair()
            let (near, far) = (EventSource(owning: ends.0, isStream: false), EventSource(owning: ends.1, isStream: false))
            try LoopActor.loop.watch(near, recorder)
            let again = EventSource(owning: near.release(), isStream: false)
            #expect(!near.isOpen)
            #expect(far.send(message: 3))
            try takeTurn()
            #expect(recorder.count == 0)
            #expect(again.awaitMessage() == 3)
        }
    }

    @Test(arguments: [PollingMethod.epoll, .poll])
    func `watching can be stopped for a while`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let recorder = Recorder()
            let ends = try Channel.makePair()
            let (near, far) = (EventSource(owning: ends.0, isStream: false), EventSource(owning: ends.1, isStream: false))
            try LoopActor.loop.watch(near, recorder)
            LoopActor.loop.unwatch(near)
            #expect(far.send(message: 3))
            try takeTurn()
            #expect(recorder.count == 0)
            try LoopActor.loop.watch(near, recorder)
            try runLoop { recorder.count > 0 }
            near.close()
        }
    }
}
