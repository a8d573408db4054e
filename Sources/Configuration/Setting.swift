/// A value that one directive sets: its default, until a file says otherwise. Whether it was set is
/// what duplicates are refused by, and what inheriting goes by.
@propertyWrapper public struct Setting<Value: Sendable>: Sendable {
    public private(set) var value: Value
    public private(set) var isSet = false
    /// Where the directive stands that has set it last, in whichever block, if it has told.
    public private(set) var position: Position?

    public init(wrappedValue: Value) { value = wrappedValue }

    /// The value. Assigning to it in code changes a default, not what counts as set by the file.
    public var wrappedValue: Value {
        get { value }
        set { value = newValue }
    }

    public var projectedValue: Setting<Value> {
        get { self }
        set { self = newValue }
    }

    /// Takes the value that a file gives.
    public mutating func set(_ newValue: Value, at position: Position? = nil) {
        value = newValue
        isSet = true
        self.position = position
    }

    /// Takes the outer block's value, where this block has set none.
    public mutating func inherit(from outer: Setting<Value>) {
        if !isSet { self = outer }
    }
}

/// Settings are equal that say the same, whichever block has said it.
extension Setting: Equatable where Value: Equatable {
    public static func == (left: Setting, right: Setting) -> Bool { left.value == right.value }
}

extension Setting where Value: RangeReplaceableCollection {
    /// Takes more elements that a file gives. The first ones in a block take the place of the default,
    /// and so of what an outer block says.
    public mutating func append(contentsOf elements: some Sequence<Value.Element>) {
        var all = isSet ? value : Value()
        all.append(contentsOf: elements)
        set(all)
    }
}

/// What a `Setting` may hold for a directive that yields a `Plain`: just that, or an optional that is
/// nil until a file gives one.
public protocol SettingValue<Plain> {
    associatedtype Plain
    init(given plain: Plain)
}

extension Bool: SettingValue { public init(given plain: Bool) { self = plain } }
extension Int: SettingValue { public init(given plain: Int) { self = plain } }
extension Duration: SettingValue { public init(given plain: Duration) { self = plain } }
extension String: SettingValue { public init(given plain: String) { self = plain } }
extension Word: SettingValue { public init(given plain: Word) { self = plain } }
extension [UInt8]: SettingValue { public init(given plain: [UInt8]) { self = plain } }
extension Optional: SettingValue { public init(given plain: Wrapped) { self = plain } }
