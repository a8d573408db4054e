import Configuration

/// What a session knows of itself that a file may ask for.
public enum SessionVariable: String, CaseIterable, Sendable {
    case clientAddress = "remote_addr"
    case clientPort = "remote_port"
    case serverAddress = "server_addr"
    case serverPort = "server_port"
    case mailProtocol = "protocol"
    case tlsProtocol = "ssl_protocol"
    case tlsCipher = "ssl_cipher"
    case tlsServerName = "ssl_server_name"
    case headerAddress = "proxy_protocol_addr"
    case headerPort = "proxy_protocol_port"
    case headerServerAddress = "proxy_protocol_server_addr"
    case headerServerPort = "proxy_protocol_server_port"
}

/// A text in which `$name` and `${name}` may stand for what a session knows of itself.
public struct VariableText: Sendable, Equatable {
    public enum Part: Sendable, Equatable {
        case text([UInt8])
        case variable(SessionVariable)
    }

    public private(set) var parts: [Part] = []

    /// A text in which nothing stands for anything else.
    init(literally text: [UInt8]) { parts = [.text(text)] }

    /// Reads the variables in a text. There is no way to write a dollar sign, as in nginx.
    init(_ text: [UInt8]) throws(DirectiveFault) {
        var rest = text[...]
        while let start = rest.firstIndex(of: Self.dollar) {
            if start > rest.startIndex { parts.append(.text(Array(rest[..<start]))) }
            rest = rest[(start + 1)...]
            parts.append(.variable(try Self.takeVariable(&rest)))
        }
        if !rest.isEmpty { parts.append(.text(Array(rest))) }
    }

    private static func takeVariable(_ rest: inout ArraySlice<UInt8>) throws(DirectiveFault) -> SessionVariable {
        let isBraced = rest.first == UInt8(ascii: "{")
        if isBraced { rest.removeFirst() }
        let bytes = rest.prefix(while: isNameByte)
        let name = String(decoding: bytes, as: UTF8.self)
        rest = rest.dropFirst(bytes.count)
        if isBraced && rest.popFirst() != UInt8(ascii: "}") {
            throw .message("the closing bracket in \"\(name)\" variable is missing")
        }
        if name.isEmpty { throw .message("invalid variable name") }
        guard let variable = SessionVariable(rawValue: name) else { throw .message("unknown \"\(name)\" variable") }
        return variable
    }

    private static let dollar = UInt8(ascii: "$")

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "_"): true
        default: false
        }
    }
}
