/// A value that one directive sets: its default, until a file says otherwise. Whether it was set is
/// what duplicates are refused by, and what inheriting goes by.
@propertyWrapper package struct Setting<Value: Sendable>: Sendable {
    package private(set) var value: Value
    package private(set) var isSet = false

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
    package mutating func set(_ newValue: Value) {
        value = newValue
        isSet = true
    }

    /// Takes the outer block's value, where this block has set none.
    package mutating func inherit(from outer: Setting<Value>) {
        if !isSet { self = outer }
    }
}
