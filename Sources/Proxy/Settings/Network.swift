import Configuration
public import Kernel

/// A set of addresses, as `set_real_ip_from`, `allow` and the like name it.
public enum Network: Sendable, Equatable {
    /// The leading bits of an address that count; the others are zero.
    case ipv4(UInt32, bitCount: Int)
    case ipv6(UInt64, UInt64, bitCount: Int)
    /// Whoever comes through a socket in the file system.
    case unix

    /// Just this address.
    init(_ address: SocketAddress) {
        switch address {
        case .ipv4(let address, _): self = .ipv4(address, bitCount: 32)
        case .ipv6(let high, let low, _): self = .ipv6(high, low, bitCount: 128)
        case .unix: self = .unix
        }
    }

    /// Whether the address is one of these. An IPv4 client of an IPv6 socket is an IPv4 client.
    public func contains(_ address: SocketAddress) -> Bool {
        switch (self, address.unmapped) {
        case (.ipv4(let network, let bitCount), .ipv4(let address, _)):
            address.keeping(leading: bitCount) == network
        case (.ipv6(let high, let low, let bitCount), .ipv6(let addressHigh, let addressLow, _)):
            addressHigh.keeping(leading: bitCount) == high && addressLow.keeping(leading: bitCount - 64) == low
        case (.unix, .unix): true
        default: false
        }
    }
}

extension Network {
    /// `unix:`, an address, an address with `/` and the count of bits, or a host name with all its
    /// addresses. Bits behind those that count are dropped with a warning.
    static func networks(_ word: Word, in call: DirectiveCall) throws(DirectiveFault) -> [Network] {
        if let network = literal(word, in: call) { return [network] }
        let found = word.text.contains("/") ? [] : NameLookup.addresses(of: word.text, port: 0)
        if found.isEmpty { throw .message("host not found in \(call.name) \"\(word.printed)\"") }
        return found.map(Network.init)
    }

    /// The same without host names.
    static func network(_ word: Word, in call: DirectiveCall) throws(DirectiveFault) -> Network {
        guard let network = literal(word, in: call) else { throw .message("invalid parameter \"\(word.printed)\"") }
        return network
    }

    private static func literal(_ word: Word, in call: DirectiveCall) -> Network? {
        if word == "unix:" { return .unix }
        guard let literal = Literal(word.text) else { return nil }
        let network = literal.network
        if network.literalAddress != literal.address {
            call.warn("low address bits of \(word.printed) are meaningless")
        }
        return network
    }

    private var literalAddress: SocketAddress {
        switch self {
        case .ipv4(let address, _): .ipv4(address, port: 0)
        case .ipv6(let high, let low, _): .ipv6(high, low, port: 0)
        case .unix: .unix("")
        }
    }

    /// An address with the count of its bits that count.
    private struct Literal {
        let address: SocketAddress
        let bitCount: Int

        init?(_ text: String) {
            let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            guard let first = parts.first, let address = SocketAddress(literal: String(first), port: 0) else { return nil }
            let width = if case .ipv4 = address { 32 } else { 128 }
            let bitCount = parts.count == 1 ? width : Word(Array(parts[1].utf8)).number
            guard let bitCount, bitCount <= width else { return nil }
            self.address = address
            self.bitCount = bitCount
        }

        var network: Network {
            switch address {
            case .ipv4(let address, _): .ipv4(address.keeping(leading: bitCount), bitCount: bitCount)
            case .ipv6(let high, let low, _):
                .ipv6(high.keeping(leading: bitCount), low.keeping(leading: bitCount - 64), bitCount: bitCount)
            case .unix: .unix
            }
        }
    }
}

extension FixedWidthInteger {
    /// The first so many bits, the others zero. Shifts that leave nothing are smart shifts.
    fileprivate func keeping(leading count: Int) -> Self {
        count <= 0 ? 0 : self & (~0 << Swift.max(0, Self.bitWidth - count))
    }
}
