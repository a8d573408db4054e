public import Configuration
import Kernel
public import Telemetry

/// How many connections a client may have at once, in nginx's words.
public struct LimitSettings: SettingsGroup {
    @Setting public var zones: [ConnectionZone] = []
    @Setting public var limits: [ConnectionLimit] = []
    @Setting public var logLevel = LogLevel.error
    /// Limits are watched, but nobody is turned away.
    @Setting public var isDryRun = false

    public init() {}

    public static let directives: [Directive<Self>] = [
        .custom(
            "limit_conn_zone", in: [.mail], takes: .exactly(2), inherits: \.$zones,
            handler: { (group, call) throws(DirectiveFault) in
                let zone = try ConnectionZone(call)
                if let other = group.zones.first(where: { $0.name == zone.name }) {
                    throw .message("\(call.name) \"\(zone.name)\" is already bound to key \"\(other.key.rawValue)\"")
                }
                group.$zones.append(contentsOf: [zone])
            }),
        .custom(
            "limit_conn", in: [.mail, .server], takes: .exactly(2), inherits: \.$limits,
            handler: { (group, call) throws(DirectiveFault) in
                let limit = try ConnectionLimit(zone: call.words[0], count: call.words[1])
                if group.limits.contains(where: { $0.zone == limit.zone }) { throw .duplicate }
                group.$limits.append(contentsOf: [limit])
            }),
        .choice(
            "limit_conn_log_level", of: ["info": .info, "notice": .notice, "warn": .warn, "error": .error],
            in: [.mail, .server], sets: \.$logLevel),
        .flag("limit_conn_dry_run", in: [.mail, .server], sets: \.$isDryRun),
    ]
}

/// `limit_conn_zone`: by what connections are counted, and in how much memory.
public struct ConnectionZone: Sendable, Hashable {
    public enum Key: String, Sendable, CaseIterable {
        case binaryRemoteAddress = "$binary_remote_addr"
        case remoteAddress = "$remote_addr"
        /// Whoever has logged in.
        case remoteUser = "$remote_user"
    }

    public let name: String
    public let key: Key
    public let byteCount: Int

    private static let minimumPageCount = 8

    fileprivate init(_ call: DirectiveCall) throws(DirectiveFault) {
        let (key, zone) = (call.words[0], call.words[1])
        guard let known = Key.allCases.first(where: { $0.rawValue == key.text }) else {
            throw .message(key.bytes.first == UInt8(ascii: "$") ? "unknown \"\(key.printed.dropFirst())\" variable" : "invalid key \"\(key.printed)\"")
        }
        guard let description = zone.value(after: "zone=") else { throw .message("invalid parameter \"\(zone.printed)\"") }
        guard let colon = description.bytes.firstIndex(of: UInt8(ascii: ":")),
            let size = Word(Array(description.bytes[(colon + 1)...])).size
        else { throw .message("invalid zone size \"\(zone.printed)\"") }
        if size < Self.minimumPageCount * OwnProcess.pageSize { throw .message("zone \"\(zone.printed)\" is too small") }
        if colon == 0 { throw .message("\"\(call.name)\" must have \"zone\" parameter") }
        name = Word(Array(description.bytes[..<colon])).text
        self.key = known
        byteCount = size
    }
}

/// `limit_conn`: how many connections there may be of each key of a zone.
public struct ConnectionLimit: Sendable, Equatable {
    public let zone: String
    public let count: Int

    fileprivate init(zone: Word, count: Word) throws(DirectiveFault) {
        guard let number = count.number, number > 0 else {
            throw .message("invalid number of connections \"\(count.printed)\"")
        }
        guard number <= 65535 else { throw .message("connection limit must be less 65536") }
        self.zone = zone.text
        self.count = number
    }
}
