/// How many words a directive takes after its name.
public enum Arity: Sendable, Equatable {
    case none
    case exactly(Int)
    case between(Int, Int)
    case atLeast(Int)
    case any

    /// Counted classes never take more than seven (`config-language.md`, section 3.1).
    public func admits(_ count: Int) -> Bool {
        switch self {
        case .none: count == 0
        case .exactly(let wanted): count == wanted
        case .between(let least, let most): least <= count && count <= min(most, 7)
        case .atLeast(let least): count >= least
        case .any: true
        }
    }
}

/// A directive as it stands in a file, with what its handler may ask about its surroundings.
public struct DirectiveCall: Sendable {
    public let name: String
    /// The words after the name.
    public let words: [Word]
    public let block: Block
    public let position: Position
    public let paths: ConfigurationPaths
    /// Takes a warning; the language adds the position.
    public let warn: @Sendable (String) -> Void

    /// The directive as it may stand in a message, without its semicolon.
    public var text: String { ([name] + words.map(\.printed)).joined(separator: " ") }

    public init(
        name: String, words: [Word], block: Block, position: Position, paths: ConfigurationPaths,
        warn: @escaping @Sendable (String) -> Void
    ) {
        self.name = name
        self.words = words
        self.block = block
        self.position = position
        self.paths = paths
        self.warn = warn
    }
}

/// What relative paths in a file are relative to.
public struct ConfigurationPaths: Sendable, Equatable {
    /// `-p`, with a final `/`: the base of most paths.
    public let prefix: String
    /// The folder of the main file, with a final `/`: the base of `include` and of TLS files.
    public let directory: String

    public init(prefix: String, directory: String) {
        self.prefix = prefix
        self.directory = directory
    }

    public func resolve(_ path: String) -> String { path.hasPrefix("/") ? path : prefix + path }
    public func resolveBesideConfiguration(_ path: String) -> String { path.hasPrefix("/") ? path : directory + path }
}
