import Configuration
public import Kernel
import Protocols

/// A machine that is connected to: where it is, or by what name that is found out.
public struct Host: Sendable, Equatable, CustomStringConvertible {
    /// What it is called, which its certificate is held to.
    public let name: String
    public private(set) var port: UInt16
    /// Where it was when the configuration was loaded; empty where nobody knew.
    public private(set) var addresses: [SocketAddress]
    /// Whether name servers may be asked where it is. They are not asked for what `/etc/hosts` has: that is the
    /// operator's own word, and may be meant to differ.
    public let isInDNS: Bool

    /// A host that is at this address.
    public init(at address: SocketAddress, name: String) {
        self.name = name
        port = address.port
        addresses = [address]
        isInDNS = false
    }

    /// A host of which only name servers know where it is.
    public init(named name: String, port: UInt16) {
        self.name = name
        self.port = port
        addresses = []
        isInDNS = true
    }

    /// A host as a directive names it. A name that the system does not know is no fault as long as there may be
    /// name servers to ask.
    init(_ text: AddressText, defaultPort: UInt16 = 0) throws(AddressFault) {
        name = text.hostName
        port = text.ports?.lowerBound ?? defaultPort
        guard case .name(let name) = text.host else {
            addresses = try text.addresses(defaultPort: defaultPort)
            isInDNS = false
            return
        }
        addresses = NameLookup.addresses(of: name, port: port)
        isInDNS = DNSName(Array(name.utf8)) != nil && !NameLookup.isInHostsFile(name)
        if addresses.isEmpty && !isInDNS { throw .hostNotFound }
    }

    func with(port: UInt16) -> Host {
        var host = self
        host.port = port
        host.addresses = addresses.map { $0.with(port: port) }
        return host
    }

    /// As the log calls it: the address where there is but one, else the name.
    public var description: String { addresses.count == 1 ? "\(addresses[0])" : name }
}
