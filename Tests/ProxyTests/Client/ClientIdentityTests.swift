import Kernel
import Protocols
import Testing

@testable import Proxy

@Suite struct ClientIdentityTests {
    private static let balancer = SocketAddress.ipv4(0x7F00_0001, port: 5000)

    private static func header(_ source: String) -> ProxyHeader {
        var tls = ClientTLS()
        tls.cipher = [97]
        return ProxyHeader(
            .init(source: .init(text: Array(source.utf8), port: 40000), destination: .init(text: Array("192.0.2.2".utf8), port: 143)),
            tls: tls)
    }

    @Test(arguments: [
        ("192.0.2.1", true, "192.0.2.1:40000"), ("2001:db8::1", true, "[2001:db8::1]:40000"), ("::ffff:192.0.2.1", true, "192.0.2.1:40000"),
        ("192.0.2.300", true, "127.0.0.1:5000"), ("192.0.2.1", false, "127.0.0.1:5000"),
    ])
    func `a PROXY header names the client if its sender is trusted and it has an address`(
        _ source: String, _ isTrusted: Bool, _ address: String
    ) {
        var identity = ClientIdentity(peer: Self.balancer)
        identity.adopt(Self.header(source), isTrusted: isTrusted)
        #expect(identity.address.description == address && identity.peer == Self.balancer)
        // Told it is in any case.
        #expect(identity.proxyHeader?.source.text == Array(source.utf8))
        #expect((identity.tls != nil) == isTrusted)
    }

    @Test func `a header without addresses leaves everything as it was`() {
        var identity = ClientIdentity(peer: Self.balancer)
        identity.adopt(ProxyHeader(), isTrusted: true)
        #expect(identity.address == Self.balancer && identity.proxyHeader == nil)
    }

    @Test func `a claim replaces what it says, and the name of the proxy with its address`() {
        var identity = ClientIdentity(peer: .ipv6(0, 0xFFFF_7F00_0001, port: 5000))
        #expect(identity.peer == Self.balancer)
        identity.hostName = .confirmed(Array("proxy.example".utf8))
        var claim = ClientClaim()
        claim.hopsLeft = 3
        identity.adopt(claim)
        #expect(identity.address == Self.balancer && identity.hostName.bytes == Array("proxy.example".utf8) && identity.hopsLeft == 3)
        claim = ClientClaim()
        claim.address = .ipv6(1, 2)
        claim.session = [97]
        claim.destination = .ipv4(3)
        claim.destinationPort = 25
        identity.adopt(claim)
        #expect(identity.address == .ipv6(1, 2, port: 0) && identity.hostName.bytes == Array("[UNAVAILABLE]".utf8))
        #expect(identity.hopsLeft == 3 && identity.session == [97] && identity.destination == Endpoint(.ipv4(3), port: 25))
    }

    @Test(arguments: ["client.example", "[UNAVAILABLE]", "[TEMPUNAVAIL]"])
    func `a host name that is told is told on`(_ name: String) {
        var identity = ClientIdentity(peer: Self.balancer)
        var claim = ClientClaim()
        claim.hostName = Array(name.utf8)
        identity.adopt(claim)
        #expect(identity.hostName.bytes == Array(name.utf8))
    }
}
