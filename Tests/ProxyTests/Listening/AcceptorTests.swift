import Configuration
import Glibc
@testable import Kernel
import Protocols
import TLS
import Telemetry
import TestSupport
import Testing

@testable import Proxy

@Suite struct AcceptorTests {
    /// An acceptor with one listener for a POP3 server whose auth server is not there.
    @LoopActor private final class Bench {
        let worker: WorkerServices
        let acceptor: Acceptor
        let address: SocketAddress
        private let number: CInt

        /// - Parameter more: behind the port in its `listen`, and other directives of the server.
        init(
            room: Int, acceptsMany: Bool = false, mail: String = "", more: String = ";", sharing: Acceptor.Sharing = .alone,
            as ownership: Acceptor.Ownership = .shared, memory: AccessMemory = AccessMemory()
        ) throws {
            let text = "events {} mail { server_name mx; \(mail) server { auth_http 127.0.0.1:1; listen 110\(more) } }"
            let servers = try MailServer.servers(of: try mailSchema.load(text), resumption: TLSResumption(), memory: memory) { _ in ErrorLog([]) }
            let entrances = Entrance.entrances(of: servers)
            let socket = try ListeningSocket.bind(.ipv4(0x7F00_0001, port: 0))
            let door = EventSource(try FileDescriptor.duplicate(of: socket.descriptor.number), isStream: false)
            address = try #require(door.localAddress)
            worker = try .withRoom(for: room)
            var settings = EventsSettings()
            settings.multiAccept = acceptsMany
            settings.acceptMutexDelay = .milliseconds(20)
            acceptor = Acceptor(worker: worker, settings: settings, sharing: sharing)
            number = door.number
            try acceptor.open(FileDescriptor(owning: door.release()), for: try #require(entrances.first), as: ownership)
        }

        /// The listener as its master has it.
        func master() throws -> ListeningSocket {
            ListeningSocket(descriptor: try FileDescriptor.duplicate(of: number), address: address)
        }

        func connect() throws -> Client { try Client(to: address) }

        /// Ends every session.
        func close() throws {
            acceptor.closeNow()
            worker.cutOffAll()
            try runLoop { worker.isEmpty }
        }
    }

    @LoopActor private final class Client: EventObserver {
        let source: EventSource
        private(set) var heard = ""
        private(set) var hasEnded = false

        init(to address: SocketAddress) throws {
            source = try EventSource.connect(to: address)
            try LoopActor.loop.watch(source, self)
        }

        func becameReady(_ source: EventSource) {
            guard source.isReadable else { return }
            let (bytes, isEnd) = source.hear()
            heard += String(decoding: bytes, as: UTF8.self)
            if isEnd { hasEnded = true }
        }
    }

    @Test func `a session that ends is freed, and with the last of them their worker`() throws {
        try onLoop {
            weak var gone: WorkerServices?
            do {
                let bench = try Bench(room: 4)
                gone = bench.worker
                let client = try bench.connect()
                try runLoop { client.heard.hasPrefix("+OK") }
                try bench.close()
            }
            try takeTurn()
            #expect(gone == nil)
        }
    }

    @Test(arguments: [false, true])
    func `who connects is greeted, one or many at a time`(_ acceptsMany: Bool) throws {
        try onLoop {
            let bench = try Bench(room: 8, acceptsMany: acceptsMany)
            let clients = try (0..<4).map { _ in try bench.connect() }
            try runLoop { clients.allSatisfy { !$0.heard.isEmpty } }
            #expect(clients.allSatisfy { $0.heard == "+OK POP3 ready\r\n" })
            #expect(bench.worker.room == 4)
            #expect(!bench.worker.isEmpty)
            try bench.close()
            #expect(bench.worker.room == 8)
        }
    }

    @Test func `who finds no room is told so and turned away`() throws {
        try onLoop {
            let bench = try Bench(room: 1)
            let first = try bench.connect()
            try runLoop { !first.heard.isEmpty }
            let second = try bench.connect()
            try runLoop { second.hasEnded }
            #expect(second.heard == "-ERR Too many connections, try again later\r\n")
            #expect(!first.hasEnded)
            first.source.close()
            try runLoop { bench.worker.isEmpty }
            let third = try bench.connect()
            try runLoop { !third.heard.isEmpty }
            #expect(third.heard == "+OK POP3 ready\r\n")
            try bench.close()
        }
    }

    @Test func `who finds no room and awaits TLS hears nothing in the clear`() throws {
        let certificate = try Certificates.shared()[.ecdsa]
        try onLoop {
            let bench = try Bench(room: 0, more: " ssl; \(certificate.directives)")
            let client = try bench.connect()
            try runLoop { client.hasEnded }
            #expect(client.heard.isEmpty)
            try bench.close()
        }
    }

    @Test(arguments: [("", "-ERR Too many connections, try again later\r\n"), ("limit_conn_dry_run on;", "+OK POP3 ready\r\n")])
    func `who cannot be counted is turned away, unless limits are only watched`(_ settings: String, _ line: String) throws {
        try onLoop {
            let memory = AccessMemory()
            let bench = try Bench(
                room: 1, mail: "limit_conn_zone $remote_addr zone=full:32k;", more: "; limit_conn full 1; \(settings)", memory: memory)
            let tally = try memory.zone("full").tally
            for number in 0..<4000 { _ = tally.count(SharedKey("\(number)"), atMost: 1) }
            let client = try bench.connect()
            try runLoop { !client.heard.isEmpty }
            #expect(client.heard == line)
            try bench.close()
        }
    }

    @Test func `closed, it accepts nothing, and sessions go on`() throws {
        try onLoop {
            let bench = try Bench(room: 8)
            let client = try bench.connect()
            try runLoop { !client.heard.isEmpty }
            bench.acceptor.close()
            #expect(throws: KernelError("connect()", ECONNREFUSED)) {
                let late = try EventSource.connect(to: bench.address)
                try LoopActor.loop.watch(late, Recorder())
                try runLoop { late.isWritable }
                if let fault = late.connectFault() { throw fault }
            }
            client.source.say("NOOP\r\n")
            try runLoop { client.heard.hasSuffix("+OK\r\n") }
            try bench.close()
            try runLoop { client.hasEnded }
            #expect(client.heard.hasSuffix("-ERR Server is shutting down, try again later\r\n"))
        }
    }

    @Test func `who has connected when it closes is let in first, as far as there is room`() throws {
        try onLoop {
            let bench = try Bench(room: 3)
            let clients = try (0..<4).map { _ in try bench.connect() }
            bench.acceptor.close()
            try runLoop { clients.filter { !$0.heard.isEmpty }.count == 3 && clients.filter(\.hasEnded).count == 1 }
            #expect(clients.allSatisfy { $0.heard == ($0.hasEnded ? "" : "+OK POP3 ready\r\n") })
            try bench.close()
        }
    }

    @Test func `where a listener goes with it, a handshake that has begun is let in, and newcomers are not`() throws {
        try onLoop {
            let bench = try Bench(room: 8)
            let socket = try bench.master()
            // A handshake ends with the client's first bytes, so a test has it in hand.
            try socket.descriptor.setOption(CInt(IPPROTO_TCP), TCP_DEFER_ACCEPT, 5, named: "")
            let client = try bench.connect()
            try runLoop { client.source.isWritable }
            try socket.turnAwayNewcomers()
            _ = consume socket
            var isClosed = false
            bench.acceptor.whenClosed = { isClosed = true }
            bench.acceptor.close()
            #expect(!isClosed && !bench.acceptor.isClosed)
            let late = try bench.connect()
            client.source.say("NOOP\r\n")
            try runLoop { client.heard == "+OK POP3 ready\r\n+OK\r\n" }
            try runLoop { isClosed }
            #expect(bench.acceptor.isClosed && late.heard.isEmpty && !late.source.isWritable)
            try bench.close()
        }
    }

    @Test func `it steps back from where it has stood in for others, and lets in who waits there`() throws {
        try onLoop {
            let bench = try Bench(room: 8, as: .guest)
            let client = try bench.connect()
            bench.acceptor.stepBack()
            #expect(bench.acceptor.isClosed)
            try runLoop { !client.heard.isEmpty }
            let next = try bench.connect()
            try takeTurn()
            #expect(next.heard.isEmpty && bench.worker.room == 7)
            try bench.close()
        }
    }

    // MARK: Sharing

    private static let stranger = OwnProcess.parentID

    @Test func `whose turn it is not accepts nobody, until it is`() throws {
        try onLoop {
            let lock = try SharedLock()
            #expect(lock.take(for: Self.stranger))
            let bench = try Bench(room: 8, sharing: .takingTurns(lock))
            let client = try bench.connect()
            var isOver = false
            let timer = LoopTimer { isOver = true }
            timer.start(after: .milliseconds(100))
            try runLoop { isOver }
            #expect(client.heard.isEmpty)
            lock.release(heldBy: Self.stranger)
            try runLoop { !client.heard.isEmpty }
            try bench.close()
            #expect(lock.take(for: Self.stranger))
        }
    }

    @Test func `while it has the lock it keeps others out, but leaves them some turns when it is nearly full`() throws {
        try onLoop {
            let lock = try SharedLock()
            let bench = try Bench(room: 8000, sharing: .takingTurns(lock))
            LoopActor.loop.beforeWaiting?()
            #expect(!lock.take(for: Self.stranger))
            for _ in 0..<7998 { #expect(bench.worker.takeConnection()) }
            let (first, second) = (try bench.connect(), try bench.connect())
            try runLoop { bench.worker.room == 1 }
            // It lacks 999 connections to an eighth.
            LoopActor.loop.beforeWaiting?()
            #expect(lock.take(for: Self.stranger))
            lock.release(heldBy: Self.stranger)
            for _ in 0..<999 { LoopActor.loop.beforeWaiting?() }
            #expect(!lock.take(for: Self.stranger))
            try runLoop { !first.heard.isEmpty && !second.heard.isEmpty }
            #expect(bench.worker.room == 0)
            for _ in 0..<7998 { bench.worker.giveBackConnection() }
            try bench.close()
        }
    }

    @Test func `a listener of its own needs no turn`() throws {
        try onLoop {
            let lock = try SharedLock()
            #expect(lock.take(for: Self.stranger))
            let bench = try Bench(room: 8, sharing: .takingTurns(lock), as: .own)
            let client = try bench.connect()
            try runLoop { !client.heard.isEmpty }
            try bench.close()
        }
    }

    @Test(arguments: [PollingMethod.epoll, .poll])
    func `who goes to the end of the line still accepts`(_ method: PollingMethod) throws {
        try onLoop(method) {
            let bench = try Bench(room: 64, sharing: .oneIsWoken)
            let clients = try (0..<40).map { _ in try bench.connect() }
            try runLoop { clients.allSatisfy { !$0.heard.isEmpty } }
            try bench.close()
        }
    }
}
