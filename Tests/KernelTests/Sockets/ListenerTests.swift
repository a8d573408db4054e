import Foundation
import Glibc
import TestSupport
import Testing

@testable import Kernel

@Suite(.ownWorkspace) struct ListenerTests {
    private var loopback: SocketAddress { .ipv4(0x7F00_0001, port: 0) }

    /// A listener at a port of the kernel's choice, and a source to accept at.
    @LoopActor private func listen(at address: SocketAddress, listens: Bool = true) throws -> (door: EventSource, address: SocketAddress) {
        let socket = try ListeningSocket.bind(address, listens: listens)
        let door = EventSource(try FileDescriptor.duplicate(of: socket.descriptor.number), isStream: false)
        return (door, try #require(door.localAddress))
    }

    @Test func `an address that is taken is refused with nginx's words`() throws {
        try onLoop {
            let (door, address) = try listen(at: loopback)
            let error = #expect(throws: KernelError.self) { try ListeningSocket.bind(address).address }
            #expect(error?.description == "bind() to \(address) failed (98: Address already in use)")
            door.close()
        }
    }

    @Test func `IPv4 and IPv6 share a port`() throws {
        try onLoop {
            let (four, address) = try listen(at: .ipv4(0, port: 0))
            let (six, _) = try listen(at: .ipv6(0, 0, port: address.port))
            four.close()
            six.close()
        }
    }

    @Test func `an address that is only tried out takes no connections`() throws {
        try onLoop {
            let (door, address) = try listen(at: loopback, listens: false)
            let recorder = Recorder()
            let client = try? EventSource.connect(to: address)
            if let client {
                try LoopActor.loop.watch(client, recorder)
                try runLoop { client.isWritable }
                #expect(client.connectFault()?.number == ECONNREFUSED)
            }
            door.close()
        }
    }

    @Test func `connections are taken one by one, with their peers, until none waits`() throws {
        try onLoop {
            let (door, address) = try listen(at: loopback)
            guard case nil = try door.accept() else { throw TestFailure("somebody waits") }
            let clients = try (0..<2).map { _ in try EventSource.connect(to: address) }
            var peers: Set<SocketAddress> = []
            let recorder = Recorder()
            recorder.action = { door in
                while let accepted = try? door.accept() {
                    peers.insert(accepted.peer)
                    let flags = fcntl(accepted.descriptor.number, F_GETFL)
                    #expect(flags & O_NONBLOCK != 0)
                    #expect(fcntl(accepted.descriptor.number, F_GETFD) & FD_CLOEXEC != 0)
                    var noDelay: CInt = 0
                    var size = socklen_t(MemoryLayout<CInt>.size)
                    getsockopt(accepted.descriptor.number, CInt(IPPROTO_TCP), TCP_NODELAY, &noDelay, &size)
                    #expect(noDelay != 0)
                }
            }
            try LoopActor.loop.watch(door, recorder)
            try runLoop { peers.count == 2 }
            #expect(peers == Set(clients.compactMap(\.localAddress)))
            door.close()
        }
    }

    @Test func `a socket in the file system is for everybody, and its clients have no name`() throws {
        let path = try Workspace.here().file("s")
        try onLoop {
            let socket = try ListeningSocket.bind(.unix(path))
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o666)
            let client = try EventSource.connect(to: .unix(path))
            let door = EventSource(try FileDescriptor.duplicate(of: socket.descriptor.number), isStream: false)
            guard let accepted = try door.accept() else { throw TestFailure("nobody waits") }
            #expect(accepted.peer == .unix(""))
            client.close()
            door.close()
        }
    }

    @Test func `a longer backlog can be asked for later`() throws {
        try onLoop {
            let socket = try ListeningSocket.bind(loopback)
            try socket.listen(backlog: 100_000_000_000)
        }
    }
}
