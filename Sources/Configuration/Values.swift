/// The value syntaxes (`config-language.md`, section 4). Each is nil where the word is not such a value,
/// or is one that does not fit.
extension Word {
    /// `on` or `off`, in any case.
    public var flag: Bool? {
        if isKeyword("on") { return true }
        return isKeyword("off") ? false : nil
    }

    /// Decimal digits and nothing else: no sign, no blank, not empty.
    public var number: Int? { Self.number(bytes[...]) }

    /// A number of bytes, in bytes, `k` or `m`.
    public var size: Int? { scaled(by: ["k": 1 << 10, "m": 1 << 20]) }

    /// A number of bytes, in bytes, `k`, `m` or `g`.
    public var offset: Int? { scaled(by: ["k": 1 << 10, "m": 1 << 20, "g": 1 << 30]) }

    /// A time of the kind that knows milliseconds, but neither months nor years.
    public var duration: Duration? {
        TimeValue.parse(bytes, unitsPerSecond: 1000).map { .milliseconds($0) }
    }

    /// A time of the kind that knows months and years, but no milliseconds.
    public var seconds: Duration? {
        TimeValue.parse(bytes, unitsPerSecond: 1).map { .seconds($0) }
    }

    private func scaled(by units: KeyValuePairs<String, Int>) -> Int? {
        guard let last = bytes.last else { return nil }
        guard let unit = units.first(where: { Word([last]).isKeyword($0.key) }) else { return number }
        guard let count = Self.number(bytes.dropLast()) else { return nil }
        let (value, overflows) = count.multipliedReportingOverflow(by: unit.value)
        return overflows ? nil : value
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        guard !digits.isEmpty else { return nil }
        var value = 0
        for digit in digits {
            guard let next = value.appending(digit: digit) else { return nil }
            value = next
        }
        return value
    }
}

extension Int {
    fileprivate func appending(digit: UInt8) -> Int? {
        guard (0x30...0x39).contains(digit) else { return nil }
        let (shifted, tooBig) = multipliedReportingOverflow(by: 10)
        let (value, overflows) = shifted.addingReportingOverflow(Int(digit - 0x30))
        return tooBig || overflows ? nil : value
    }
}

/// `1d 12h30m`: numbers with units, each unit smaller than the one before, then perhaps bare seconds
/// (`config-language.md`, section 4.1).
private enum TimeValue {
    private struct Unit {
        let name: String
        /// Units come in rising rank, and none twice.
        let rank: Int
        let milliseconds: Int
    }

    private static let units: [Unit] = [
        Unit(name: "ms", rank: 8, milliseconds: 1),
        Unit(name: "y", rank: 1, milliseconds: 365 * 86_400_000),
        Unit(name: "M", rank: 2, milliseconds: 30 * 86_400_000),
        Unit(name: "w", rank: 3, milliseconds: 7 * 86_400_000),
        Unit(name: "d", rank: 4, milliseconds: 86_400_000),
        Unit(name: "h", rank: 5, milliseconds: 3_600_000),
        Unit(name: "m", rank: 6, milliseconds: 60_000),
        Unit(name: "s", rank: 7, milliseconds: 1000),
    ]
    private static let rankOfMonth = 2, rankOfSecond = 7, rankAfterBareNumber = 9
    private static let blank: UInt8 = 0x20

    /// The value in seconds, or in milliseconds where there are 1000 `unitsPerSecond`.
    static func parse(_ bytes: [UInt8], unitsPerSecond: Int) -> Int? {
        var rest = bytes[...]
        var rank = unitsPerSecond == 1 ? 0 : rankOfMonth
        var total = 0
        var hasDigits = false
        while true {
            var count = 0
            while let digit = rest.first, (0x30...0x39).contains(digit) {
                guard let next = count.appending(digit: digit) else { return nil }
                count = next
                hasDigits = true
                rest.removeFirst()
            }
            let isLast = rest.isEmpty
            guard let unit = isLast ? bareSeconds : takeUnit(&rest, after: rank, unitsPerSecond),
                let sum = total.adding(count, times: unit.milliseconds * unitsPerSecond / 1000)
            else { return nil }
            if isLast { return hasDigits ? sum : nil }
            total = sum
            rank = unit.rank
            rest = rest.drop { $0 == blank }
        }
    }

    /// A number without unit is seconds, in both kinds. After one that a blank ends, no unit may follow.
    private static let bareSeconds = Unit(name: "", rank: rankAfterBareNumber, milliseconds: 1000)

    private static func takeUnit(
        _ rest: inout ArraySlice<UInt8>, after rank: Int, _ unitsPerSecond: Int
    ) -> Unit? {
        if rest.first == blank { return rank < rankOfSecond ? bareSeconds : nil }
        guard let unit = units.first(where: { rest.starts(with: $0.name.utf8) }),
            unit.rank > rank, unit.milliseconds * unitsPerSecond >= 1000
        else { return nil }
        rest = rest.dropFirst(unit.name.utf8.count)
        return unit
    }
}

extension Int {
    fileprivate func adding(_ count: Int, times unit: Int) -> Int? {
        let (product, tooBig) = count.multipliedReportingOverflow(by: unit)
        let (sum, overflows) = addingReportingOverflow(product)
        return tooBig || overflows ? nil : sum
    }
}
