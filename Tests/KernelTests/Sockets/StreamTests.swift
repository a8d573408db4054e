import Glibc
import TestSupport
import Testing

@testable import Kernel

@Suite(.ownWorkspace) struct StreamTests {
    @Test(arguments: [PollingMethod.epoll, .poll])
    func `a full socket takes a part, then nothing, and is writable again when it was read`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let pair = try WatchedPair(Recorder())
            try runLoop { pair.near.isWritable }
            let chunk = [UInt8](repeating: 0x61, count: 100_000)
            let sent = pair.near.sayUntilFull(chunk)
            #expect(sent > 0)
            #expect(!pair.near.isWritable)
            #expect(pair.near.send(chunk.span) == .wouldBlock)
            #expect(pair.far.hear().bytes.count == sent)
            try runLoop { pair.near.isWritable }
            pair.close()
        }
    }

    @Test(arguments: [PollingMethod.epoll, .poll])
    func `a stream that has always taken what it was given reports only what comes`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let ends = try Channel.makePair()
            let near = AcceptedConnection(descriptor: FileDescriptor(owning: ends.0), peer: .unix("")).source()
            let far = EventSource(owning: ends.1, isStream: true)
            let recorder = Recorder()
            try LoopActor.loop.watch(near, recorder)
            try takeTurn()
            #expect(near.isWritable && recorder.count == 0)
            let sent = near.sayUntilFull([UInt8](repeating: 0x61, count: 100_000))
            try takeTurn()
            #expect(!near.isWritable)
            #expect(far.hear().bytes.count == sent)
            try runLoop { near.isWritable }
            near.close()
            far.close()
        }
    }

    @Test(arguments: [PollingMethod.epoll, .poll], [9, 10, 11])
    func `a stream is reported when as much has come as was asked for, or its end`(_ method: PollingMethod, _ count: Int) throws {
        try onLoop(method) {
            let pair = try WatchedPair(Recorder(), overTCP: true)
            defer { pair.close() }
            pair.near.reportReadable(from: 10)
            pair.far.say(String(repeating: "x", count: count))
            try takeTurn()
            #expect(pair.near.isReadable == (count >= 10))
            pair.far.endSending()
            try runLoop { pair.near.isReadable && pair.near.hasHungUp }
            #expect(pair.near.hear() == (Array(repeating: UInt8(ascii: "x"), count: count), true))
        }
    }

    @Test func `a stream that need not gather any more is read at once`() throws {
        try onLoop {
            let pair = try WatchedPair(Recorder(), overTCP: true)
            defer { pair.close() }
            pair.near.reportReadable(from: 10)
            pair.far.say("waiting")
            try takeTurn()
            #expect(!pair.near.isReadable)
            pair.near.reportReadable(from: 1)
            #expect(pair.near.isReadable && pair.near.hear().bytes == Array("waiting".utf8))
            pair.far.say("!")
            try runLoop { pair.near.isReadable }
        }
    }

    @Test(arguments: [PollingMethod.epoll])
    func `who waits for the other side's first words hears with them that there is a connection`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let listener = try ListeningSocket.bind(.ipv4(0x7F00_0001, port: 0))
            let door = EventSource(try FileDescriptor.duplicate(of: listener.descriptor.number), isStream: false)
            let source = try EventSource.connect(to: try #require(door.localAddress), peerSpeaksFirst: true)
            let recorder = Recorder()
            try LoopActor.loop.watch(source, recorder)
            guard let accepted = try door.accept() else { throw KernelError("accept4()", EAGAIN) }
            let peer = accepted.source()
            try takeTurn()
            #expect(!source.isWritable && recorder.count == 0)
            peer.say("hello")
            try runLoop { source.isReadable }
            #expect(source.isWritable && source.connectFault() == nil)
            for end in [source, peer, door] { end.close() }
        }
    }

    @Test(arguments: [PollingMethod.epoll, .poll])
    func `who waits for the other side's first words hears that there is no connection`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let source = try EventSource.connect(to: try closedAddress(), peerSpeaksFirst: true)
            try LoopActor.loop.watch(source, Recorder())
            try runLoop { source.isWritable }
            #expect(source.connectFault() == KernelError("connect()", ECONNREFUSED))
            source.close()
        }
    }

    /// Where a socket has just been bound and does not listen.
    private func closedAddress() throws -> SocketAddress {
        let socket = try ListeningSocket.bind(.ipv4(0x7F00_0001, port: 0), listens: false)
        return try #require(SocketAddress.ask { getsockname(socket.descriptor.number, $0, $1) })
    }

    @Test func `nobody reads at the other end: closed, and no signal`() throws {
        try onLoop {
            let pair = try WatchedPair(Recorder())
            pair.far.close()
            try runLoop { pair.near.hasHungUp }
            #expect(pair.near.say("x") == .closed)
            #expect(pair.near.hear() == ([], true))
            pair.close()
        }
    }

    /// Gives a pair at whose near end a text has come.
    private func hearing(_ text: String, _ body: @LoopActor (WatchedPair, SharedBuffer) throws -> Void) throws {
        try onLoop {
            let pair = try WatchedPair(Recorder())
            pair.far.say(text)
            try runLoop { pair.near.isReadable }
            try body(pair, SharedBuffer())
            pair.close()
        }
    }

    @Test func `a short read means drained, unless the other side has ended`() throws {
        try hearing("ab") { (pair, buffer) in
            #expect(buffer.fill(from: pair.near) == .moved(2))
            #expect(!pair.near.isReadable)
            pair.far.say("cd")
            pair.far.endSending()
            try runLoop { pair.near.isReadable && pair.near.hasHungUp }
            #expect(buffer.fill(from: pair.near) == .moved(2))
            #expect(pair.near.isReadable)
            // The end is known by now, and nobody asks the kernel for it.
            #expect(pair.near.isDrained)
            #expect(buffer.fill(from: pair.near) == .closed)
            #expect(pair.near.say("still open this way") == .moved(19))
        }
    }

    @Test func `a read that fills the buffer leaves the rest to be read`() throws {
        try hearing("abcd") { (pair, buffer) in
            #expect(buffer.fill(from: pair.near, atMost: 2) == .moved(2))
            #expect(pair.near.isReadable)
        }
    }

    @Test func `what is only looked at is still there to be read`() throws {
        try hearing("abcd") { (pair, buffer) in
            #expect(buffer.peek(at: pair.near, atMost: 3) == .moved(3))
            #expect(pair.near.isReadable)
            #expect(buffer.fill(from: pair.near) == .moved(4))
            pair.near.isReadable = true
            #expect(buffer.peek(at: pair.near, atMost: 3) == .wouldBlock)
            #expect(!pair.near.isReadable)
            pair.far.endSending()
            try runLoop { pair.near.isReadable }
            #expect(buffer.peek(at: pair.near, atMost: 3) == .closed)
        }
    }

    @Test func `a connection that was reset says so`() throws {
        try onLoop {
            let pair = try WatchedPair(Recorder())
            pair.near.say("never read")
            pair.far.close()
            try runLoop { pair.near.hasHungUp }
            #expect(SharedBuffer().fill(from: pair.near) == .failed(KernelError("recv()", ECONNRESET)))
            pair.close()
        }
    }

    @Test func `a path where nobody listens is refused at once`() throws {
        let path = try Workspace.here().file("none")
        try onLoop {
            #expect(throws: KernelError("connect()", ENOENT)) { try EventSource.connect(to: .unix(path)) }
        }
    }
}
