/// Where a directive may stand: the file itself, or one of the blocks in it.
public enum Block: String, Sendable, CaseIterable {
    case main, events, mail, server

    /// The block that this one stands in, and whose settings it inherits.
    public var outer: Block? {
        switch self {
        case .main: nil
        case .events, .mail: .main
        case .server: .mail
        }
    }

    /// Whether there may be several of it.
    var isRepeatable: Bool { self == .server }
}

/// Where a directive was found: a file with a line, or the text given with `-g`.
public enum Position: Sendable, Hashable, CustomStringConvertible {
    case file(String, line: Int)
    case commandLine

    /// As it ends a message: `in FILE:LINE`, or `in command line`.
    public var description: String {
        switch self {
        case .file(let path, let line): "in \(path):\(line)"
        case .commandLine: "in command line"
        }
    }
}
