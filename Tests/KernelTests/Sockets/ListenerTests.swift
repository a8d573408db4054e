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

    @Test func `it listens at once, or when it is told to`() throws {
        let one = try ListeningSocket.bind(loopback)
        let other = try ListeningSocket.bind(loopback, listens: false)
        var listening = [one.isListening, other.isListening]
        #expect(listening == [true, false])
        try other.listen(backlog: 5)
        listening = [one.isListening, other.isListening]
        #expect(listening == [true, true])
    }

    @Test func `a socket that turns newcomers away says so, in every process that has it`() throws {
        let path = try Workspace.here().file("s")
        try onLoop {
            for address in [loopback, .unix(path)] {
                let socket = try ListeningSocket.bind(address)
                let door = EventSource(try FileDescriptor.duplicate(of: socket.descriptor.number), isStream: false)
                #expect(!door.turnsAwayNewcomers)
                try socket.turnAwayNewcomers()
                #expect(door.turnsAwayNewcomers)
                door.close()
            }
        }
    }

    // MARK: Options

    private func value(_ socket: borrowing ListeningSocket, _ level: CInt, _ option: CInt) -> CInt {
        var value: CInt = -1
        var size = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(socket.descriptor.number, level, option, &value, &size)
        return value
    }

    @Test func `buffers are of the size that is asked for, which the kernel doubles`() throws {
        let socket = try ListeningSocket.bind(loopback)
        let before = value(socket, SOL_SOCKET, SO_SNDBUF)
        var options = ListeningSocket.Options()
        options.receiveBuffer = 20_000
        #expect(socket.adjust(to: options) == [])
        #expect(value(socket, SOL_SOCKET, SO_RCVBUF) == 40_000 && value(socket, SOL_SOCKET, SO_SNDBUF) == before)
        options.sendBuffer = 30_000
        #expect(socket.adjust(to: options) == [])
        #expect(value(socket, SOL_SOCKET, SO_SNDBUF) == 60_000)
        // What is not said any more stays as it is.
        #expect(socket.adjust(to: ListeningSocket.Options()) == [])
        #expect(value(socket, SOL_SOCKET, SO_RCVBUF) == 40_000)
    }

    @Test(arguments: [
        (ListeningSocket.KeepAlive.on, [1, nil, nil, nil]), (.off, [0, nil, nil, nil]),
        (.after(idle: .seconds(70), interval: .seconds(8), count: 3), [1, 70, 8, 3]),
        (.after(idle: nil, interval: .seconds(9), count: nil), [1, nil, 9, nil]),
    ] as [(ListeningSocket.KeepAlive, [CInt?])])
    func `silent clients are looked after as it is asked for`(_ keepAlive: ListeningSocket.KeepAlive, _ expected: [CInt?]) throws {
        let socket = try ListeningSocket.bind(loopback)
        let tcp = CInt(IPPROTO_TCP)
        let all = [(SOL_SOCKET, SO_KEEPALIVE), (tcp, TCP_KEEPIDLE), (tcp, TCP_KEEPINTVL), (tcp, TCP_KEEPCNT)]
        let before = all.map { value(socket, $0, $1) }
        var options = ListeningSocket.Options()
        options.keepAlive = keepAlive
        #expect(socket.adjust(to: options) == [])
        #expect(all.map { value(socket, $0, $1) } == zip(expected, before).map { $0 ?? $1 })
    }

    @Test func `what the system refuses is named, and the rest is set`() throws {
        let socket = try ListeningSocket.bind(loopback)
        var options = ListeningSocket.Options()
        options.keepAlive = .after(idle: .seconds(100_000), interval: nil, count: 4)
        #expect(socket.adjust(to: options) == [KernelError("setsockopt(TCP_KEEPIDLE, 100000) \(loopback)", EINVAL)])
        #expect(value(socket, CInt(IPPROTO_TCP), TCP_KEEPCNT) == 4)
    }

    @Test(arguments: [true, false])
    func `a socket of IPv6 takes IPv4 clients where it is to`(_ isIPv6Only: Bool) throws {
        var options = ListeningSocket.Options()
        options.isIPv6Only = isIPv6Only
        let socket = try ListeningSocket.bind(.ipv6(0, 0, port: 0), options)
        #expect(value(socket, CInt(IPPROTO_IPV6), IPV6_V6ONLY) == (isIPv6Only ? 1 : 0))
    }

    @Test func `connections have several paths where that is asked for and the kernel can do it`() throws {
        let isEnabled = (try? String(contentsOfFile: "/proc/sys/net/mptcp/enabled", encoding: .utf8)) == "1\n"
        var options = ListeningSocket.Options()
        options.isMultipath = true
        let many = try ListeningSocket.bind(loopback, options)
        let one = try ListeningSocket.bind(loopback)
        let found = [many.isMultipath, many.isListening, one.isMultipath]
        #expect(found == [isEnabled, true, false])
    }

    // MARK: Sharing

    @Test func `sockets have a port together if all of them agree`() throws {
        try onLoop {
            let first = try ListeningSocket.bind(loopback)
            let door = EventSource(try FileDescriptor.duplicate(of: first.descriptor.number), isStream: false)
            let address = try #require(door.localAddress)
            #expect(throws: KernelError("bind() to \(address)", EADDRINUSE)) {
                _ = try ListeningSocket.bind(address, sharesPort: true).address
            }
            try first.sharePort()
            for shared in [address, .ipv4(0, port: address.port)] {
                let isListening = try ListeningSocket.bind(shared, sharesPort: true).isListening
                #expect(isListening)
            }
            #expect(throws: KernelError("bind() to \(address)", EADDRINUSE)) { _ = try ListeningSocket.bind(address).address }
            door.close()
        }
    }

    @Test func `a socket that nobody listens on is abandoned, anything else is not`() throws {
        let workspace = try Workspace.here()
        let (left, served, file, link) = (workspace.file("left"), workspace.file("served"), workspace.file("file"), workspace.file("link"))
        _ = try ListeningSocket.bind(.unix(left)).address
        let socket = try ListeningSocket.bind(.unix(served))
        try workspace.write("", to: "file")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: left)
        // A process that another test is just starting may hold the socket up to its exec.
        try eventually("an abandoned socket") { ListeningSocket.isAbandoned(left) }
        #expect([served, file, link, workspace.file("none")].filter(ListeningSocket.isAbandoned) == [])
        let isStillServed = socket.isListening
        #expect(isStillServed)
    }
}
