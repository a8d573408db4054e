/// Random numbers that are the same in every run (SplitMix64), so that a failure can be repeated.
public struct SeededBytes: RandomNumberGenerator {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not including, `limit`.
    public mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(max(limit, 1))) }

    /// Bytes without any order.
    public mutating func bytes(count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for _ in 0..<count { bytes.append(UInt8(truncatingIfNeeded: next())) }
        return bytes
    }

    /// The bytes with one to four faults in them: a byte replaced, inserted, removed or doubled, a
    /// tail cut off, or a byte that protocols give a meaning to.
    public mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
        var mutant = bytes
        for _ in 0...below(4) {
            let place = below(mutant.count)
            switch below(6) {
            case 0 where !mutant.isEmpty: mutant[place] = UInt8(truncatingIfNeeded: next())
            case 1: mutant.insert(UInt8(truncatingIfNeeded: next()), at: place)
            case 2 where !mutant.isEmpty: mutant.remove(at: place)
            case 3: mutant.insert(contentsOf: mutant.suffix(from: place).prefix(8), at: place)
            case 4: mutant.removeLast(below(mutant.count))
            default: mutant.insert(Self.meaningful[below(Self.meaningful.count)], at: place)
            }
        }
        return mutant
    }

    private static let meaningful = Array("\r\n\0\u{1} \"\\{}+*=,.-0129".utf8)
}
