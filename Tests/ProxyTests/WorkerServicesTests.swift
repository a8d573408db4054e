import Kernel
import TLS
import TestSupport
import Testing

@testable import Proxy

@Suite struct WorkerServicesTests {
    @Test(arguments: [(4, 0, 4), (4, 3, 1), (4, 4, 0), (1, 3, 0)])
    func `sockets are counted, those of listeners too`(_ limit: Int, _ reserved: Int, _ room: Int) throws {
        try onLoop {
            let worker = WorkerServices(connectionLimit: limit, reserved: reserved, numbers: try SharedCounter())
            #expect(worker.room == room)
        }
    }

    @Test func `one given back makes room for one`() throws {
        try onLoop {
            let worker = try WorkerServices.withRoom(for: 1)
            #expect(worker.takeConnection())
            #expect(!worker.takeConnection())
            #expect(worker.connectionsExhausted == "1 worker_connections are not enough")
            worker.giveBackConnection()
            #expect(worker.takeConnection())
            #expect(!worker.takeConnection())
        }
    }

    @Test func `all workers number their sessions together`() throws {
        try onLoop {
            let numbers = try SharedCounter()
            let workers = (0..<2).map { _ in WorkerServices(connectionLimit: 1, reserved: 0, numbers: numbers) }
            #expect([workers[0], workers[1], workers[0]].map { $0.nextConnectionNumber() } == [1, 2, 3])
        }
    }

    @Test func `an auth server has one line for all that speak to it in the same way`() throws {
        try onLoop {
            let worker = try WorkerServices.withRoom(for: 1)
            let address = SocketAddress.ipv4(0x7F00_0001, port: 1)
            let contexts = try (1...2).map { _ in try TLSClientContext(TLSClientSettings<AuthServerLeg>(), protocolName: "http/1.1") }
            let peers = [
                AuthPeer(address: address), AuthPeer(address: .ipv4(0x7F00_0001, port: 2)),
                AuthPeer(address: address, tls: AuthPeer.TLS(context: contexts[0], name: "a")),
                AuthPeer(address: address, tls: AuthPeer.TLS(context: contexts[0], name: "b")),
                AuthPeer(address: address, tls: AuthPeer.TLS(context: contexts[1], name: "a")),
            ]
            let lines = peers.map { worker.authClient(for: $0) }
            #expect(Set(lines.map { ObjectIdentifier($0) }).count == peers.count)
            #expect(zip(peers, lines).allSatisfy { worker.authClient(for: $0) === $1 })
        }
    }

    @Test func `auth servers that nothing is under way with are forgotten when there are many`() throws {
        try onLoop {
            let worker = try WorkerServices.withRoom(for: 1)
            func peer(_ port: UInt16) -> AuthPeer { AuthPeer(address: .ipv4(0x7F00_0001, port: port)) }
            let (first, second) = (worker.authClient(for: peer(1)), worker.authClient(for: peer(2)))
            second.noteFailure(pause: .seconds(10))
            for port in 3...1000 { _ = worker.authClient(for: peer(UInt16(port))) }
            #expect(worker.authClient(for: peer(1)) !== first && worker.authClient(for: peer(2)) === second)
        }
    }

    @Test func `with nobody to cut off nothing happens`() throws {
        try onLoop {
            let worker = try WorkerServices.withRoom(for: 1)
            var isTold = false
            worker.whenEmpty = { isTold = true }
            worker.cutOffAll()
            #expect(worker.isEmpty && !isTold)
        }
    }
}
