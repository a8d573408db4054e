/// An address as directives write it: `host:port`, `[::1]:port`, `unix:/path`, and what may follow it
/// (`mail-directives.md`, sections 3 and 4).
public struct AddressText {
    /// What a directive lets stand in its address.
    public enum Form: Sendable {
        /// Where to listen: one port or a range of them, the host being optional.
        case listen
        /// Whom to connect to.
        case server
        /// Whom to connect to, and what to ask for there.
        case url
    }

    public enum Host: Sendable, Equatable {
        case everywhere
        /// An address whose port is yet to be filled in.
        case literal(SocketAddress)
        case name(String)
        case path(String)
    }

    public let host: Host
    /// The host as it was written, an IPv6 one in its brackets; empty for a socket in the file system.
    public private(set) var hostText: [UInt8] = []
    /// The host as a certificate names it. A socket in the file system is on this machine.
    public var hostName: String {
        if case .path = host { return "localhost" }
        let isBracketed = hostText.first == openingBracket
        return String(decoding: isBracketed ? hostText.dropFirst().dropLast() : hostText[...], as: UTF8.self)
    }
    /// Nil where none is given.
    public private(set) var ports: ClosedRange<UInt16>?
    /// What follows the address, from its `/` or `?` on; empty where nothing does.
    public private(set) var uri: [UInt8] = []

    /// Each address once, with each port: what a literal says, or all that a name stands for.
    public func addresses(defaultPort: UInt16 = 0) throws(AddressFault) -> [SocketAddress] {
        let ports = ports ?? defaultPort...defaultPort
        switch host {
        case .everywhere: return ports.map { .ipv4(0, port: $0) }
        case .literal(let address): return ports.map { address.with(port: $0) }
        case .path(let path): return [.unix(path)]
        case .name(let name):
            let found = NameLookup.addresses(of: name, port: ports.lowerBound)
            if found.isEmpty { throw .hostNotFound }
            return found.flatMap { address in ports.map { address.with(port: $0) } }
        }
    }

    /// The address that is used where there may be but one.
    public func first(defaultPort: UInt16 = 0) throws(AddressFault) -> SocketAddress {
        guard let first = try addresses(defaultPort: defaultPort).first else { throw .hostNotFound }
        return first
    }
}

/// What is wrong with an address, in nginx's words. Directives say where.
public enum AddressFault: String, Error {
    case noPath = "no path in the unix domain socket"
    case pathTooLong = "too long path in the unix domain socket"
    case noHost = "no host"
    case invalidHost = "invalid host"
    case invalidIPv6Address = "invalid IPv6 address"
    case hostNotFound = "host not found"
    case noPort = "no port"
    case invalidPort = "invalid port"
    case invalidPortRange = "invalid port range"
    case invalidURI = "invalid URI"
}

// MARK: Reading

extension AddressText {
    public init(_ text: [UInt8], as form: Form) throws(AddressFault) {
        if text.starts(with: "unix:".utf8) {
            self = try Self.unix(Array(text.dropFirst(5)), form)
            return
        }
        let end = text.firstIndex { $0 == slash || $0 == questionMark } ?? text.endIndex
        guard end == text.endIndex || form == .url else { throw .invalidHost }
        var address = try Self.address(text[..<end], form)
        address.uri = try Self.uri(text[end...])
        self = address
    }

    /// A path, which in a URL ends at a colon.
    private static func unix(_ text: [UInt8], _ form: Form) throws(AddressFault) -> AddressText {
        let end = form == .url ? text.firstIndex(of: colon) ?? text.endIndex : text.endIndex
        if end == text.startIndex { throw .noPath }
        if end > SocketAddress.maximumPathLength { throw .pathTooLong }
        return AddressText(
            host: .path(String(decoding: text[..<end], as: UTF8.self)), uri: try uri(text[end...].dropFirst()))
    }

    private static func address(_ text: ArraySlice<UInt8>, _ form: Form) throws(AddressFault) -> AddressText {
        if text.first == openingBracket { return try bracketed(text, form) }
        if let end = text.firstIndex(of: colon) {
            let ports = try ports(text[(end + 1)...], form)
            return AddressText(host: try host(text[..<end], form), hostText: Array(text[..<end]), ports: ports)
        }
        if form == .listen, let range = portNumbers(text) {
            return AddressText(host: .everywhere, ports: try checked(range))
        }
        return AddressText(host: try host(text, form), hostText: Array(text))
    }

    private static func bracketed(_ text: ArraySlice<UInt8>, _ form: Form) throws(AddressFault) -> AddressText {
        guard let end = text.firstIndex(of: closingBracket) else { throw .invalidHost }
        let rest = text[(end + 1)...]
        guard rest.isEmpty || rest.first == colon else { throw .invalidHost }
        let ports = rest.isEmpty ? nil : try ports(rest.dropFirst(), form)
        let digits = text[..<end].dropFirst()
        if digits.isEmpty { throw .noHost }
        guard let address = SocketAddress(literal: String(decoding: digits, as: UTF8.self), port: 0), case .ipv6 = address
        else { throw .invalidIPv6Address }
        return AddressText(host: .literal(address), hostText: Array(text[...end]), ports: ports)
    }

    private static func host(_ text: ArraySlice<UInt8>, _ form: Form) throws(AddressFault) -> Host {
        if text.isEmpty { throw .noHost }
        if form == .listen && text.elementsEqual("*".utf8) { return .everywhere }
        guard text.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { throw .invalidHost }
        let name = String(decoding: text, as: UTF8.self)
        return SocketAddress(literal: name, port: 0).map { .literal($0) } ?? .name(name)
    }

    /// What goes into a request line may hold nothing that could end it.
    private static func uri(_ text: ArraySlice<UInt8>) throws(AddressFault) -> [UInt8] {
        guard text.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else { throw .invalidURI }
        return Array(text)
    }

    private static func ports(_ text: ArraySlice<UInt8>, _ form: Form) throws(AddressFault) -> ClosedRange<UInt16> {
        let isRange = text.contains(dash)
        guard let range = portNumbers(text), form == .listen || !isRange else { throw .invalidPort }
        return try checked(range)
    }

    /// `110`, or `110-115`, as numbers of any size.
    private static func portNumbers(_ text: ArraySlice<UInt8>) -> (Int, Int)? {
        let end = text.firstIndex(of: dash) ?? text.endIndex
        guard let first = number(text[..<end]) else { return nil }
        if end == text.endIndex { return (first, first) }
        return number(text[(end + 1)...]).map { (first, $0) }
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        digits.allSatisfy { (0x30...0x39).contains($0) } ? Int(String(decoding: digits, as: UTF8.self)) : nil
    }

    private static func checked(_ range: (first: Int, last: Int)) throws(AddressFault) -> ClosedRange<UInt16> {
        guard let first = UInt16(exactly: range.first), let last = UInt16(exactly: range.last), first > 0, last > 0
        else { throw .invalidPort }
        guard first <= last else { throw .invalidPortRange }
        return first...last
    }
}

private let colon: UInt8 = 0x3a, dash: UInt8 = 0x2d, slash: UInt8 = 0x2f, questionMark: UInt8 = 0x3f
private let openingBracket: UInt8 = 0x5b, closingBracket: UInt8 = 0x5d

extension SocketAddress {
    public func with(port: UInt16) -> SocketAddress {
        switch self {
        case .ipv4(let address, _): .ipv4(address, port: port)
        case .ipv6(let high, let low, _): .ipv6(high, low, port: port)
        case .unix: self
        }
    }
}
