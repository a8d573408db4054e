import Foundation
import Glibc
import Kernel
import TestSupport
import Telemetry
import Testing

@testable import Proxy

@Suite(.ownWorkspace) struct RelayTests {
    /// A relay with both its far ends in the hands of a test.
    @LoopActor private final class Bench {
        let relay: Relay
        let worker: WorkerServices
        let clientPair: WatchedPair
        let upstreamPair: WatchedPair
        private(set) var ends = 0

        var client: EventSource { clientPair.far }
        var upstream: EventSource { upstreamPair.far }

        init(
            toUpstream: String = "", toClient: String = "", inactivityLimit: Duration = .seconds(3600),
            halfCloseLimit: Duration = .seconds(3600), pipes: Int = 0, waveDuration: Duration? = nil, overTCP: Bool = false,
            worker: WorkerServices? = nil
        ) throws {
            let worker = try worker ?? .withRoom(for: 2 + pipes * Pipe.descriptorCount)
            self.worker = worker
            for _ in 0..<2 { #expect(worker.takeConnection()) }
            // Only TCP lets anything gather.
            clientPair = try WatchedPair(Recorder(), overTCP: overTCP || waveDuration != nil)
            upstreamPair = try WatchedPair(Recorder())
            let log = ErrorLog([.init(file: try LogFile.open(Workspace.here().file("relay.log")), level: .info)])
            var first = (ByteQueue(), ByteQueue())
            first.0.append(Array(toUpstream.utf8))
            first.1.append(Array(toClient.utf8))
            let (clientNear, upstreamNear) = (clientPair.near, upstreamPair.near)
            try runLoop { clientNear.isWritable && upstreamNear.isWritable }
            relay = Relay(
                client: Connection(clientNear), upstream: Connection(upstreamNear), toUpstream: first.0, toClient: first.1,
                inactivityLimit: inactivityLimit, halfCloseLimit: halfCloseLimit, waveDuration: waveDuration ?? Relay.waveDuration,
                worker: worker, log: log, context: LogContext(connection: 1, client: "192.0.2.1", server: "0.0.0.0:143"), places: CountedPlaces())
            worker.whenEmpty = { [unowned self] in ends += 1 }
            relay.begin()
        }

        var isOver: Bool { ends > 0 }

        /// What the log says, message and context.
        var records: [String] {
            get throws {
                let text = try Workspace.here().contents("relay.log") ?? ""
                return text.split(separator: "\n").map { line in String(line[(line.range(of: "*1 ")?.upperBound ?? line.startIndex)...]) }
            }
        }

        /// Runs the loop until so much has come.
        func hear(_ source: EventSource, _ byteCount: Int) throws -> [UInt8] {
            var bytes: [UInt8] = []
            try runLoop {
                bytes += source.hear().bytes
                return bytes.count >= byteCount
            }
            return bytes
        }

        /// Runs the loop until an end comes.
        func hearEnd(_ source: EventSource) throws -> [UInt8] {
            var bytes: [UInt8] = []
            // A child that another test is about to start holds a copy of the near end until its exec, so that the
            // end may come when nothing else happens any more.
            if !source.isWatched { try LoopActor.loop.watch(source, Recorder()) }
            try runLoop {
                let (more, isEnd) = source.hear()
                bytes += more
                return isEnd
            }
            return bytes
        }

        /// Runs the loop until so many pieces have gone from here to there, one after the other.
        func pour(_ count: Int, from source: EventSource, to target: EventSource) throws {
            for _ in 0..<count {
                #expect(source.sayOnce(Self.piece) == Self.piece.count)
                #expect(try hear(target, Self.piece.count).count == Self.piece.count)
            }
        }

        /// What goes in one packet, and four of which make a flood.
        static let piece = [UInt8](repeating: 0x78, count: 40_000)

        /// How many bytes wait in the kernel to be read at the near end.
        func waiting(at source: EventSource) -> Int {
            var count: CInt = 0
            _ = ioctl(source.number, UInt(FIONREAD), &count)
            return Int(count)
        }
    }

    private static let context = ", client: 192.0.2.1, server: 0.0.0.0:143"

    @Test func `bytes go both ways, those of the login first`() throws {
        try onLoop {
            let bench = try Bench(toUpstream: "a2 SELECT\r\n", toClient: "a1 OK\r\n")
            bench.client.say("a3 NOOP\r\n")
            bench.upstream.say("* 1 EXISTS\r\n")
            #expect(try bench.hear(bench.upstream, 20) == Array("a2 SELECT\r\na3 NOOP\r\n".utf8))
            #expect(try bench.hear(bench.client, 19) == Array("a1 OK\r\n* 1 EXISTS\r\n".utf8))
            #expect(!bench.worker.isEmpty)
            bench.relay.cutOff()
        }
    }

    @Test func `more than any socket holds arrives whole and in order, each way`() throws {
        try onLoop {
            let bench = try Bench()
            let bytes = (0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
            for (from, to) in [(bench.client, bench.upstream), (bench.upstream, bench.client)] {
                var rest = bytes[...]
                var received: [UInt8] = []
                try runLoop {
                    if case .moved(let count) = from.send(Array(rest.prefix(100_000)).span) { rest = rest.dropFirst(count) }
                    received += to.hear().bytes
                    // Turns go on while there is something to send, whoever else is ready.
                    LoopActor.loop.atEndOfTurn {}
                    return received.count == bytes.count
                }
                #expect(received == bytes)
            }
            bench.relay.cutOff()
        }
    }

    @Test(arguments: [(0, SharedBuffer.byteCount), (1, Pipe.byteCount)])
    func `who does not read stops who sends, and no more than one read is held`(_ pipes: Int, _ limit: Int) throws {
        try onLoop {
            let bench = try Bench(pipes: pipes)
            let chunk = [UInt8](repeating: 0x78, count: 50_000)
            var sent = 0
            var idleTurns = 0
            while idleTurns < 5 && sent < 20_000_000 {
                let more = bench.client.sayUntilFull(chunk)
                sent += more
                idleTurns = more == 0 ? idleTurns + 1 : 0
                try takeTurn()
            }
            // Nothing moves while the loop stands still: what is in neither socket is with the relay.
            let passedOn = bench.upstream.hear().bytes.count
            let held = sent - passedOn - bench.waiting(at: bench.clientPair.near)
            #expect(held > 0 && held <= limit)
            let rest = try bench.hear(bench.upstream, sent - passedOn)
            #expect(rest.count == sent - passedOn)
            bench.relay.cutOff()
        }
    }

    @Test func `a flood goes through a pipe, which makes room for sockets when it has ebbed`() throws {
        try onLoop {
            let bench = try Bench(pipes: 1)
            let bytes = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
            var sent = 0
            var received: [UInt8] = []
            try runLoop {
                while sent < bytes.count, case .moved(let count) = bench.client.send(bytes.span.extracting(sent..<bytes.count)) {
                    sent += count
                }
                received += bench.upstream.hear().bytes
                LoopActor.loop.atEndOfTurn {}
                return received.count == bytes.count
            }
            #expect(received == bytes)
            #expect(bench.worker.room == 0 && bench.worker.hasRoom)
            for _ in 0..<Pipe.descriptorCount { #expect(bench.worker.takeConnection()) }
            #expect(!bench.worker.takeConnection())
            // And without one, it goes on.
            bench.client.say("more")
            #expect(try bench.hear(bench.upstream, 4) == Array("more".utf8))
            bench.relay.cutOff()
        }
    }

    enum Release: CaseIterable { case more, time, end }

    @Test(arguments: Release.allCases)
    func `what a flood brings gathers, until it is much, or has waited, or is the last`(_ release: Release) throws {
        try onLoop {
            let bench = try Bench(inactivityLimit: .seconds(7200), pipes: 1, waveDuration: .seconds(3600))
            try bench.pour(4, from: bench.client, to: bench.upstream)
            bench.client.say("little")
            for _ in 0..<3 { try takeTurn() }
            #expect(bench.upstream.hear().bytes == [])
            var expected = 6
            switch release {
            case .time: LoopActor.loop.letPass(.seconds(3600))
            case .end: bench.client.endSending()
            case .more:
                while expected < Pipe.byteCount {
                    expected += bench.client.sayOnce(Bench.piece)
                    try takeTurn()
                }
            }
            #expect(try bench.hear(bench.upstream, expected).count == expected)
            bench.relay.cutOff()
        }
    }

    @Test func `a row of questions, with an answer to each, is no flood`() throws {
        try onLoop {
            let bench = try Bench(pipes: 1, waveDuration: .seconds(3600))
            for _ in 0..<5 {
                bench.client.say("?")
                #expect(try bench.hear(bench.upstream, 1).count == 1)
                try bench.pour(2, from: bench.upstream, to: bench.client)
            }
            // No pipe has been asked for.
            #expect(bench.worker.room == Pipe.descriptorCount)
            bench.relay.cutOff()
        }
    }

    /// How much a socket may be told to hold.
    private static let socketLimit = (try? String(contentsOfFile: "/proc/sys/net/core/wmem_max", encoding: .utf8))
        .flatMap { Int($0.prefix { $0.isNumber }) } ?? 0

    @Test(.enabled(if: socketLimit >= 2 << 20, "a pipe takes no more than this system's sockets hold"))
    func `a turn moves so many bytes and no more, though a pipe takes many at once`() throws {
        try onLoop {
            let bench = try Bench(pipes: 1)
            for source in [bench.client, bench.upstreamPair.near] {
                var byteCount: CInt = 2 << 20
                #expect(setsockopt(source.number, SOL_SOCKET, SO_SNDBUF, &byteCount, socklen_t(MemoryLayout<CInt>.size)) == 0)
            }
            let near = bench.clientPair.near
            let sent = bench.client.sayUntilFull([UInt8](repeating: 0x78, count: 50_000))
            near.isReadable = true
            bench.relay.becameReady(near)
            let moved = sent - bench.waiting(at: near)
            let limit = Relay.bytesPerTurn
            #expect(sent > 2 * limit && moved >= limit && moved < limit + Pipe.byteCount)
            #expect(try bench.hear(bench.upstream, sent).count == sent)
            bench.relay.cutOff()
        }
    }

    @Test(arguments: [true, false])
    func `a pipe with something in it ends with its relay, or with who would not take it`(_ isCutOff: Bool) throws {
        try onLoop {
            // As all our processes do: splice() has no flag to leave the signal out.
            let before = Glibc.signal(SIGPIPE, SIG_IGN)
            defer { _ = Glibc.signal(SIGPIPE, before) }
            let bench = try Bench(pipes: 1)
            let chunk = [UInt8](repeating: 0x78, count: 50_000)
            var idleTurns = 0
            while idleTurns < 5 {
                idleTurns = bench.client.sayUntilFull(chunk) == 0 ? idleTurns + 1 : 0
                try takeTurn()
            }
            #expect(bench.worker.room == 0 && !bench.worker.hasRoom)
            if isCutOff {
                bench.relay.cutOff()
            } else {
                bench.upstream.close()
                bench.client.close()
                try runLoop { bench.isOver }
            }
            #expect(bench.worker.room == 4)
        }
    }

    @Test(arguments: [true, false])
    func `what one side says still arrives, though it takes nothing any longer`(_ isUpstream: Bool) throws {
        try onLoop {
            let bench = try Bench()
            let (deaf, other) = isUpstream ? (bench.upstream, bench.client) : (bench.client, bench.upstream)
            #expect(shutdown(deaf.number, CInt(SHUT_RD)) == 0)
            other.say("unheard")
            try takeTurn()
            deaf.say("last words")
            #expect(try bench.hear(other, 10) == Array("last words".utf8))
            #expect(!bench.isOver)
            deaf.close()
            try runLoop { bench.isOver }
            #expect(bench.worker.room == 2)
        }
    }

    @Test func `when the client ends its sending, the upstream may go on to its own end`() throws {
        try onLoop {
            let bench = try Bench()
            bench.client.say("last words")
            bench.client.endSending()
            #expect(try bench.hearEnd(bench.upstream) == Array("last words".utf8))
            bench.upstream.say("answer")
            #expect(try bench.hear(bench.client, 6) == Array("answer".utf8))
            #expect(!bench.isOver)
            bench.upstream.say("!")
            bench.upstream.endSending()
            #expect(try bench.hearEnd(bench.client) == Array("!".utf8))
            try runLoop { bench.isOver }
            #expect(try bench.records == ["proxied session done" + Self.context])
        }
    }

    @Test(arguments: ["", "a LOGOUT\r\n"])
    func `when the upstream ends behind a line of the client's, so does the relay`(_ line: String) throws {
        try onLoop {
            let bench = try Bench()
            bench.client.say(line)
            #expect(try bench.hear(bench.upstream, line.utf8.count) == Array(line.utf8))
            bench.upstream.say("bye")
            bench.upstream.endSending()
            #expect(try bench.hearEnd(bench.client) == Array("bye".utf8))
            #expect(bench.isOver && !bench.clientPair.near.isOpen)
            #expect(try bench.records == ["proxied session done" + Self.context])
        }
    }

    @Test func `the last word and the end behind it go to the client in one packet`() throws {
        try onLoop {
            let bench = try Bench(overTCP: true)
            let before = bench.client.segmentsReceived
            bench.upstream.say("bye")
            bench.upstream.endSending()
            #expect(try bench.hearEnd(bench.client) == Array("bye".utf8))
            #expect(bench.isOver && bench.client.segmentsReceived == before + 1)
        }
    }

    @Test func `what the client has said meanwhile is passed on, and its end awaited`() throws {
        try onLoop {
            let bench = try Bench()
            bench.upstream.endSending()
            bench.client.say("too late")
            #expect(try bench.hear(bench.upstream, 8) == Array("too late".utf8))
            #expect(!bench.isOver)
            #expect(try bench.hearEnd(bench.client) == [])
            bench.client.endSending()
            try runLoop { bench.isOver }
        }
    }

    @Test(arguments: [[513], [300, 300], [10_000, 1]])
    func `a client that was just sending much is not cut off by the upstream's end`(_ counts: [Int]) throws {
        try onLoop {
            let bench = try Bench()
            bench.upstream.say("go on")
            #expect(try bench.hear(bench.client, 5).count == 5)
            for count in counts {
                bench.client.say(String(repeating: "x", count: count))
                #expect(try bench.hear(bench.upstream, count).count == count)
            }
            bench.upstream.say("too much")
            bench.upstream.endSending()
            #expect(try bench.hearEnd(bench.client) == Array("too much".utf8))
            #expect(!bench.isOver)
            bench.client.say("more")
            #expect(try bench.hear(bench.upstream, 4) == Array("more".utf8))
            bench.client.endSending()
            try runLoop { bench.isOver }
        }
    }

    @Test func `a client that goes on sending to an upstream that takes nothing hears its last word, and is heard out`() throws {
        try onLoop {
            let bench = try Bench()
            #expect(shutdown(bench.upstream.number, CInt(SHUT_RD)) == 0)
            bench.client.say(String(repeating: "x", count: 513))
            try takeTurn()
            bench.upstream.say("too much")
            bench.upstream.close()
            #expect(try bench.hearEnd(bench.client) == Array("too much".utf8))
            for _ in 0..<3 {
                bench.client.say("more")
                try takeTurn()
            }
            #expect(!bench.isOver && bench.clientPair.near.isOpen)
            bench.client.endSending()
            try runLoop { bench.isOver }
        }
    }

    @Test func `an end comes behind all that was in flight`() throws {
        try onLoop {
            let bench = try Bench()
            var sent = 0
            for _ in 0..<10 {
                sent += bench.client.sayUntilFull([UInt8](repeating: 0x78, count: 50_000))
                try takeTurn()
            }
            bench.client.endSending()
            try takeTurn()
            #expect(try bench.hearEnd(bench.upstream).count == sent)
            bench.relay.cutOff()
        }
    }

    @Test func `who is gone ends the relay, for the other side too`() throws {
        try onLoop {
            let bench = try Bench()
            bench.upstream.say("unread")
            try takeTurn()
            bench.client.close()
            bench.upstream.say("to nobody")
            try runLoop { bench.isOver }
            #expect(try bench.hearEnd(bench.upstream) == [])
            #expect(!bench.clientPair.near.isOpen && !bench.upstreamPair.near.isOpen)
            #expect(
                try bench.records == [
                    "recv() failed (104: Connection reset by peer) while proxying" + Self.context,
                    "proxied session done" + Self.context,
                ])
        }
    }

    @Test func `silence in both directions ends it, counted from the last byte`() throws {
        try onLoop {
            let bench = try Bench(inactivityLimit: .seconds(3600))
            LoopActor.loop.letPass(.seconds(3000))
            bench.client.say("x")
            #expect(try bench.hear(bench.upstream, 1) == Array("x".utf8))
            // The first limit runs out, but the last byte came later.
            LoopActor.loop.letPass(.seconds(3000))
            try takeTurn()
            #expect(!bench.isOver)
            LoopActor.loop.letPass(.seconds(600))
            try takeTurn()
            #expect(bench.isOver && bench.upstream.hear() == ([], true))
            #expect(try bench.records == ["client timed out (110: Connection timed out) while proxying" + Self.context])
        }
    }

    @Test func `half closed, the shorter limit counts`() throws {
        try onLoop {
            let bench = try Bench(inactivityLimit: .seconds(7200), halfCloseLimit: .seconds(3600))
            bench.client.endSending()
            #expect(try bench.hearEnd(bench.upstream) == [])
            #expect(!bench.isOver)
            LoopActor.loop.letPass(.seconds(3600))
            try takeTurn()
            #expect(bench.isOver)
            #expect(try bench.records == ["client timed out (110: Connection timed out) while proxying" + Self.context])
        }
    }

    @Test func `the limit on silence holds half closed too`() throws {
        try onLoop {
            let bench = try Bench(inactivityLimit: .seconds(3600), halfCloseLimit: .seconds(7200))
            bench.client.endSending()
            #expect(try bench.hearEnd(bench.upstream) == [])
            #expect(!bench.isOver)
            LoopActor.loop.letPass(.seconds(3600))
            try takeTurn()
            #expect(bench.isOver)
        }
    }

    @Test func `cut off, it ends once and gives both connections back`() throws {
        try onLoop {
            let bench = try Bench()
            #expect(bench.worker.room == 0)
            bench.worker.cutOffAll()
            bench.relay.cutOff()
            #expect(bench.ends == 1)
            #expect(bench.worker.room == 2)
            #expect(bench.worker.isEmpty)
            #expect(try bench.records == ["shutdown timeout while proxying" + Self.context])
            #expect(try bench.hearEnd(bench.client) == [])
            #expect(try bench.hearEnd(bench.upstream) == [])
        }
    }

    @Test func `many are cut off some at a time, and others have their turn between`() throws {
        try onLoop {
            let count = 3 * WorkerServices.cutOffCount + 1
            let worker = try WorkerServices.withRoom(for: 2 * count)
            let benches = try (0..<count).map { _ in try Bench(worker: worker) }
            var ends = 0
            worker.whenEmpty = { ends += 1 }
            worker.cutOffAll()
            var steps = [worker.room]
            try runLoop {
                if steps.last != worker.room { steps.append(worker.room) }
                return worker.isEmpty
            }
            let step = 2 * WorkerServices.cutOffCount
            #expect(steps == [step, 2 * step, 3 * step, 2 * count])
            #expect(ends == 1)
            withExtendedLifetime(benches) {}
        }
    }

    @Test func `an end frees the relay`() throws {
        try onLoop {
            weak var gone: Relay?
            do {
                let bench = try Bench()
                gone = bench.relay
                bench.relay.cutOff()
            }
            try takeTurn()
            #expect(gone == nil)
        }
    }
}
