/// One word of a directive as the lexer hands it over: unquoted and unescaped bytes of any character set.
package struct Word: Sendable, Equatable, ExpressibleByStringLiteral {
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }
    package init(stringLiteral text: String) { bytes = Array(text.utf8) }

    /// The word as text, for comparing and printing. Bytes that are not UTF-8 do not survive this.
    package var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// How many words a directive takes after its name.
package enum Arity: Sendable, Equatable {
    case none
    case exactly(Int)
    case between(Int, Int)
    case atLeast(Int)
    case any

    /// Counted classes never take more than seven (`config-language.md`, section 3.1).
    package func admits(_ count: Int) -> Bool {
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
package struct DirectiveCall: Sendable {
    package let name: String
    /// The words after the name.
    package let words: [Word]
    package let block: Block
    package let position: Position
    package let paths: ConfigurationPaths
    /// Takes a warning; the language adds the position.
    package let warn: @Sendable (String) -> Void

    package init(
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
package struct ConfigurationPaths: Sendable, Equatable {
    /// `-p`, with a final `/`: the base of most paths.
    package let prefix: String
    /// The folder of the main file, with a final `/`: the base of `include` and of TLS files.
    package let directory: String

    package init(prefix: String, directory: String) {
        self.prefix = prefix
        self.directory = directory
    }

    package func resolve(_ path: String) -> String { path.hasPrefix("/") ? path : prefix + path }
    package func resolveBesideConfiguration(_ path: String) -> String { path.hasPrefix("/") ? path : directory + path }
}

/// A row of a settings group: a directive's name, where it may stand, how many words it takes, and
/// the property it sets. Setting it, refusing a second one and inheriting it all follow from the row.
package struct Directive<Group: SettingsGroup>: Sendable {
    package let name: String
    package let blocks: [Block]
    package let arity: Arity
    package let apply: @Sendable (inout Group, DirectiveCall) throws(DirectiveFault) -> Void
    package let inherit: @Sendable (inout Group, Group) -> Void

    package init(
        _ name: String, in blocks: [Block], takes arity: Arity,
        apply: @escaping @Sendable (inout Group, DirectiveCall) throws(DirectiveFault) -> Void,
        inherit: @escaping @Sendable (inout Group, Group) -> Void
    ) {
        self.name = name
        self.blocks = blocks
        self.arity = arity
        self.apply = apply
        self.inherit = inherit
    }
}

/// Settings that belong together, as one block sees them: a property and a row for each directive.
package protocol SettingsGroup: Sendable {
    init()
    static var directives: [Directive<Self>] { get }

    /// Checks and completes what can be judged only when the block is whole and has inherited.
    /// Groups are finished in the schema's order, each for all servers in the file's order.
    /// - Parameter block: which block this is; `position` is where it opened, nil for the file itself.
    mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError)
}

extension SettingsGroup {
    package mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {}
}

/// The settings of one block, each group by its type.
package struct Settings: Sendable {
    private var groups: [ObjectIdentifier: any SettingsGroup] = [:]

    package init() {}

    /// The group of this block, or one of defaults where the block has none.
    package subscript<Group: SettingsGroup>(_ type: Group.Type) -> Group {
        get { groups[ObjectIdentifier(type)] as? Group ?? Group() }
        set { groups[ObjectIdentifier(type)] = newValue }
    }
}
