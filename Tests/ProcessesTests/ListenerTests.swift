import Glibc
import Kernel
import TestSupport
import Testing

@testable import Processes

@Suite(.ownWorkspace) struct ListenerTests {
    /// Whether somebody listens there.
    @LoopActor private func answers(_ path: String) -> Bool { (try? EventSource.connect(to: .unix(path))) != nil }

    @Test func `closing leaves the socket to others, retiring takes it from everybody`() throws {
        let path = try Workspace.here().file("s")
        try onLoop {
            let listener = try Listener(.unix(path))
            let worker = try listener.open(0)
            listener.close()
            #expect(answers(path))
            _ = consume worker
            // A process that another test is just starting may hold the socket up to its exec.
            try eventually("nobody at the socket") { !answers(path) }
            #expect(Files.exists(path))
            // Closed, it has nothing to remove any longer.
            listener.retire()
            #expect(Files.exists(path))
            try Files.remove(path)
            let second = try Listener(.unix(path))
            second.retire()
            #expect(!Files.exists(path))
        }
    }

    @Test func `another backlog is taken into use`() throws {
        let path = try Workspace.here().file("s")
        try onLoop {
            var options = ListeningSocket.Options()
            options.backlog = 0
            let listener = try Listener(.unix(path), options)
            var held: [EventSource] = []
            while let client = try? EventSource.connect(to: .unix(path)) { held.append(client) }
            #expect(held.count == 1)
            options.backlog = 3
            #expect(listener.adjust(to: options) == [])
            while let client = try? EventSource.connect(to: .unix(path)) { held.append(client) }
            #expect(held.count == 4)
            listener.retire()
        }
    }

    // MARK: A socket for each worker

    private func address() throws -> SocketAddress { .ipv4(0x7F00_0001, port: try Ports.free()) }

    /// Where each of so many workers accepts.
    @LoopActor private func places(_ listener: Listener, _ count: Int, areShared: Bool = false) -> [[Int]] {
        (0..<count).map { listener.places(of: WorkerPlace(index: $0, count: count), areShared: areShared) }
    }

    @Test func `each worker has its socket, and none is left alone when there are fewer workers`() throws {
        let address = try address()
        try onLoop {
            let listener = try Listener(address)
            try listener.provide(for: 4)
            #expect(places(listener, 4) == [[0], [1], [2], [3]])
            try listener.provide(for: 3)
            #expect(places(listener, 3) == [[0, 3], [1], [2]])
            #expect(places(listener, 1) == [[0, 1, 2, 3]])
            #expect(places(listener, 2, areShared: true) == [[0, 1, 2, 3], [0, 1, 2, 3]])
            listener.retire()
        }
    }

    @Test func `a socket listens when its worker is there`() throws {
        let address = try address()
        try onLoop {
            let listener = try Listener(address)
            try listener.provide(for: 2)
            let doors = try (0..<2).map { EventSource(try listener.open($0), isStream: false) }
            #expect(listener.listeningPlaces == [0])
            for place in 0..<2 { try listener.listen(place) }
            #expect(listener.listeningPlaces == [0, 1])
            var clients: [EventSource] = []
            var counts = [0, 0]
            // Which of them a client gets to is the kernel's choice.
            while counts.contains(0) {
                try #require(clients.count < 200)
                clients.append(try EventSource.connect(to: address))
                for place in 0..<2 { while try takes(doors[place]) { counts[place] += 1 } }
            }
            #expect(counts[0] + counts[1] <= clients.count)
            for door in doors { door.close() }
            listener.retire()
        }
    }

    @LoopActor private func takes(_ door: EventSource) throws -> Bool {
        guard let accepted = try door.accept() else { return false }
        accepted.source().close()
        return true
    }

    @Test func `a socket that nobody serves yet takes nobody, whatever its options become`() throws {
        let address = try address()
        try onLoop {
            let listener = try Listener(address)
            try listener.provide(for: 8)
            var options = ListeningSocket.Options()
            options.backlog = 300
            #expect(listener.adjust(to: options) == [])
            let door = EventSource(try listener.open(0), isStream: false)
            let clients = try (0..<40).map { _ in try EventSource.connect(to: address) }
            var count = 0
            while try takes(door) { count += 1 }
            #expect(count == clients.count)
            door.close()
            listener.retire()
        }
    }

    @Test func `the first socket is refused where another server is, with reuseport too`() throws {
        let address = try address()
        try onLoop {
            let listener = try Listener(address)
            try listener.provide(for: 2)
            #expect(throws: KernelError("bind() to \(address)", EADDRINUSE)) { try Listener(address).address }
            listener.retire()
        }
    }

    @Test(arguments: [
        (.bound, false, true), (.bound, true, false), (.activated, false, false),
        (.inherited(from: OwnProcess.parentID), false, false), (.inherited(from: .max), false, true),
    ] as [(ListenerOrigin, Bool, Bool)])
    func `retired, it turns newcomers away, unless somebody else goes on with it`(
        _ origin: ListenerOrigin, _ hasHeir: Bool, _ turnsAway: Bool
    ) throws {
        let address = try address()
        try onLoop {
            let listener = origin == .bound ? try Listener(address) : Listener(try .bind(address), from: origin)
            let door = EventSource(try listener.open(0), isStream: false)
            listener.retire(besides: hasHeir ? ProcessSockets(of: OwnProcess.id) : nil)
            #expect(door.turnsAwayNewcomers == turnsAway)
            door.close()
        }
    }

    @Test func `what has taken the name of a socket stays`() throws {
        let workspace = try Workspace.here()
        let path = workspace.file("s")
        try onLoop {
            let listener = try Listener(.unix(path))
            try Files.remove(path)
            let other = try ListeningSocket.bind(.unix(path))
            listener.retire()
            let isListening = other.isListening
            #expect(Files.exists(path) && isListening)
        }
    }

    @Test func `what a socket is made with cannot be changed, the rest can`() throws {
        let address = try address()
        try onLoop {
            let listener = try Listener(address)
            var options = ListeningSocket.Options()
            options.backlog = 1
            options.receiveBuffer = 10_000
            #expect(listener.isMade(like: options))
            options.isMultipath = true
            #expect(!listener.isMade(like: options))
            options.isMultipath = false
            options.isIPv6Only = false
            #expect(!listener.isMade(like: options))
            listener.retire()
        }
    }
}
