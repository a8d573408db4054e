/// Version 1 is a line: `PROXY TCP4 192.0.2.1 192.0.2.2 40000 143`.
extension ProxyHeader {
    static func parseVersion1(_ bytes: Span<UInt8>) throws(ProxyHeaderStop) -> (ProxyHeader, byteCount: Int) {
        func broken() -> ProxyHeaderStop { .fault(.broken(text: printable(bytes))) }
        let openings = ["PROXY TCP4 ", "PROXY TCP6 ", "PROXY UNKNOWN"].map { Array($0.utf8) }
        guard let opening = openings.first(where: { bytes.hasBytes($0) }) else {
            // Compared where they are: what is no header may be a password.
            let mayBecomeOne = openings.contains { opening in
                bytes.count < opening.count && bytes.indices.allSatisfy { bytes[$0] == opening[$0] }
            }
            throw mayBecomeOne ? .incomplete : broken()
        }
        let isUnknown = opening == openings[2]
        guard let end = lineEnd(of: bytes, from: opening.count, takesAnything: isUnknown) else {
            throw bytes.count < maxByteCount ? .incomplete : broken()
        }
        // A line that is ended by something else is no header.
        guard bytes.hasBytes([.carriageReturn, .lineFeed], at: end) else {
            throw end + 1 == bytes.count && bytes[end] == .carriageReturn ? .incomplete : broken()
        }
        if isUnknown { return (ProxyHeader(), end + 2) }
        guard let addresses = addresses(in: opening.count..<end, of: bytes) else { throw broken() }
        return (ProxyHeader(addresses), end + 2)
    }

    /// Where the line ends: at the first byte that no address holds, or behind `UNKNOWN` at CR LF alone.
    private static func lineEnd(of bytes: Span<UInt8>, from start: Int, takesAnything: Bool) -> Int? {
        (start..<bytes.count).first { index in
            takesAnything ? bytes.hasBytes([.carriageReturn, .lineFeed], at: index) : bytes[index].isControl
        }
    }

    /// Two addresses and two ports, with single spaces between them.
    private static func addresses(in range: Range<Int>, of bytes: Span<UInt8>) -> Addresses? {
        let words = bytes.bytes(in: range).split(separator: .space, omittingEmptySubsequences: false).map { Array($0) }
        guard words.count == 4, words[..<2].allSatisfy({ !$0.isEmpty && $0.allSatisfy(isAddressByte) }) else { return nil }
        func port(_ word: [UInt8]) -> UInt16? { word.span.decimal(in: word.indices, maximum: 65535).map { UInt16($0) } }
        guard let sourcePort = port(words[2]), let destinationPort = port(words[3]) else { return nil }
        return Addresses(
            source: Party(text: words[0], port: sourcePort), destination: Party(text: words[1], port: destinationPort))
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool { byte.hexDigitValue != nil || byte == .dot || byte == .colon }

    /// The header of version 1 for a connection between these two; nil stands for an end that has no address.
    /// IPv4 is written as IPv6 where the other end is that: a line has but one family.
    public static func version1(from source: Endpoint?, to destination: Endpoint?) -> [UInt8] {
        guard let source, let destination else { return Array("PROXY UNKNOWN\r\n".utf8) }
        let isIPv6 = source.address.isIPv6 || destination.address.isIPv6
        let addresses = [source, destination].map { isIPv6 ? $0.address.mapped.text : $0.address.text }
        return Array((isIPv6 ? "PROXY TCP6 " : "PROXY TCP4 ").utf8) + addresses[0] + [.space] + addresses[1]
            + Array(" \(source.port) \(destination.port)\r\n".utf8)
    }
}
