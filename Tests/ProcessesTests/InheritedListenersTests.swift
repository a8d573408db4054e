import Foundation
import Glibc
import Telemetry
import TestSupport
import Testing

@testable import Kernel
@testable import Processes

@Suite(.ownWorkspace) struct InheritedListenersTests {
    /// A descriptor of its own for a socket of the test's.
    private func left(_ socket: Socket) throws -> Int32 {
        let number = dup(socket.descriptor)
        try #require(number >= 0)
        return number
    }

    /// What was left, and what the log says of it.
    @LoopActor private func listeners(_ numbers: [Int32]) throws -> (InheritedListeners, log: () -> String) {
        let workspace = try Workspace.here()
        let log = ErrorLog([.init(file: try LogFile.open(workspace.file("log")), level: .info)])
        let inheritance = Inheritance(numbers.map { "\($0);" }.joined(), of: "MARTLET", from: 1)
        return (InheritedListeners(inheritance, log: log), { workspace.contents("log") ?? "" })
    }

    @Test func `a listener is found by its address, once`() throws {
        let path = try Workspace.here().file("s")
        let sockets = [try Socket.listen(at: .port(0)), try Socket.listen(at: .path(path)), try Socket.listen(at: .port(0))]
        let numbers = try sockets.map(left)
        try onLoop {
            let (inherited, log) = try listeners(numbers)
            #expect(log().hasSuffix(": using inherited sockets from \"\(numbers[0]);\(numbers[1]);\(numbers[2]);\"\n"))
            let address = SocketAddress.ipv4(0x7F00_0001, port: sockets[0].port)
            let listener = try #require(inherited.take(address))
            #expect(listener.address == address && listener.origin == .inherited(from: 1))
            #expect(inherited.take(address) == nil)
            #expect(inherited.take(.unix(path))?.ownPath == path)
            #expect(fcntl(numbers[0], F_GETFD) == FD_CLOEXEC)
            inherited.closeRest()
            #expect(fcntl(numbers[2], F_GETFD) == -1)
            #expect(fcntl(numbers[0], F_GETFD) == FD_CLOEXEC)
            #expect(listener.adjust(to: ListeningSocket.Options()) == [])
            listener.close()
        }
    }

    @Test func `sockets that share an address are one listener`() throws {
        let first = try ListeningSocket.bind(.ipv4(0x7F00_0001, port: try Ports.free()))
        try first.sharePort()
        let second = try ListeningSocket.bind(first.address, sharesPort: true)
        let address = first.address
        let numbers = try [first.descriptor.number, second.descriptor.number].map { try FileDescriptor.duplicate(of: $0).release() }
        try onLoop {
            let (inherited, _) = try listeners(numbers)
            let listener = try #require(inherited.take(address))
            #expect(inherited.take(address) == nil)
            #expect(listener.places(of: WorkerPlace(index: 0, count: 1), areShared: false) == [0, 1])
            // Those that nobody serves yet have nobody to hand on.
            try listener.provide(for: 4)
            let handedOn = try listener.surviveExec()
            #expect(handedOn.count == 2)
            #expect(handedOn.allSatisfy { $0.origin == .inherited(from: 1) })
            for socket in handedOn { _ = close(socket.number) }
            listener.close()
        }
    }

    @Test func `what is no listener is named, and left alone`() throws {
        let file = open("/dev/null", O_RDONLY)
        let datagram = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
        let netlink = socket(AF_NETLINK, CInt(SOCK_RAW.rawValue), 0)
        defer { for number in [file, datagram, netlink] { _ = close(number) } }
        try onLoop {
            let (inherited, log) = try listeners([file, datagram, netlink, 1_000_000])
            for text in [
                "getsockname() of the inherited socket #\(file) failed (88: Socket operation on non-socket)",
                "the inherited socket #\(datagram) is not a stream socket",
                "the inherited socket #\(netlink) has an unsupported protocol family",
                "getsockname() of the inherited socket #1000000 failed (9: Bad file descriptor)",
            ] {
                #expect(log().contains(": \(text)\n"))
            }
            inherited.closeRest()
        }
        for number in [file, datagram, netlink] { #expect(fcntl(number, F_GETFD) >= 0) }
    }
}
