import Glibc
import TestSupport
import Testing

@testable import Kernel

@Suite struct PromptnessTests {
    @Test(arguments: [("bbr", true), ("bbr3", true), ("cubic", false), ("reno", false), ("dctcp", false), ("", false)])
    func `BBR sends by the clock, and nothing else does`(_ name: String, _ isPaced: Bool) {
        #expect(CongestionControl(name: name).isPaced == isPaced)
    }

    @Test(arguments: [
        ("127.0.0.1", "bbr", "reno"), ("127.9.9.9", "bbr3", "reno"), ("::1", "bbr", "reno"), ("::ffff:127.0.0.1", "bbr", "reno"),
        ("127.0.0.1", "cubic", nil), ("::1", "dctcp", nil),
        ("0.0.0.0", "bbr", nil), ("::", "bbr", nil), ("192.0.2.1", "bbr", nil), ("2001:db8::1", "bbr", nil),
    ] as [(String, String, String?)])
    func `nothing waits for more, and within the machine nothing for the clock`(
        _ literal: String, _ system: String, _ chosen: String?
    ) throws {
        let address = try #require(SocketAddress(literal: literal, port: 1))
        let descriptor = FileDescriptor(owning: socket(address.family, CInt(SOCK_STREAM.rawValue), 0))
        try descriptor.sendAtOnce(at: address, system: CongestionControl(name: system))
        var isOn: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(descriptor.number, CInt(IPPROTO_TCP), TCP_NODELAY, &isOn, &length)
        #expect(isOn != 0)
        #expect(CongestionControl(of: descriptor.number)?.name == chosen ?? CongestionControl.ofSystem.name)
    }

    @Test func `a socket in the file system has nothing to wait for`() throws {
        let ends = try Channel.makePair()
        let one = FileDescriptor(owning: ends.0)
        let other = FileDescriptor(owning: ends.1)
        try one.sendAtOnce(at: .unix("/tmp/s"), system: CongestionControl(name: "bbr"))
        #expect(CongestionControl(of: other.number) == nil)
    }

    @Test func `both ends of a connection within the machine have what was set before it was made`() throws {
        try onLoop {
            let pair = try WatchedPair(Recorder(), overTCP: true)
            defer { pair.close() }
            let expected = CongestionControl.ofSystem.isPaced ? CongestionControl.reno : .ofSystem
            for end in [pair.near, pair.far] {
                #expect(CongestionControl(of: end.number)?.name == expected.name && !end.isPaced)
            }
        }
    }
}
