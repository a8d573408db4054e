/// The one builder of lines that POP3 and SMTP upstreams are told. It refuses what would end a line
/// early or cut it short, so that no login, password or address becomes a command of its own
/// (`security.md`, "Faults others had").
enum UpstreamLine {
    /// The parts, one after another, with CR LF behind; nil where one of them holds CR, LF or NUL.
    static func build(_ parts: [UInt8]...) -> Secret? {
        var line: [UInt8] = []
        line.reserveCapacity(parts.reduce(2) { $0 + $1.count })
        for part in parts {
            if part.contains(where: { $0 == .carriageReturn || $0 == .lineFeed || $0 == 0 }) { return nil }
            line += part
        }
        line += [.carriageReturn, .lineFeed]
        return Secret(line)
    }
}
