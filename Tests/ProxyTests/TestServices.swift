import Kernel
import TestSupport
import Telemetry

@testable import Proxy

extension WorkerServices {
    /// A worker's services with room for so many sockets.
    @LoopActor static func withRoom(for connections: Int) throws -> WorkerServices {
        WorkerServices(connectionLimit: connections, reserved: 0, numbers: try SharedCounter())
    }

    /// How many sockets there is still room for.
    @LoopActor var room: Int { max(0, connectionLimit - connectionCount) }
}

/// A server in this process, on the same loop as what is tested: it accepts, and keeps what it hears.
@LoopActor final class LoopServer: EventObserver {
    let address: SocketAddress
    private(set) var connections: [Served] = []
    private let door: EventSource

    /// One connection, with all that has come on it.
    @LoopActor final class Served: EventObserver {
        let source: EventSource
        private(set) var heard = ""
        private(set) var hasEnded = false

        init(_ accepted: consuming AcceptedConnection) throws {
            source = accepted.source()
            try LoopActor.loop.watch(source, self)
        }

        func becameReady(_ source: EventSource) {
            let (bytes, isEnd) = source.hear()
            heard += String(decoding: bytes, as: UTF8.self)
            if isEnd { hasEnded = true }
        }
    }

    init() throws {
        let socket = try ListeningSocket.bind(.ipv4(0x7F00_0001, port: 0))
        door = EventSource(try FileDescriptor.duplicate(of: socket.descriptor.number), isStream: false)
        address = door.localAddress ?? socket.address
        try LoopActor.loop.watch(door, self)
    }

    func becameReady(_ source: EventSource) {
        while let accepted = try? door.accept() {
            if let served = try? Served(accepted) { connections.append(served) }
        }
    }

    /// All that was heard, connection by connection.
    var heard: [String] { connections.map(\.heard) }

    /// Takes no more connections; those that there are stay.
    func closeDoor() { door.close() }

    func close() {
        door.close()
        for connection in connections { connection.source.close() }
    }
}
