import Configuration
public import Kernel

/// The name servers that are asked, and how (`mail-directives.md`, section 3).
///
/// Each directive is one of its own, with a cache of its own, even if another says the same.
public struct Resolver: Sendable, Hashable {
    private let position: Position
    public private(set) var servers: [SocketAddress] = []
    /// How long an answer is kept, whatever it says itself; nil: as long as it says.
    public private(set) var validity: Duration?
    public private(set) var asksForIPv4 = true
    public private(set) var asksForIPv6 = true

    init(_ words: [Word], at position: Position) throws(DirectiveFault) {
        self.position = position
        for word in words {
            if try !takeParameter(word) { try takeServers(word) }
        }
        if !asksForIPv4 && !asksForIPv6 { throw .message("\"ipv4\" and \"ipv6\" cannot both be \"off\"") }
        if servers.isEmpty { throw .message("no name servers defined") }
    }

    private mutating func takeParameter(_ word: Word) throws(DirectiveFault) -> Bool {
        let invalid = DirectiveFault.message("invalid parameter: \(word.printed)")
        if let value = word.value(after: "valid=") {
            guard let seconds = value.seconds else { throw invalid }
            validity = seconds
        } else if let value = word.value(after: "ipv4=") {
            guard let flag = value.flag else { throw invalid }
            asksForIPv4 = flag
        } else if let value = word.value(after: "ipv6=") {
            guard let flag = value.flag else { throw invalid }
            asksForIPv6 = flag
        } else if let zone = word.value(after: "status_zone=") {
            if zone.bytes.isEmpty { throw invalid }
        } else {
            return false
        }
        return true
    }

    private mutating func takeServers(_ word: Word) throws(DirectiveFault) {
        do throws(AddressFault) {
            servers += try AddressText(word.bytes, as: .server).addresses(defaultPort: 53)
        } catch {
            throw .message("\(error.rawValue) in resolver \"\(word.printed)\"")
        }
    }
}
