import Configuration
public import Kernel

/// The parameters of a `listen` directive (`mail-directives.md`, section 3).
public struct ListenOptions: Sendable, Equatable {
    /// What the socket is made with and set to.
    public var socket = ListeningSocket.Options()
    /// Whether the address has a socket of its own, although a wildcard would cover it.
    public var bind = false
    /// Whether each worker has a socket of its own.
    public var reuseport = false
    public var ssl = false
    /// Whether connections begin with a PROXY header.
    public var proxyProtocol = false

    public init() {}

    /// Reads the words after the address.
    init(_ words: ArraySlice<Word>) throws(DirectiveFault) {
        for word in words { try take(word) }
    }
}

extension ListenOptions {
    private static let flags: [Word: any WritableKeyPath<ListenOptions, Bool> & Sendable] = [
        "ssl": \.ssl, "proxy_protocol": \.proxyProtocol, "bind": \.bind, "reuseport": \.reuseport,
        "multipath": \.socket.isMultipath,
    ]

    /// Parameters that say something about a socket give the address one of its own.
    private static let values: KeyValuePairs<String, @Sendable (inout ListenOptions, Word) throws(DirectiveFault) -> Void> = [
        "backlog=": { (options, value) throws(DirectiveFault) in
            options.socket.backlog = try number(value, in: 1...maximum, named: "backlog")
        },
        "rcvbuf=": { (options, value) throws(DirectiveFault) in options.socket.receiveBuffer = try size(value, named: "rcvbuf") },
        "sndbuf=": { (options, value) throws(DirectiveFault) in options.socket.sendBuffer = try size(value, named: "sndbuf") },
        "so_keepalive=": { (options, value) throws(DirectiveFault) in options.socket.keepAlive = try ListeningSocket.KeepAlive(value) },
        // Only a value that begins with an `o` is seen as one at all.
        "ipv6only=o": { (options, value) throws(DirectiveFault) in
            guard ["n", "ff"].contains(value.text) else { throw .message("invalid ipv6only flags \"o\(value.printed)\"") }
            options.socket.isIPv6Only = value.text == "n"
        },
    ]

    /// The kernel counts in a C int.
    private static let maximum = Int(Int32.max)

    private mutating func take(_ word: Word) throws(DirectiveFault) {
        if let flag = Self.flags[word] {
            self[keyPath: flag] = true
            bind = bind || word == "multipath" || word == "reuseport"
            return
        }
        for (prefix, read) in Self.values {
            guard let value = word.value(after: prefix) else { continue }
            try read(&self, value)
            bind = true
            return
        }
        throw .message("invalid parameter \"\(word.printed)\"")
    }

    private static func number(_ value: Word, in range: ClosedRange<Int>, named name: String) throws(DirectiveFault) -> Int {
        guard let number = value.number, range.contains(number) else { throw invalid(name, value) }
        return number
    }

    private static func size(_ value: Word, named name: String) throws(DirectiveFault) -> Int {
        guard let size = value.size, size <= maximum else { throw invalid(name, value) }
        return size
    }

    private static func invalid(_ name: String, _ value: Word) -> DirectiveFault {
        .message("invalid \(name) \"\(name)=\(value.printed)\"")
    }
}

extension ListeningSocket.KeepAlive {
    /// `on`, `off`, or `idle:interval:count`, of which at least one says something.
    fileprivate init(_ value: Word) throws(DirectiveFault) {
        switch value.text {
        case "on": self = .on
        case "off": self = .off
        default:
            guard let figures = Self.figures(value) else {
                throw .message("invalid so_keepalive value: \"\(value.printed)\"")
            }
            self = figures
        }
    }

    private static func figures(_ value: Word) -> Self? {
        let fields = value.bytes.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map { Word(Array($0)) }
        guard fields.count <= 3 else { return nil }
        let (idle, interval) = (seconds(fields.first), seconds(fields.dropFirst().first))
        let count = fields.count < 3 || fields[2].bytes.isEmpty ? 0 : fields[2].number
        guard let idle, let interval, let count, idle > .zero || interval > .zero || count > 0 else { return nil }
        return .after(
            idle: idle > .zero ? idle : nil, interval: interval > .zero ? interval : nil, count: count > 0 ? count : nil)
    }

    /// A field that is missing or empty says the same as zero: nothing.
    private static func seconds(_ field: Word?) -> Duration? {
        guard let field, !field.bytes.isEmpty else { return .zero }
        return field.seconds
    }
}
