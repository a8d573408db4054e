import Kernel
import Protocols
import TLS

extension Session {
    /// The text with what its variables stand for now. What the session does not know is empty.
    func expand(_ text: VariableText) -> [UInt8] {
        if case .text(let only)? = text.parts.first, text.parts.count == 1 { return only }
        return text.parts.flatMap { part in
            switch part {
            case .text(let bytes): bytes
            case .variable(let variable): Array(value(of: variable).utf8)
            }
        }
    }

    private func value(of variable: SessionVariable) -> String {
        let header = identity.proxyHeader
        return switch variable {
        case .clientAddress: identity.address.host
        case .clientPort: Self.port(of: identity.address)
        case .serverAddress: client.source.localAddress?.unmapped.host ?? ""
        case .serverPort: client.source.localAddress.map(Self.port) ?? ""
        case .mailProtocol: server.protocolName
        case .tlsProtocol: security?.protocolVersion ?? ""
        case .tlsCipher: security?.cipher ?? ""
        case .tlsServerName: security?.serverName ?? ""
        case .headerAddress: header.map { String(decoding: $0.source.text, as: UTF8.self) } ?? ""
        case .headerPort: header.map { "\($0.source.port)" } ?? ""
        case .headerServerAddress: header.map { String(decoding: $0.destination.text, as: UTF8.self) } ?? ""
        case .headerServerPort: header.map { "\($0.destination.port)" } ?? ""
        }
    }

    private static func port(of address: SocketAddress) -> String { address.isUnix ? "" : "\(address.port)" }
}
