/// Settings that belong together, as one block sees them: a property and a row for each directive.
public protocol SettingsGroup: Sendable {
    init()
    static var directives: [Directive<Self>] { get }

    /// Checks what can be judged as soon as a block closes, before it inherits. Called for the blocks
    /// that the group has directives for.
    /// - Parameter position: where the block opened, which is what a fault is reported with.
    func close(_ block: Block, at position: Position) throws(DirectiveFault)

    /// Checks and completes what can be judged only when the block is whole and has inherited. Called
    /// for the blocks that the group has directives for: in the schema's order of groups first for
    /// `mail` and then each `server` in the file's order, and when those are good, for the file itself
    /// and for `events`. So faults of a mail server come before those that nginx finds only after it
    /// has said that the syntax is ok.
    /// - Parameter block: which block this is; `position` is where it opened, nil for the file itself.
    mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError)
}

extension SettingsGroup {
    public func close(_ block: Block, at position: Position) throws(DirectiveFault) {}
    public mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {}
}

/// The settings of one block, each group by its type.
public struct Settings: Sendable {
    private var groups: [ObjectIdentifier: any SettingsGroup] = [:]

    public init() {}

    /// The group of this block, or one of defaults where the block has none.
    public subscript<Group: SettingsGroup>(_ type: Group.Type) -> Group {
        get { groups[ObjectIdentifier(type)] as? Group ?? Group() }
        set { groups[ObjectIdentifier(type)] = newValue }
    }
}

extension Settings {
    /// Lets each row of the group inherit that may stand both in this block and in the outer one.
    mutating func inherit<Group: SettingsGroup>(_ type: Group.Type, from outer: Settings, as block: Block) {
        guard let outerBlock = block.outer else { return }
        let rows = type.directives.filter { $0.blocks.contains(block) && $0.blocks.contains(outerBlock) }
        guard !rows.isEmpty else { return }
        var group = self[type]
        for row in rows { row.inherit(&group, outer[type]) }
        self[type] = group
    }

    func close<Group: SettingsGroup>(
        _ type: Group.Type, _ block: Block, at position: Position
    ) throws(DirectiveFault) {
        if type.stands(in: block) { try self[type].close(block, at: position) }
    }

    mutating func finish<Group: SettingsGroup>(
        _ type: Group.Type, _ block: Block, at position: Position?
    ) throws(ConfigurationError) {
        guard type.stands(in: block) else { return }
        var group = self[type]
        try group.finish(block, at: position, in: self)
        self[type] = group
    }
}

extension SettingsGroup {
    fileprivate static func stands(in block: Block) -> Bool { directives.contains { $0.blocks.contains(block) } }
}
