import Configuration
import Kernel

/// Who takes records over the network or through a socket in the file system, and how they are labelled:
/// `syslog:server=ADDRESS[,facility=…][,severity=…][,tag=…][,nohostname]` (`logging.md`, section 4).
public struct SyslogServer: Sendable, Hashable {
    let address: SocketAddress
    /// As the file has it, for messages.
    let name: String
    private(set) var facility = facilities.firstIndex(of: "local7") ?? 0
    private(set) var tag = "martlet"
    /// The machine's name; nil where it is left out.
    private(set) var hostName: String?

    static let facilities = [
        "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp", "ntp", "audit", "alert",
        "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    ]
    private static let longestTag = 32
    private static let defaultPort: UInt16 = 514

    /// A datagram for a line that lacks its end.
    func datagram(_ line: ArraySlice<UInt8>, _ level: LogLevel, at time: WallClock) -> [UInt8] {
        var datagram = Array("<\(facility * 8 + level.rawValue - 1)>\(Self.months[(time.month - 1) % 12]) ".utf8)
        if time.day < 10 { datagram.append(0x20) }
        datagram.append(contentsOf: "\(time.day) ".utf8)
        datagram.append(decimal: time.hour, digits: 2)
        datagram.append(0x3A)
        datagram.append(decimal: time.minute, digits: 2)
        datagram.append(0x3A)
        datagram.append(decimal: time.second, digits: 2)
        if let hostName { datagram.append(contentsOf: " \(hostName)".utf8) }
        datagram.append(contentsOf: " \(tag): ".utf8)
        return datagram + line
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}

// MARK: Reading

extension SyslogServer {
    /// - Parameter parameters: what follows `syslog:`.
    init(_ parameters: Word) throws(DirectiveFault) {
        var given: [String: Word] = [:]
        var hasHostName = true
        for text in parameters.bytes.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let parameter = Word(Array(text))
            if parameter == "nohostname" {
                hasHostName = false
                continue
            }
            guard let name = ["server", "facility", "severity", "tag"].first(where: { parameter.value(after: $0 + "=") != nil })
            else { throw .message("unknown syslog parameter \"\(parameter.printed)\"") }
            if given[name] != nil { throw .message("duplicate syslog \"\(name)\"") }
            given[name] = parameter.value(after: name + "=")
        }
        guard let server = given["server"] else { throw .message("no syslog server specified") }
        address = try Self.address(server)
        name = server.printed
        if let facility = given["facility"] { self.facility = try Self.facility(facility) }
        if let severity = given["severity"] { try Self.check(severity: severity) }
        if let tag = given["tag"] { self.tag = try Self.tag(tag) }
        hostName = hasHostName ? NameLookup.hostName : nil
    }

    private static func address(_ server: Word) throws(DirectiveFault) -> SocketAddress {
        do throws(AddressFault) {
            return try AddressText(server.bytes, as: .server).first(defaultPort: defaultPort)
        } catch {
            throw .message("\(error.rawValue) in syslog server \"\(server.printed)\"")
        }
    }

    private static func facility(_ word: Word) throws(DirectiveFault) -> Int {
        guard let facility = facilities.firstIndex(of: word.text) else {
            throw .message("unknown syslog facility \"\(word.printed)\"")
        }
        return facility
    }

    /// It is checked, and has no effect: a record has a level of its own.
    private static func check(severity: Word) throws(DirectiveFault) {
        guard LogLevel(named: severity.text) != nil else { throw .message("unknown syslog severity \"\(severity.printed)\"") }
    }

    private static func tag(_ word: Word) throws(DirectiveFault) -> String {
        if word.bytes.count > longestTag { throw .message("syslog tag length exceeds \(longestTag)") }
        let isPlain = word.bytes.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
            default: false
            }
        }
        guard isPlain else { throw .message("syslog \"tag\" only allows alphanumeric characters and underscore") }
        return word.text
    }
}
