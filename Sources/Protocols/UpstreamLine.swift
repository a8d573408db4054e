/// The one builder of lines that POP3 and SMTP upstreams are told. It refuses what would end a line
/// early or cut it short, so that no login, password or address becomes a command of its own
/// (`security.md`, "Faults others had").
enum UpstreamLine {
    /// A command of ours and its argument, with CR LF behind; nil where the argument holds CR, LF or NUL.
    static func build(_ command: String, _ argument: Span<UInt8>) -> Secret? {
        for index in argument.indices {
            let byte = argument[index]
            if byte == .carriageReturn || byte == .lineFeed || byte == 0 { return nil }
        }
        var line = Secret(capacity: command.utf8.count + argument.count + 2)
        line.append(command.utf8)
        line.append(argument)
        line.append("\r\n")
        return line
    }
}
