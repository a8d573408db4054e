/// `XCLIENT`, by which a proxy says who its client is: Postfix's command of SMTP (XCLIENT_README), with what Dovecot
/// adds to it, and Dovecot's command of POP3.
public enum XClientAttribute: Int, Sendable, CaseIterable {
    // In the order in which they are said, as far as nginx says them.
    case address, login, name, port, proto, helo, destinationAddress, destinationPort, hopsLeft, session, forwarded

    /// The attribute of this name, in any case of letters.
    public init?(_ name: Span<UInt8>) {
        for attribute in Self.allCases where name.isKeyword(attribute.word, in: name.indices) {
            self = attribute
            return
        }
        return nil
    }

    /// What it is called in the command.
    public var word: String {
        switch self {
        case .address: "ADDR"
        case .login: "LOGIN"
        case .name: "NAME"
        case .port: "PORT"
        case .proto: "PROTO"
        case .helo: "HELO"
        case .destinationAddress: "DESTADDR"
        case .destinationPort: "DESTPORT"
        case .hopsLeft: "TTL"
        case .session: "SESSION"
        case .forwarded: "FORWARD"
        }
    }
}

/// What one command says.
public struct XClientAttributes: Sendable, Equatable {
    public enum Fault: Error, Sendable, Equatable { case syntax, unknownAttribute, value }

    /// By attribute; nil where nothing is said of it.
    private var values = [[UInt8]?](repeating: nil, count: XClientAttribute.allCases.count)

    public subscript(_ attribute: XClientAttribute) -> [UInt8]? {
        get { said(attribute).flatMap { Self.isUnavailable($0) ? nil : $0 } }
        set { values[attribute.rawValue] = newValue }
    }

    /// What is said, were it that nobody knows.
    private func said(_ attribute: XClientAttribute) -> [UInt8]? { values[attribute.rawValue] }

    public init() {}

    /// Whether this is said, were it that nobody knows.
    func tells(_ attribute: XClientAttribute) -> Bool { said(attribute) != nil }

    /// Puts what another command says in the place of what this one does.
    public mutating func add(_ others: XClientAttributes) {
        for (index, value) in others.values.enumerated() where value != nil { values[index] = value }
    }

    fileprivate static let unavailable = Array("[UNAVAILABLE]".utf8)

    private static func isUnavailable(_ value: [UInt8]) -> Bool { value.span.isKeyword("[UNAVAILABLE]", in: value.indices) }
}

// MARK: Reading

extension XClientAttributes {
    /// Reads SMTP's words `NAME=VALUE`, in which values are xtext.
    public init(smtp words: [[UInt8]], known: [XClientAttribute]) throws(Fault) {
        if words.isEmpty { throw .syntax }
        for word in words {
            let (name, text) = try Self.split(word)
            guard let attribute = XClientAttribute(name.span), known.contains(attribute) else { throw .unknownAttribute }
            guard let value = XText.decode(text), !value.isEmpty else { throw .value }
            self[attribute] = value
        }
    }

    /// Reads POP3's words, in which values are plain. Dovecot skips what it does not know.
    public init(pop3 words: [[UInt8]]) throws(Fault) {
        if words.isEmpty { throw .syntax }
        for word in words {
            let (name, value) = try Self.split(word)
            if let attribute = XClientAttribute(name.span) { self[attribute] = value }
        }
    }

    private static func split(_ word: [UInt8]) throws(Fault) -> (name: [UInt8], value: [UInt8]) {
        guard let sign = word.firstIndex(of: .equalsSign), sign > 0 else { throw .syntax }
        return (Array(word[..<sign]), Array(word[(sign + 1)...]))
    }

    /// Who the client is by these attributes.
    public func claim() throws(Fault) -> ClientClaim {
        var claim = ClientClaim()
        claim.address = try address(.address)
        claim.port = try number(.port, atMost: 65535).map { UInt16($0) }
        claim.destination = try address(.destinationAddress)
        claim.destinationPort = try number(.destinationPort, atMost: 65535).map { UInt16($0) }
        claim.hopsLeft = try number(.hopsLeft, atMost: 255)
        claim.session = self[.session].flatMap { SessionName.isOne($0) ? $0 : nil }
        claim.hostName = try hostName()
        if let text = self[.forwarded] { claim.forwarded = ForwardedFields.decode(text) }
        return claim
    }

    private func address(_ attribute: XClientAttribute) throws(Fault) -> InternetAddress? {
        guard let text = self[attribute] else { return nil }
        let hasPrefix = text.span.hasKeyword("IPV6:")
        guard let address = InternetAddress(Array(text.dropFirst(hasPrefix ? 5 : 0)).span), address.isIPv6 || !hasPrefix else {
            throw .value
        }
        return address
    }

    private func number(_ attribute: XClientAttribute, atMost maximum: Int) throws(Fault) -> Int? {
        guard let text = self[attribute] else { return nil }
        guard let number = text.span.decimal(in: text.indices, maximum: maximum) else { throw .value }
        return number
    }

    private func hostName() throws(Fault) -> [UInt8]? {
        guard let name = said(.name) else { return nil }
        for word in ["[UNAVAILABLE]", "[TEMPUNAVAIL]"] where name.span.isKeyword(word, in: name.indices) { return Array(word.utf8) }
        let isName = name.count <= 255 && name.allSatisfy { $0.isLetter || $0.isDigit || $0 == .hyphen || $0 == .dot }
        guard isName else { throw .value }
        return name
    }
}

/// What a proxy calls a session: Dovecot's are base64.
enum SessionName {
    static func isOne(_ text: [UInt8]) -> Bool {
        (1...64).contains(text.count) && text.allSatisfy { $0.isPrintableASCII && $0 != .space && $0 != .quote && $0 != .backslash }
    }
}

// MARK: Writing

extension XClientAttribute {
    /// What these facts say of it; nil where that is nothing. A client without an address is said to have none: to an
    /// upstream that hears nothing it would still be the proxy, whose word for who the client is counts.
    func value(in facts: ClientFacts) -> [UInt8]? {
        switch self {
        case .address: facts.source?.address.xclientText ?? XClientAttributes.unavailable
        case .port: facts.source.map { Array("\($0.port)".utf8) } ?? XClientAttributes.unavailable
        case .name: facts.hostName
        case .destinationAddress: facts.destination?.address.xclientText
        case .destinationPort: facts.destination.map { Array("\($0.port)".utf8) }
        case .hopsLeft: Array("\(facts.hopsLeft)".utf8)
        case .session: facts.session
        case .login, .proto, .helo, .forwarded: nil
        }
    }
}

extension XClientAttributes {
    /// The commands of SMTP that say these attributes, so many as their length asks for. The address is in the last one:
    /// who has said it is a stranger (XCLIENT_README, note 1).
    /// - Parameter value: what is said of an attribute; nil where that is nothing.
    public static func smtpCommands(
        of attributes: [XClientAttribute], saying value: (XClientAttribute) -> [UInt8]?
    ) -> [[UInt8]] {
        var commands: [[UInt8]] = []
        var command: [UInt8] = []
        command.reserveCapacity(maxCommandByteCount)
        for attribute in XClientAttribute.allCases where attributes.contains(attribute) {
            guard let value = value(attribute) else { continue }
            let (name, text) = (attribute.word.utf8, XText.encode(value))
            let isFull = command.count + name.count + text.count + 2 > maxCommandByteCount
            if isFull && !command.isEmpty {
                commands.append(command)
                command.removeAll(keepingCapacity: true)
            }
            if command.isEmpty { command.append(contentsOf: "XCLIENT".utf8) }
            command.append(.space)
            command.append(contentsOf: name)
            command.append(.equalsSign)
            command.append(contentsOf: text)
        }
        if !command.isEmpty { commands.append(command) }
        return commands.reversed()
    }

    /// The command of POP3, without its end; nil where the client has no address.
    public static func pop3Command(_ facts: ClientFacts) -> [UInt8]? {
        guard let source = facts.source else { return nil }
        var command = Array("XCLIENT ADDR=".utf8) + source.address.text + Array(" PORT=\(source.port)".utf8)
        if let session = facts.session { command += Array(" SESSION=".utf8) + session }
        command += Array(" TTL=\(facts.hopsLeft)".utf8)
        if let fields = ForwardedFields.encode(facts.forwardedFields) { command += Array(" FORWARD=".utf8) + fields }
        return command
    }

    /// A line of SMTP has 512 bytes, its end among them (RFC 5321, section 4.5.3.1.4).
    private static let maxCommandByteCount = 510
}

extension InternetAddress {
    /// As SMTP's `XCLIENT` names it.
    fileprivate var xclientText: [UInt8] { isIPv6 ? Array("IPV6:".utf8) + text : text }
}

/// POP3's form of what proxies forward: Dovecot's `name=value` fields with tabs between them, in base64.
enum ForwardedFields {
    /// Limits are those of IMAP's `ID`, the other way such fields go.
    static let maxCount = 30
    private static let maxByteCount = 600

    static func decode(_ text: [UInt8]) -> [ClientField] {
        guard let decoded = Base64.decode(text.span) else { return [] }
        let fields = decoded.span.bytes().split(separator: UInt8(ascii: "\t")).compactMap { field -> ClientField? in
            guard let sign = field.firstIndex(of: .equalsSign) else { return nil }
            let (name, value) = (Array(field[..<sign]), Array(field[(sign + 1)...]))
            return isField(name, value) ? ClientField(name: name, value: value) : nil
        }
        return Array(fields.prefix(maxCount))
    }

    /// Nil where there is nothing to say. Fields are left out that do not fit the line.
    static func encode(_ fields: [ClientField]) -> [UInt8]? {
        var text: [UInt8] = []
        for field in fields where isField(field.name, field.value) {
            let more = (text.isEmpty ? [] : [UInt8(ascii: "\t")]) + field.name + [.equalsSign] + field.value
            if text.count + more.count <= maxByteCount { text += more }
        }
        return text.isEmpty ? nil : Base64.encode(text)
    }

    /// Whether a field can be said in POP3 and in IMAP alike.
    static func isField(_ name: [UInt8], _ value: [UInt8]) -> Bool {
        let isName = (1...20).contains(name.count)
            && name.allSatisfy { $0.isLetter || $0.isDigit || $0 == .hyphen || $0 == UInt8(ascii: "_") }
        return isName && value.count <= 512 && value.allSatisfy(\.isPrintableASCII)
    }
}
