/// Rows for directives whose values accumulate within a block. What a block says replaces the default
/// and the outer block's list as a whole.
extension Directive {
    /// Words, in order.
    public static func words<Element: SettingValue<String> & Sendable>(
        _ name: String, in blocks: [Block], takes arity: Arity = .atLeast(1), sets setting: Property<[Element]>
    ) -> Directive {
        list(name, in: blocks, takes: arity, sets: setting) { $0.map { Element(given: $0.text) } }
    }

    /// Words, in order, as the bytes that they are.
    public static func words<Element: SettingValue<[UInt8]> & Sendable>(
        _ name: String, in blocks: [Block], takes arity: Arity = .atLeast(1), sets setting: Property<[Element]>
    ) -> Directive {
        list(name, in: blocks, takes: arity, sets: setting) { $0.map { Element(given: $0.bytes) } }
    }

    /// Pairs of words, one in each directive.
    public static func pairs(
        _ name: String, in blocks: [Block], sets setting: Property<[NamedValue]>
    ) -> Directive {
        list(name, in: blocks, takes: .exactly(2), sets: setting) { words in
            zip(words, words.dropFirst()).map { NamedValue(name: $0, value: $1) }
        }
    }

    private static func list<Element: Sendable>(
        _ name: String, in blocks: [Block], takes arity: Arity, sets setting: Property<[Element]>,
        elements: @escaping @Sendable ([Word]) -> [Element]
    ) -> Directive {
        custom(name, in: blocks, takes: arity, inherits: setting) { (group, call) throws(DirectiveFault) in
            group[keyPath: setting].append(contentsOf: elements(call.words))
        }
    }
}

/// Several of a list of keywords, in any case of letters: a bitmask in nginx. One given twice in a block
/// is only warned of. The property holds them in the order of the list, whatever the file's.
extension Directive {
    public static func bitmask<Element: Equatable & Sendable>(
        _ name: String, of keywords: KeyValuePairs<String, Element>, in blocks: [Block],
        sets setting: Property<[Element]>
    ) -> Directive {
        bitmask(name, of: keywords.map { ($0.key, $0.value) }, in: blocks, sets: setting)
    }

    /// The property holds the keywords themselves, as they are spelled here.
    public static func bitmask(
        _ name: String, of keywords: [String], in blocks: [Block], sets setting: Property<[String]>
    ) -> Directive {
        bitmask(name, of: keywords.map { ($0, $0) }, in: blocks, sets: setting)
    }

    public static func bitmask<Element: Equatable & Sendable>(
        _ name: String, of keywords: [(String, Element)], in blocks: [Block], sets setting: Property<[Element]>
    ) -> Directive {
        custom(name, in: blocks, takes: .atLeast(1), inherits: setting) { (group, call) throws(DirectiveFault) in
            for word in call.words {
                guard let keyword = keywords.first(where: { word.isKeyword($0.0) }) else { throw .invalidValue(word) }
                let given = group[keyPath: setting].isSet ? group[keyPath: setting].value : []
                if given.contains(keyword.1) {
                    call.warn("duplicate value \"\(word.printed)\"")
                } else {
                    let all = given + [keyword.1]
                    group[keyPath: setting].set(keywords.map { $0.1 }.filter { all.contains($0) })
                }
            }
        }
    }
}

/// Two words that belong together, such as a header's name and value.
public struct NamedValue: Sendable, Equatable {
    public let name: Word
    public let value: Word

    public init(name: Word, value: Word) {
        self.name = name
        self.value = value
    }
}
