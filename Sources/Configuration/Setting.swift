/// A value that one directive sets: its default, until a file says otherwise. Whether it was set is
/// what duplicates are refused by, and what inheriting goes by.
@propertyWrapper package struct Setting<Value: Sendable>: Sendable {
    package private(set) var value: Value
    package private(set) var isSet = false
    /// Where the directive stands that has set it last, in whichever block, if it has told.
    package private(set) var position: Position?

    package init(wrappedValue: Value) { value = wrappedValue }

    /// The value. Assigning to it in code changes a default, not what counts as set by the file.
    package var wrappedValue: Value {
        get { value }
        set { value = newValue }
    }

    package var projectedValue: Setting<Value> {
        get { self }
        set { self = newValue }
    }

    /// Takes the value that a file gives.
    package mutating func set(_ newValue: Value, at position: Position? = nil) {
        value = newValue
        isSet = true
        self.position = position
    }

    /// Takes the outer block's value, where this block has set none.
    package mutating func inherit(from outer: Setting<Value>) {
        if !isSet { self = outer }
    }
}

/// Settings are equal that say the same, whichever block has said it.
extension Setting: Equatable where Value: Equatable {
    package static func == (left: Setting, right: Setting) -> Bool { left.value == right.value }
}

extension Setting where Value: RangeReplaceableCollection {
    /// Takes more elements that a file gives. The first ones in a block take the place of the default,
    /// and so of what an outer block says.
    package mutating func append(contentsOf elements: some Sequence<Value.Element>) {
        var all = isSet ? value : Value()
        all.append(contentsOf: elements)
        set(all)
    }
}

/// What a `Setting` may hold for a directive that yields a `Plain`: just that, or an optional that is
/// nil until a file gives one.
package protocol SettingValue<Plain> {
    associatedtype Plain
    init(given plain: Plain)
}

extension Bool: SettingValue { package init(given plain: Bool) { self = plain } }
extension Int: SettingValue { package init(given plain: Int) { self = plain } }
extension Duration: SettingValue { package init(given plain: Duration) { self = plain } }
extension String: SettingValue { package init(given plain: String) { self = plain } }
extension Word: SettingValue { package init(given plain: Word) { self = plain } }
extension [UInt8]: SettingValue { package init(given plain: [UInt8]) { self = plain } }
extension Optional: SettingValue { package init(given plain: Wrapped) { self = plain } }
