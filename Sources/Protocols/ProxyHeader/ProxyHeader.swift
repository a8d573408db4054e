/// What a balancer says of a connection before anything else is said on it: HAProxy's PROXY protocol, versions
/// 1 and 2 (`mail-extras.md`, section 1).
public struct ProxyHeader: Sendable, Equatable {
    /// How long a header may be, whatever it holds.
    public static let maxByteCount = 4096

    /// Nil where the balancer speaks for itself, or does not know.
    public var addresses: Addresses?
    /// Nil where the client speaks none with the balancer, or nothing is said of it.
    public var tls: ClientTLS?

    public init(_ addresses: Addresses? = nil, tls: ClientTLS? = nil) {
        self.addresses = addresses
        self.tls = tls
    }

    public struct Addresses: Sendable, Equatable {
        public var source: Party
        public var destination: Party

        public init(source: Party, destination: Party) {
            self.source = source
            self.destination = destination
        }
    }

    /// One end of the connection, as it is told.
    public struct Party: Sendable, Equatable {
        /// Hexadecimal digits, dots and colons: in version 1 not always an address.
        public let text: [UInt8]
        public let port: UInt16
        /// Nil where the text is no address.
        public var endpoint: Endpoint? { InternetAddress(text.span).map { Endpoint($0, port: port) } }

        public init(text: [UInt8], port: UInt16) {
            self.text = text
            self.port = port
        }
    }
}

/// What the bytes at the start of a connection amount to. Until they are a header, all of them are part of it.
public enum ProxyHeaderInput: Sendable, Equatable {
    /// Indirect, since a value that had room for a header would be filled where there is none with what some register
    /// holds by chance: the end of what was copied last, such as a password.
    indirect case header(ProxyHeader, byteCount: Int)
    case incomplete
    /// There is no header, nor will there be one.
    case broken(ProxyHeaderFault)
}

public enum ProxyHeaderFault: Error, Sendable, Equatable {
    /// The bytes are none. `text` is what of them cannot be a password.
    case broken(text: [UInt8])
    case unknownVersion(UInt8)
    case tooLarge
    /// A length in it does not fit what it is the length of.
    case wrongLength
    case wrongChecksum
}

extension ProxyHeader {
    /// Parses the header that starts at the first byte.
    public static func parse(_ bytes: Span<UInt8>) -> ProxyHeaderInput {
        do throws(ProxyHeaderStop) {
            if bytes.count == 0 { throw .incomplete }
            let (header, byteCount) = bytes[0] == .carriageReturn ? try parseVersion2(bytes) : try parseVersion1(bytes)
            return .header(header, byteCount: byteCount)
        } catch {
            switch error {
            case .fault(let fault): return .broken(fault)
            case .incomplete: return .incomplete
            }
        }
    }

    /// What is wrong with a header of which nothing more comes.
    public static func fault(ofCutShort bytes: Span<UInt8>) -> ProxyHeaderFault { .broken(text: printable(bytes)) }

    /// The first line of what should be a header, as far as a log may show it: a client that speaks to the
    /// wrong port may begin with its password, so only what begins as a header does is shown.
    static func printable(_ bytes: Span<UInt8>) -> [UInt8] {
        guard bytes.hasBytes(Array("PROXY ".utf8)) else { return [] }
        let end = bytes.indices.first { bytes[$0].isControl } ?? bytes.count
        return bytes.bytes(in: 0..<min(end, maxPrintedByteCount))
    }

    /// No line of version 1 needs more.
    private static let maxPrintedByteCount = 107
}

/// Why a parser ends without a header.
enum ProxyHeaderStop: Error {
    case incomplete
    case fault(ProxyHeaderFault)
}
