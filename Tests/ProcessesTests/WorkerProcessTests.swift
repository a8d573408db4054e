import Kernel
import TestSupport
import Testing

@testable import Processes

@Suite struct WorkerProcessTests {
    @Test(arguments: [
        (0, 0), (1, 0), (2, 100), (3, 200), (4, 400), (8, 6400), (9, 10_000), (20, 10_000), (1_000_000, 10_000),
    ])
    func `a worker that dies again and again is replaced after a growing pause`(_ failures: Int, _ milliseconds: Int) throws {
        try onLoop {
            #expect(Respawn(after: failures).pause == .milliseconds(milliseconds))
        }
    }

    @Test(arguments: [
        (.exited(0), "exited with code 0", true), (.exited(2), "exited with code 2", true),
        (.signalled(9, dumpedCore: false), "exited on signal 9", false),
        (.signalled(11, dumpedCore: true), "exited on signal 11 (core dumped)", false),
    ] as [(Kernel.ChildProcess.End, String, Bool)])
    func `an end is told in nginx's words`(_ end: Kernel.ChildProcess.End, _ words: String, _ isOrdinary: Bool) {
        #expect(end.words == words)
        #expect(end.isOrdinary == isOrdinary)
    }
    // MARK: Standing in for others

    /// A worker of so many, and what it is told.
    @LoopActor private final class Told {
        let process: WorkerProcess
        private let theirs: EventSource

        init(_ index: Int, of count: Int, at listener: Listener, isReady: Bool = true) throws {
            let ends = try Channel.makePair()
            let places = listener.places(of: WorkerPlace(index: index, count: count), areShared: false)
            process = WorkerProcess(
                Int32(index), index: index, generation: 1, openings: places.map { Opening(listener: listener, place: $0) },
                channel: EventSource(owning: ends.0, isStream: false), failures: 0)
            process.isReady = isReady
            theirs = EventSource(owning: ends.1, isStream: false)
        }

        /// What it has been told since the last time: `1` for the descriptor of a listening socket.
        var orders: String {
            var text = ""
            while let message = theirs.receive() as (UInt8?, EventSource?, Bool)?, let byte = message.0 {
                text += String(UnicodeScalar(byte))
                if message.1?.localAddress != nil { text += "1" }
            }
            return text
        }
    }

    /// A listener with a socket for each of three workers, and these.
    @LoopActor private static func three(
        at address: SocketAddress
    ) throws -> (listener: Listener, openings: [Opening], workers: [Told]) {
        let listener = try Listener(address)
        try listener.provide(for: 3)
        for place in 0..<3 { try listener.listen(place) }
        let openings = (0..<3).map { Opening(listener: listener, place: $0) }
        return (listener, openings, try (0..<3).map { try Told($0, of: 3, at: listener) })
    }

    @Test func `another worker is given the socket of one that is not there, until it is`() throws {
        let address = SocketAddress.ipv4(0x7F00_0001, port: try Ports.free())
        try onLoop {
            let (listener, openings, workers) = try Self.three(at: address)
            let arrange = { @LoopActor (present: Int...) -> [String] in
                // Two generations share most of them.
                WorkerProcess.arrange(openings + openings, among: present.map { workers[$0].process })
                return workers.map { $0.orders }
            }
            #expect(arrange(0, 1, 2) == ["", "", ""])
            #expect(arrange(0, 2) == ["s1", "", ""])
            #expect(arrange(0, 2) == ["", "", ""])
            #expect(arrange(2) == ["", "", "s1s1"])
            // One that has just been started accepts nowhere yet, and one that leaves nowhere any more.
            workers[1].process.isReady = false
            workers[0].process.isLeaving = true
            #expect(arrange(0, 1, 2) == ["", "", ""])
            workers[1].process.isReady = true
            #expect(arrange(1, 2) == ["", "s1", "b"])
            listener.retire()
        }
    }

    @Test func `a worker that has no descriptor is not asked for a while, and another is`() throws {
        let address = SocketAddress.ipv4(0x7F00_0001, port: try Ports.free())
        try onLoop {
            let (listener, openings, workers) = try Self.three(at: address)
            let arrange = { @LoopActor (present: Int...) -> [String] in
                WorkerProcess.arrange(openings, among: present.map { workers[$0].process })
                return workers.map { $0.orders }
            }
            #expect(arrange(0, 1) == ["s1", "", ""])
            var isAskedAgain = false
            workers[0].process.declineToStandIn { isAskedAgain = true }
            #expect(arrange(0, 1) == ["b", "s1", ""])
            #expect(arrange(0) == ["", "", ""])
            try runLoop { isAskedAgain }
            #expect(arrange(0) == ["s1s1", "", ""])
            listener.retire()
        }
    }

    @Test func `nobody stands in where clients do not come, or who has no server for them`() throws {
        let address = SocketAddress.ipv4(0x7F00_0001, port: try Ports.free())
        try onLoop {
            let (listener, other) = (try Listener(address), try Listener(.ipv4(0x7F00_0001, port: 0)))
            try listener.provide(for: 2)
            let (worker, stranger) = (try Told(0, of: 2, at: listener), try Told(0, of: 1, at: other))
            WorkerProcess.arrange(listener.listeningPlaces.map { Opening(listener: listener, place: $0) }, among: [worker.process, stranger.process])
            #expect(worker.orders == "" && stranger.orders == "")
            try listener.listen(1)
            WorkerProcess.arrange([Opening(listener: listener, place: 1)], among: [stranger.process])
            #expect(stranger.orders == "")
            listener.retire()
            other.retire()
        }
    }
}
