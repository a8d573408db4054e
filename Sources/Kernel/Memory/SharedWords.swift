import CKernel

/// Memory that processes share as a row of 64-bit words, each of which is read and changed as one. What is read
/// of a word has been written before whatever was written to it later, and what its writer had written before
/// is then to be seen too.
struct SharedWords: @unchecked Sendable {
    let count: Int
    private let memory: SharedMemory
    private let start: UnsafeMutablePointer<UInt64>

    init(byteCount: Int) throws(KernelError) {
        memory = try SharedMemory(byteCount: byteCount)
        count = byteCount / MemoryLayout<UInt64>.size
        start = memory.start.assumingMemoryBound(to: UInt64.self)
    }

    private func place(_ index: Int) -> UnsafeMutablePointer<UInt64> {
        precondition(index >= 0 && index < count)
        return start + index
    }

    subscript(_ index: Int) -> UInt64 {
        get { kernel_atomic_load_word(place(index)) }
        nonmutating set { kernel_atomic_store_word(place(index), newValue) }
    }

    /// Puts `wanted` there if it holds `expected`.
    /// - Returns: whether it did.
    func exchange(_ expected: UInt64, for wanted: UInt64, at index: Int) -> Bool {
        kernel_atomic_exchange_word(place(index), expected, wanted) != 0
    }

    /// Adds to a word. No process that reads other words after it has added to its own can miss what another has
    /// added before it read this one.
    /// - Returns: what the word holds then.
    @discardableResult func add(_ number: UInt64, at index: Int) -> UInt64 { kernel_atomic_add_to_word(place(index), number) }
}
