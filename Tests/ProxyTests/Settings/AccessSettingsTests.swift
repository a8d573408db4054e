import Configuration
import Kernel
import TestSupport
import Testing

@testable import Proxy

@Suite struct AccessSettingsTests {
    private static let schema = Schema(groups: [AccessSettings.self])

    @Test func `networks add up within a block, and replace those of the outer one`() throws {
        let mail = "set_real_ip_from 10.0.0.0/8; set_real_ip_from 192.0.2.1; set_real_ip_from unix:;"
        let inherited = try Self.schema.settings(mail: mail, server: "")[AccessSettings.self]
        #expect(inherited.trustedProxies == [.ipv4(0x0a00_0000, bitCount: 8), .ipv4(0xc000_0201, bitCount: 32), .unix])
        let own = try Self.schema.settings(mail: mail, server: "set_real_ip_from ::1;")[AccessSettings.self]
        #expect(own.trustedProxies == [.ipv6(0, 1, bitCount: 128)])
    }

    @Test func `a name stands for all its addresses`() throws {
        let settings = try Self.schema.settings("set_real_ip_from localhost;", in: .mail)[AccessSettings.self]
        let addresses = NameLookup.addresses(of: "localhost", port: 0)
        #expect(!addresses.isEmpty && settings.trustedProxies == addresses.map(Network.init))
    }

    @Test(arguments: [
        ("10.1.2.3/8", Network.ipv4(0x0a00_0000, bitCount: 8)),
        ("1.2.3.4/0", .ipv4(0, bitCount: 0)),
        ("2001:db8::1/32", .ipv6(0x2001_0db8 << 32, 0, bitCount: 32)),
        ("2001:db8::3/127", .ipv6(0x2001_0db8 << 32, 2, bitCount: 127)),
    ])
    func `bits that do not count are dropped with a warning`(_ text: String, _ network: Network) throws {
        let directive = "set_real_ip_from \(text);"
        #expect(try Self.schema.settings(directive, in: .mail)[AccessSettings.self].trustedProxies == [network])
        #expect(Self.schema.warnings(directive, in: .mail) == ["low address bits of \(text) are meaningless"])
        #expect(Self.schema.warnings("set_real_ip_from 10.0.0.0/8;", in: .mail).isEmpty)
    }

    @Test(arguments: [
        ("set_real_ip_from 10.0.0.0/33;", #"host not found in set_real_ip_from "10.0.0.0/33""#),
        ("set_real_ip_from ::1/129;", #"host not found in set_real_ip_from "::1/129""#),
        ("set_real_ip_from ::1/;", #"host not found in set_real_ip_from "::1/""#),
        ("set_real_ip_from no..host;", #"host not found in set_real_ip_from "no..host""#),
        ("allow localhost;", #"invalid parameter "localhost""#),
        ("deny 10.0.0.0/33;", #"invalid parameter "10.0.0.0/33""#),
        ("deny unix:/run/s;", #"invalid parameter "unix:/run/s""#),
        ("deny all all;", #"invalid number of arguments in "deny" directive"#),
    ])
    func `what is no value is refused`(_ directives: String, _ message: String) {
        #expect(Self.schema.refusal(directives, in: .mail) == message)
        #expect(Self.schema.refusal(directives, in: .server) == message)
    }
}

@Suite struct AccessRuleTests {
    private static let schema = Schema(groups: [AccessSettings.self])

    /// Whether a server with these directives lets clients in that come from there.
    private func admits(_ text: String, mail: String = "", _ directives: String) throws -> Bool {
        let address: SocketAddress = text == "unix:" ? .unix("") : try #require(SocketAddress(literal: text, port: 1))
        return try Self.schema.settings(mail: mail, server: directives)[AccessSettings.self].rules.admit(address)
    }

    @Test(arguments: [
        ("", "192.0.2.1", true), ("deny all;", "192.0.2.1", false), ("allow all; deny all;", "::1", true),
        ("allow 192.168.1.0/24; deny all;", "192.168.1.77", true), ("allow 192.168.1.0/24; deny all;", "192.168.2.1", false),
        ("allow 192.168.1.0/24; deny all;", "::ffff:192.168.1.77", true), ("allow 192.168.1.0/24; deny all;", "2001:db8::1", false),
        ("deny 192.168.1.7; allow 192.168.1.0/24; deny all;", "192.168.1.7", false),
        ("allow 192.168.1.0/24; deny 192.168.1.7; deny all;", "192.168.1.7", true), ("deny 192.168.1.7;", "192.168.1.8", true),
        ("deny 2001:db8::/32;", "2001:db8:1::5", false), ("deny 2001:db8::/32;", "2001:db9::5", true),
        ("deny unix:;", "unix:", false), ("deny unix:;", "192.0.2.1", true), ("allow 0.0.0.0/0; deny all;", "unix:", false),
    ])
    func `the first rule that is about an address decides, and without one it is let in`(
        _ directives: String, _ address: String, _ isAdmitted: Bool
    ) throws {
        #expect(try admits(address, directives) == isAdmitted)
        #expect(try admits(address, mail: directives, "") == isAdmitted)
    }

    @Test func `a server with a rule of its own takes none from the block around it`() throws {
        #expect(try admits("192.0.2.1", mail: "deny all;", "allow 10.0.0.0/8;"))
        #expect(try !admits("10.1.1.1", mail: "allow all;", "deny 10.0.0.0/8;"))
    }
}

@Suite struct NetworkTests {
    @Test(arguments: [
        (Network.ipv4(0x0a00_0000, bitCount: 8), "10.255.0.1", true), (.ipv4(0x0a00_0000, bitCount: 8), "11.0.0.0", false),
        (.ipv4(0, bitCount: 0), "255.255.255.255", true), (.ipv4(0, bitCount: 0), "::1", false),
        (.ipv4(0x0a00_0001, bitCount: 32), "10.0.0.1", true), (.ipv4(0x0a00_0001, bitCount: 32), "10.0.0.2", false),
        (.ipv4(0x0a00_0000, bitCount: 8), "::ffff:10.1.1.1", true),
        (.ipv6(0x2001_0db8 << 32, 0, bitCount: 32), "2001:db8:ffff::1", true),
        (.ipv6(0x2001_0db8 << 32, 0, bitCount: 32), "2001:db9::", false),
        (.ipv6(0, 1, bitCount: 128), "::1", true), (.ipv6(0, 1, bitCount: 128), "::2", false),
        (.ipv6(0, 2, bitCount: 127), "::3", true), (.ipv6(0, 0, bitCount: 0), "2001::", true),
        (.unix, "127.0.0.1", false),
    ])
    func `a network is the addresses that begin like it`(_ network: Network, _ text: String, _ isIn: Bool) throws {
        let address = try #require(SocketAddress(literal: text, port: 25))
        #expect(network.contains(address) == isIn)
    }

    @Test func `a client without an address is in the network of sockets in the file system`() {
        #expect(Network.unix.contains(.unix("")) && !Network.ipv4(0, bitCount: 0).contains(.unix("")))
    }
}
