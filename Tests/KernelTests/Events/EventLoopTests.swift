import Glibc
import TestSupport
import Testing

@testable import Kernel

@Suite struct EventLoopTests {
    @Test(arguments: [PollingMethod.epoll, .poll])
    func `a message wakes whoever watches the other end, and a closed end is told`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let ends = try Channel.makePair()
            let (near, far) = (EventSource(owning: ends.0, isStream: false), EventSource(owning: ends.1, isStream: false))
            let recorder = Recorder()
            var heard: [UInt8] = []
            var isClosed = false
            recorder.action = { source in
                let (message, closed) = source.receiveMessage()
                if let message { heard.append(message) }
                isClosed = closed
            }
            try LoopActor.loop.watch(far, recorder)
            #expect(near.send(message: 7))
            try runLoop { !heard.isEmpty }
            near.close()
            try runLoop { isClosed }
            #expect(heard == [7])
            far.close()
        }
    }

    @Test(arguments: [PollingMethod.epoll, .poll])
    func `a stream reports what comes, and its end even with the last bytes`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let listener = try ListeningSocket.bind(try #require(SocketAddress(literal: "127.0.0.1", port: 0)))
            let door = EventSource(owning: try FileDescriptor.duplicate(of: listener.descriptor.number).release(), isStream: false)
            let address = try #require(door.localAddress)
            let client = try EventSource.connect(to: address)
            let (atDoor, atClient, atServer) = (Recorder(), Recorder(), Recorder())
            try LoopActor.loop.watch(door, atDoor)
            try LoopActor.loop.watch(client, atClient)
            try runLoop { atDoor.count > 0 && client.isWritable }
            #expect(client.connectFault() == nil)
            guard let accepted = try door.accept() else { throw KernelError("accept4()", EAGAIN) }
            #expect(accepted.peer == client.localAddress)
            let server = accepted.source()
            try LoopActor.loop.watch(server, atServer)
            #expect(client.send([1, 2, 3].span) == .moved(3))
            client.endSending()
            let buffer = SharedBuffer()
            var received: [UInt8] = []
            var hasEnded = false
            while !hasEnded {
                try runLoop { server.isReadable }
                switch buffer.fill(from: server) {
                case .moved(let count): buffer.withBytes(count) { bytes in for index in bytes.indices { received.append(bytes[index]) } }
                case .closed: hasEnded = true
                case .wouldBlock: break
                case .failed(let error): throw error
                }
            }
            #expect(received == [1, 2, 3])
            for source in [door, client, server] { source.close() }
        }
    }

    @Test(arguments: [PollingMethod.epoll, .poll])
    func `a source closed by an earlier event of the same turn hears nothing`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let (first, second) = (try Channel.makePair(), try Channel.makePair())
            let sources = [first.1, second.1].map { EventSource(owning: $0, isStream: false) }
            let writers = [first.0, second.0].map { EventSource(owning: $0, isStream: false) }
            let recorders = [Recorder(), Recorder()]
            for (source, recorder) in zip(sources, recorders) {
                recorder.action = { _ in sources.forEach { $0.close() } }
                try LoopActor.loop.watch(source, recorder)
            }
            for writer in writers { #expect(writer.send(message: 1)) }
            try runLoop { recorders.contains { $0.count > 0 } }
            #expect(recorders.map(\.count).reduce(0, +) == 1)
            writers.forEach { $0.close() }
        }
    }

    @Test func `a connection to nobody is refused, with the reason`() throws {
        try onLoop {
            let listener = try ListeningSocket.bind(try #require(SocketAddress(literal: "127.0.0.1", port: 0)), listens: false)
            let probe = EventSource(owning: try FileDescriptor.duplicate(of: listener.descriptor.number).release(), isStream: false)
            let address = try #require(probe.localAddress)
            probe.close()
            do throws(KernelError) {
                let client = try EventSource.connect(to: address)
                try LoopActor.loop.watch(client, Recorder())
                try LoopActor.loop.run { client.isWritable }
                #expect(client.connectFault()?.reason == "111: Connection refused")
                client.close()
            } catch {
                #expect(error.reason == "111: Connection refused")
            }
        }
    }

    @Test func `who goes on because of a timer knows what has come by then`() throws {
        try onLoop {
            let pair = try WatchedPair(Recorder())
            defer { pair.close() }
            try runLoop { pair.near.isWritable }
            let waiter = Waiter()
            let timer = LoopTimer { waiter.wake() }
            var hasCome: Bool?
            Task { @LoopActor in
                await waiter.sleep()
                hasCome = pair.near.isReadable
            }
            timer.start(after: .zero)
            pair.far.say("word")
            try runLoop { hasCome != nil }
            #expect(hasCome == true)
        }
    }

    @Test func `work put off is done once, at the end of a turn`() throws {
        try onLoop {
            var count = 0
            LoopActor.loop.atEndOfTurn {
                count += 1
                LoopActor.loop.atEndOfTurn { count += 10 }
            }
            try runLoop { count == 1 }
            #expect(count == 1)
            try runLoop { count == 11 }
        }
    }

    @Test func `what is to be done before each wait is done in each turn, and forgotten by a new start`() throws {
        try onLoop {
            var count = 0
            LoopActor.loop.beforeWaiting = { count += 1 }
            for _ in 0..<3 { try takeTurn() }
            #expect(count == 3)
            try LoopActor.loop.begin(using: .poll)
            try takeTurn()
            #expect(count == 3)
        }
    }
}
