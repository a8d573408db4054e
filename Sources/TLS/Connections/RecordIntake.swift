import Kernel

/// Records that have come in one call of the kernel's and that OpenSSL takes one after the other. During a step they
/// lie in memory that all connections share; what is left at its end is kept by the connection that it belongs to.
@LoopActor struct RecordIntake {
    /// How much a record holds at most (RFC 8446, section 5.1), and how long one may be (RFC 5246, section 6.2.3).
    nonisolated static let mostPlaintext = 16_384
    nonisolated static let longestRecord = 5 + mostPlaintext + 2048
    private static let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: SharedBuffer.byteCount, alignment: 4096)

    /// The part of the memory that OpenSSL has not yet taken, during a step.
    private var rest: Range<Int>?
    /// The same between two steps.
    private var kept: [UInt8] = []

    var isEmpty: Bool { rest?.isEmpty ?? kept.isEmpty }

    /// Begins a step. Of all intakes only one may be in one.
    mutating func open() {
        kept.withUnsafeBytes { Self.memory.copyMemory(from: $0) }
        rest = 0..<kept.count
        kept = []
    }

    /// Ends the step.
    mutating func close() {
        if let rest, !rest.isEmpty { kept = Array(Self.memory[rest]) }
        rest = nil
    }

    /// Reads from a stream, in a step and when nothing is left.
    mutating func fill(from source: EventSource, atMost limit: Int) -> Transfer {
        var span = MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: Self.memory[..<min(limit, Self.memory.count)]))
        let transfer = source.receive(into: &span)
        if case .moved(let count) = transfer { rest = 0..<count }
        return transfer
    }

    /// Takes out as many of the oldest bytes as there is space for.
    mutating func move(into space: UnsafeMutableRawBufferPointer) -> Int {
        // Outside of a step the rest of an earlier one goes first, as far as it is asked for.
        guard let rest else {
            let count = min(kept.count, space.count)
            kept.withUnsafeBytes { space.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            kept.removeFirst(count)
            return count
        }
        let count = min(rest.count, space.count)
        space.copyMemory(from: UnsafeRawBufferPointer(rebasing: Self.memory[rest.prefix(count)]))
        self.rest = rest.dropFirst(count)
        return count
    }
}
