/// What a client, or a proxy before it, says of itself by `ID` (RFC 2971).
public struct IMAPClientID: Sendable, Equatable {
    /// How many fields a command may have, and how long their names and values may be.
    public static let maxCount = 30
    static let maxNameByteCount = 30
    static let maxValueByteCount = 1024

    /// In the order of the command. A value that is NIL says nothing, and is not here.
    public private(set) var fields: [ClientField] = []

    public init() {}

    /// - Parameter arguments: names and values in turn; nil stands for NIL.
    /// - Returns: nil where these are no fields.
    init?(_ arguments: [Secret?]) {
        guard arguments.count % 2 == 0, arguments.count <= 2 * Self.maxCount else { return nil }
        for index in stride(from: 0, to: arguments.count, by: 2) {
            guard let name = arguments[index], name.count <= Self.maxNameByteCount else { return nil }
            guard let value = arguments[index + 1] else { continue }
            if value.count > Self.maxValueByteCount { return nil }
            fields.append(ClientField(name: name.span.bytes(), value: value.span.bytes()))
        }
    }

    private static let forwardPrefix = "x-forward-"

    /// Who the client of a proxy is by these fields, which are Dovecot's. What is none of them, or has no
    /// meaning, is not said.
    public var claim: ClientClaim {
        var claim = ClientClaim()
        for field in fields {
            let value = field.value.span
            switch String(decoding: field.name.map(\.lowercased), as: UTF8.self) {
            case "x-originating-ip": claim.address = InternetAddress(value)
            case "x-originating-port": claim.port = value.decimal(in: value.indices, maximum: 65535).map { UInt16($0) }
            case "x-connected-ip": claim.destination = InternetAddress(value)
            case "x-connected-port": claim.destinationPort = value.decimal(in: value.indices, maximum: 65535).map { UInt16($0) }
            case "x-proxy-ttl": claim.hopsLeft = value.decimal(in: value.indices, maximum: 255)
            case "x-session-id": claim.session = SessionName.isOne(field.value) ? field.value : nil
            case let name where name.hasPrefix(Self.forwardPrefix):
                let name = Array(name.utf8.dropFirst(Self.forwardPrefix.utf8.count))
                if ForwardedFields.isField(name, field.value) { claim.forwarded.append(ClientField(name: name, value: field.value)) }
            default: break
            }
        }
        return claim
    }

    /// What a client says of itself and not of another: names that begin with `x-` are for proxies.
    fileprivate var ownFields: [ClientField] { fields.filter { !$0.name.span.hasKeyword("x-") } }
}

extension IMAPClientID {
    /// How long our command may be; servers take at least lines of this length.
    private static let maxCommandByteCount = 2000

    /// The command that tells an upstream who the client is, with what the client says of itself as far as there
    /// is room; nil where the client has no address.
    static func command(tag: [UInt8], _ facts: ClientFacts, _ client: IMAPClientID) -> [UInt8]? {
        guard let source = facts.source else { return nil }
        var fields = [("x-originating-ip", source.address.text), ("x-originating-port", Array("\(source.port)".utf8))]
        if let destination = facts.destination {
            fields += [("x-connected-ip", destination.address.text), ("x-connected-port", Array("\(destination.port)".utf8))]
        }
        fields.append(("x-proxy-ttl", Array("\(facts.hopsLeft)".utf8)))
        if let session = facts.session { fields.append(("x-session-id", session)) }
        let ours = fields.map { ClientField(name: Array($0.0.utf8), value: $0.1) }
        let forwarded = facts.forwardedFields.map { ClientField(name: Array(forwardPrefix.utf8) + $0.name, value: $0.value) }
        var command = tag + Array(" ID (".utf8)
        var count = 0
        for field in ours + forwarded + client.ownFields where count < maxCount && field.isQuotable {
            let words = (count == 0 ? [] : [.space]) + quoted(field.name) + [.space] + quoted(field.value)
            if command.count + words.count > maxCommandByteCount { continue }
            command += words
            count += 1
        }
        return command + Array(")\r\n".utf8)
    }

    private static func quoted(_ text: [UInt8]) -> [UInt8] {
        [.quote] + text.flatMap { $0 == .quote || $0 == .backslash ? [.backslash, $0] : [$0] } + [.quote]
    }
}

extension ClientField {
    fileprivate var isQuotable: Bool { (name + value).allSatisfy(\.isPrintableASCII) && name.count <= IMAPClientID.maxNameByteCount }
}
