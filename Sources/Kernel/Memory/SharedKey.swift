/// What stands for a key of any kind and length in a table that processes share: 128 bits that follow from the key
/// and from a secret of the program's start, which all processes forked since have. Nobody outside can find two
/// keys with the same bits, or many for one place.
public struct SharedKey: Sendable, Hashable {
    let high: UInt64
    let low: UInt64

    public init(_ key: some Hashable) {
        func half(_ number: UInt8) -> UInt64 {
            var hasher = Hasher()
            hasher.combine(number)
            hasher.combine(key)
            return UInt64(bitPattern: Int64(hasher.finalize()))
        }
        high = half(0)
        low = half(1)
    }

    /// Where a table of so many records begins to look for the key.
    func place(in recordCount: Int) -> Int { Int(low % UInt64(recordCount)) }
}
