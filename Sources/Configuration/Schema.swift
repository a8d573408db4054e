/// Everything a configuration may say: the groups of settings, and what files have that is not for us.
public struct Schema: Sendable {
    /// In nginx's merge order, which decides whose fault is found first.
    public let groups: [any SettingsGroup.Type]
    /// What a whole nginx has and we have not.
    public let passedOver: [PassedOver]
    /// Each directive by its name, in the order of the groups where several blocks have one of that name.
    private let entries: [[UInt8]: [Entry]]

    public init(groups: [any SettingsGroup.Type], passedOver: [PassedOver] = []) {
        self.groups = groups
        self.passedOver = passedOver
        var all = Entry.language
        for group in groups { all += Entry.rows(of: group) }
        all += passedOver.map(Entry.init)
        entries = Dictionary(grouping: all) { Array($0.name.utf8) }
    }

    /// Every directive there is, by name, for tests and tools.
    public var directives: [Entry] {
        entries.values.flatMap { $0 }.sorted { $0.name < $1.name }
    }

    /// Finds the directive that a statement is (`config-language.md`, section 3.1).
    func entry(
        for name: Word, argumentCount: Int, opensBlock: Bool, in block: Block, at position: Position
    ) throws(ConfigurationError) -> Entry {
        guard let candidates = entries[name.bytes] else {
            throw ConfigurationError("unknown directive \"\(name.printed)\"", at: position)
        }
        guard let entry = candidates.first(where: { $0.blocks.contains(block) }) else {
            throw ConfigurationError("\"\(name.printed)\" directive is not allowed here", at: position)
        }
        guard entry.isBlock == opensBlock else {
            let fault = opensBlock ? "is not terminated by \";\"" : "has no opening \"{\""
            throw ConfigurationError("directive \"\(name.printed)\" \(fault)", at: position)
        }
        guard entry.arity.admits(argumentCount) else {
            throw ConfigurationError("invalid number of arguments in \"\(name.printed)\" directive", at: position)
        }
        return entry
    }
}

/// A directive or block of a whole nginx that a mail proxy has no use for. It is read past, unchecked,
/// with a warning.
public struct PassedOver: Sendable, Equatable {
    public let name: String
    public let blocks: [Block]
    public let isBlock: Bool
    /// Completes `"NAME" block …`.
    public let reason: String

    /// A block, read past to the brace that closes it.
    public static func block(
        _ name: String, in blocks: [Block] = [.main], because reason: String = "is not for a mail proxy"
    ) -> PassedOver {
        PassedOver(name: name, blocks: blocks, isBlock: true, reason: reason)
    }

    /// A directive with any words.
    public static func directive(
        _ name: String, in blocks: [Block] = [.main], because reason: String = "is not for a mail proxy"
    ) -> PassedOver {
        PassedOver(name: name, blocks: blocks, isBlock: false, reason: reason)
    }

    var warning: String { "\"\(name)\" \(isBlock ? "block" : "directive") \(reason), it is read past" }
}

extension Schema {
    /// A directive as the language knows it, whatever group it is from.
    public struct Entry: Sendable {
        public let name: String
        public let blocks: [Block]
        public let arity: Arity
        let action: Action

        /// Whether a brace follows its words, rather than a semicolon.
        public var isBlock: Bool {
            switch action {
            case .open: true
            case .set, .include: false
            case .passOver(let passedOver): passedOver.isBlock
            }
        }

        /// Whether it is known only to be read past.
        public var isPassedOver: Bool {
            if case .passOver = action { true } else { false }
        }
    }

    /// What a directive does.
    enum Action: Sendable {
        case set(@Sendable (inout Settings, DirectiveCall) throws(DirectiveFault) -> Void)
        case open(Block)
        case include
        case passOver(PassedOver)
    }
}

extension Schema.Entry {
    /// What the language itself has: its blocks, and `include`.
    fileprivate static var language: [Schema.Entry] {
        let include = Schema.Entry(name: "include", blocks: Block.allCases, arity: .exactly(1), action: .include)
        return [include]
            + Block.allCases.compactMap { block in
                block.outer.map { Schema.Entry(name: block.rawValue, blocks: [$0], arity: .none, action: .open(block)) }
            }
    }

    fileprivate static func rows<Group: SettingsGroup>(of type: Group.Type) -> [Schema.Entry] {
        type.directives.map { row in
            Schema.Entry(
                name: row.name, blocks: row.blocks, arity: row.arity,
                action: .set { (settings, call) throws(DirectiveFault) in try row.apply(&settings[type], call) })
        }
    }

    fileprivate init(_ passedOver: PassedOver) {
        self.init(name: passedOver.name, blocks: passedOver.blocks, arity: .any, action: .passOver(passedOver))
    }
}
