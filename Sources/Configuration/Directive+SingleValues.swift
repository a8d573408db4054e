/// Rows for directives of one value. A second one in a block is a fault unless the row `isRepeatable`.
/// The property may be an optional, nil until a file sets it.
extension Directive {
    /// `on` or `off`.
    public static func flag<Value: SettingValue<Bool> & Sendable>(
        _ name: String, in blocks: [Block], sets setting: Property<Value>, isRepeatable: Bool = false
    ) -> Directive {
        single(name, in: blocks, sets: setting, isRepeatable) { (word, _) throws(DirectiveFault) in
            guard let value = word.flag else {
                throw .message(
                    "invalid value \"\(word.printed)\" in \"\(name)\" directive, it must be \"on\" or \"off\"")
            }
            return value
        }
    }

    /// Any word, as text.
    public static func string<Value: SettingValue<String> & Sendable>(
        _ name: String, in blocks: [Block], sets setting: Property<Value>, isRepeatable: Bool = false
    ) -> Directive {
        single(name, in: blocks, sets: setting, isRepeatable) { (word, _) throws(DirectiveFault) in word.text }
    }

    /// Any word, as the bytes that it is.
    public static func string<Value: SettingValue<[UInt8]> & Sendable>(
        _ name: String, in blocks: [Block], sets setting: Property<Value>, isRepeatable: Bool = false
    ) -> Directive {
        single(name, in: blocks, sets: setting, isRepeatable) { (word, _) throws(DirectiveFault) in word.bytes }
    }

    /// Decimal digits.
    public static func number<Value: SettingValue<Int> & Sendable>(
        _ name: String, in blocks: [Block], sets setting: Property<Value>,
        atLeast least: Int = 0, atMost most: Int = .max, isRepeatable: Bool = false
    ) -> Directive {
        single(name, in: blocks, sets: setting, isRepeatable) { (word, _) throws(DirectiveFault) in
            guard let value = word.number else { throw .invalidNumber }
            return try bounded(value, least, most)
        }
    }

    /// A number of bytes, with `k` or `m`.
    public static func size<Value: SettingValue<Int> & Sendable>(
        _ name: String, in blocks: [Block], sets setting: Property<Value>,
        atLeast least: Int = 0, atMost most: Int = .max, isRepeatable: Bool = false
    ) -> Directive {
        single(name, in: blocks, sets: setting, isRepeatable) { (word, _) throws(DirectiveFault) in
            guard let value = word.size else { throw .invalidValue }
            return try bounded(value, least, most)
        }
    }

    /// A number of bytes, with `k`, `m` or `g`.
    public static func offset<Value: SettingValue<Int> & Sendable>(
        _ name: String, in blocks: [Block], sets setting: Property<Value>,
        atLeast least: Int = 0, atMost most: Int = .max, isRepeatable: Bool = false
    ) -> Directive {
        single(name, in: blocks, sets: setting, isRepeatable) { (word, _) throws(DirectiveFault) in
            guard let value = word.offset else { throw .invalidValue }
            return try bounded(value, least, most)
        }
    }

    /// A time of the kind that knows milliseconds.
    public static func duration<Value: SettingValue<Duration> & Sendable>(
        _ name: String, in blocks: [Block], sets setting: Property<Value>, isRepeatable: Bool = false
    ) -> Directive {
        single(name, in: blocks, sets: setting, isRepeatable) { (word, _) throws(DirectiveFault) in
            guard let value = word.duration else { throw .invalidValue }
            return value
        }
    }

    /// A time of the kind that knows months and years.
    public static func seconds<Value: SettingValue<Duration> & Sendable>(
        _ name: String, in blocks: [Block], sets setting: Property<Value>, isRepeatable: Bool = false
    ) -> Directive {
        single(name, in: blocks, sets: setting, isRepeatable) { (word, _) throws(DirectiveFault) in
            guard let value = word.seconds else { throw .invalidValue }
            return value
        }
    }

    /// A path, which is made absolute where the prefix or the folder of the main file is.
    public static func path<Value: SettingValue<String> & Sendable>(
        _ name: String, in blocks: [Block], sets setting: Property<Value>,
        relativeTo base: PathBase = .prefix, isRepeatable: Bool = false
    ) -> Directive {
        single(name, in: blocks, sets: setting, isRepeatable) { (word, call) throws(DirectiveFault) in
            switch base {
            case .prefix: call.paths.resolve(word.text)
            case .configuration: call.paths.resolveBesideConfiguration(word.text)
            }
        }
    }

    /// One of these keywords, in any case of letters.
    public static func choice<Value: Sendable>(
        _ name: String, of choices: KeyValuePairs<String, Value>, in blocks: [Block],
        sets setting: Property<Value>, isRepeatable: Bool = false
    ) -> Directive {
        choice(name, of: choices.map { ($0.key, $0.value) }, in: blocks, sets: setting, isRepeatable: isRepeatable)
    }

    /// One of these keywords, in any case of letters.
    public static func choice<Value: Sendable>(
        _ name: String, of choices: [(String, Value)], in blocks: [Block],
        sets setting: Property<Value>, isRepeatable: Bool = false
    ) -> Directive {
        custom(
            name, in: blocks, takes: .exactly(1), sets: setting, isRepeatable: isRepeatable
        ) { (call) throws(DirectiveFault) in
            for word in call.words {
                guard let choice = choices.first(where: { word.isKeyword($0.0) }) else { throw .invalidValue(word) }
                return choice.1
            }
            throw .invalidValue
        }
    }

    /// A directive of one word, which `parse` understands.
    private static func single<Value: SettingValue & Sendable>(
        _ name: String, in blocks: [Block], sets setting: Property<Value>, _ isRepeatable: Bool,
        parse: @escaping @Sendable (Word, DirectiveCall) throws(DirectiveFault) -> Value.Plain
    ) -> Directive {
        custom(
            name, in: blocks, takes: .exactly(1), sets: setting, isRepeatable: isRepeatable
        ) { (call) throws(DirectiveFault) in
            guard let word = call.words.first else { throw .invalidValue }
            return Value(given: try parse(word, call))
        }
    }

    private static func bounded(_ value: Int, _ least: Int, _ most: Int) throws(DirectiveFault) -> Int {
        guard value < least || value > most else { return value }
        throw .message(
            most == .max
                ? "value must be equal to or greater than \(least)"
                : "value must be between \(least) and \(most)")
    }
}

/// What a relative path in a directive starts from.
public enum PathBase: Sendable {
    case prefix
    /// The folder of the main file.
    case configuration
}
