/// A row of a settings group: a directive's name, where it may stand, how many words it takes, and
/// the property it sets. Setting it, refusing a second one and inheriting it all follow from the row.
public struct Directive<Group: SettingsGroup>: Sendable {
    public let name: String
    public let blocks: [Block]
    public let arity: Arity
    public let apply: @Sendable (inout Group, DirectiveCall) throws(DirectiveFault) -> Void
    public let inherit: @Sendable (inout Group, Group) -> Void

    public init(
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

extension Directive {
    /// A property of the group, as a row names it: `\.$timeout`.
    public typealias Property<Value: Sendable> = any WritableKeyPath<Group, Setting<Value>> & Sendable

    /// The same row under a name that has had its day: it works, with a warning.
    public func deprecated(inFavorOf replacement: String) -> Directive {
        warning("the \"\(name)\" directive is deprecated, use the \"\(replacement)\" directive instead")
    }

    /// The same row, with a warning whenever it is used.
    public func warning(_ text: String) -> Directive {
        Directive(name, in: blocks, takes: arity) { (group, call) throws(DirectiveFault) in
            call.warn(text)
            try apply(&group, call)
        } inherit: { inherit(&$0, $1) }
    }

    /// A directive that has no effect here, and is accepted because files have it.
    public static func ignored(_ name: String, in blocks: [Block], takes arity: Arity = .exactly(1)) -> Directive {
        Directive(name, in: blocks, takes: arity) { (_, _) throws(DirectiveFault) in } inherit: { _, _ in }
    }

    /// A directive that makes a value of its words itself.
    /// - Parameter isRepeatable: whether the last one in a block wins, instead of the second being a fault.
    public static func custom<Value: Sendable>(
        _ name: String, in blocks: [Block], takes arity: Arity,
        sets setting: Property<Value>, isRepeatable: Bool = false,
        handler: @escaping @Sendable (DirectiveCall) throws(DirectiveFault) -> Value
    ) -> Directive {
        custom(name, in: blocks, takes: arity, inherits: setting) { (group, call) throws(DirectiveFault) in
            if group[keyPath: setting].isSet && !isRepeatable { throw .duplicate }
            group[keyPath: setting].set(try handler(call), at: call.position)
        }
    }

    /// A directive that does to its group what its handler says, and inherits one setting.
    public static func custom<Value: Sendable>(
        _ name: String, in blocks: [Block], takes arity: Arity,
        inherits setting: Property<Value>,
        handler: @escaping @Sendable (inout Group, DirectiveCall) throws(DirectiveFault) -> Void
    ) -> Directive {
        Directive(name, in: blocks, takes: arity, apply: handler) { group, outer in
            group[keyPath: setting].inherit(from: outer[keyPath: setting])
        }
    }

    /// A directive that does to its group what its handler says, and inherits nothing.
    public static func custom(
        _ name: String, in blocks: [Block], takes arity: Arity,
        handler: @escaping @Sendable (inout Group, DirectiveCall) throws(DirectiveFault) -> Void
    ) -> Directive {
        Directive(name, in: blocks, takes: arity, apply: handler) { _, _ in }
    }
}
