/// Bytes that hold a password, or could. They print as `<secret>`, and live only in memory that this
/// type owns and overwrites in place when the last holder lets go of it, also when a longer text has
/// to move. They are seen through a `Span`, which cannot outlive them, and never as an array, which
/// could: what is made of a secret is appended to another one (`security.md`, rule 7).
// Sendable because memory that has two holders is not written: `append` moves away from it.
public struct Secret: @unchecked Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    private struct Extent {
        var count = 0
        let capacity: Int
    }

    private final class Storage: ManagedBuffer<Extent, UInt8> {
        // Unsafe as all pointers are; the bytes up to `count` are this object's, which is still there.
        deinit { unsafe withUnsafeMutablePointers { unsafe overwrite($1, count: $0.pointee.count) } }
    }

    private var storage: ManagedBuffer<Extent, UInt8>

    public init() { self = Self.empty }

    /// What all begin with that begin with nothing: what is appended moves away from it.
    private static let empty = Secret(capacity: 0)

    /// Copies the bytes. Their owner wipes them where they are.
    public init(_ bytes: Span<UInt8>) {
        storage = Self.storage(for: bytes.count)
        append(bytes)
    }

    public var count: Int { storage.header.count }
    public var isEmpty: Bool { count == 0 }

    public var span: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            // Unsafe for leaving the closure with a pointer. It points into `storage`, which lives as
            // long as the borrow that the span is tied to.
            let bytes = unsafe storage.withUnsafeMutablePointers {
                unsafe UnsafeBufferPointer(start: $1, count: $0.pointee.count)
            }
            return unsafe _overrideLifetime(Span(_unsafeElements: bytes), borrowing: self)
        }
    }

    public mutating func append(_ byte: UInt8) {
        makeRoom(for: 1)
        // Unsafe as all pointers are; there is room for one byte behind the last.
        unsafe storage.withUnsafeMutablePointers { (extent, bytes) in
            unsafe (bytes + extent.pointee.count).initialize(to: byte)
            unsafe extent.pointee.count += 1
        }
    }

    public mutating func append(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBufferPointer { unsafe append($0) }
    }

    /// Appends words that are no secret themselves.
    public mutating func append(_ words: some Sequence<UInt8>) {
        let isContiguous: Void? = words.withContiguousStorageIfAvailable { unsafe append($0) }
        if isContiguous == nil { for byte in words { append(byte) } }
    }

    public mutating func append(_ words: StaticString) {
        words.withUTF8Buffer { unsafe append($0) }
    }

    /// Appends a number as people write it.
    mutating func append(decimal number: UInt) {
        if number > 9 { append(decimal: number / 10) }
        append(UInt8(ascii: "0") + UInt8(number % 10))
    }

    /// Appends what the body writes, which is so many bytes at most.
    mutating func append<Result>(atMost byteCount: Int, writing body: (inout OutputSpan<UInt8>) -> Result) -> Result {
        makeRoom(for: byteCount)
        // Unsafe as all pointers are; there is room for so many bytes behind the last, and they are nobody else's.
        return unsafe storage.withUnsafeMutablePointers { (extent, bytes) in
            let room = unsafe UnsafeMutableBufferPointer(start: bytes + extent.pointee.count, count: byteCount)
            var output = unsafe OutputSpan(buffer: room, initializedCount: 0)
            let result = body(&output)
            unsafe extent.pointee.count += output.finalize(for: room)
            return result
        }
    }

    private mutating func append(_ source: UnsafeBufferPointer<UInt8>) {
        guard let first = source.baseAddress else { return }
        makeRoom(for: source.count)
        // Unsafe as all pointers are; there is room for so many bytes behind the last, and they are nobody else's.
        unsafe storage.withUnsafeMutablePointers { (extent, bytes) in
            unsafe (bytes + extent.pointee.count).initialize(from: first, count: source.count)
            unsafe extent.pointee.count += source.count
        }
    }

    /// Sees to it that so many bytes can be written behind the last, by this holder alone.
    @inline(__always) private mutating func makeRoom(for additional: Int) {
        let extent = storage.header
        if additional > extent.capacity - extent.count || !isKnownUniquelyReferenced(&storage) { move(toRoomFor: additional) }
    }

    @inline(never) private mutating func move(toRoomFor additional: Int) {
        var other = Secret(capacity: max(count + additional, 2 * count))
        other.append(span)
        self = other
    }

    /// One with room for so many bytes, so that it need not move while it grows up to them.
    public init(capacity: Int) { storage = Self.storage(for: capacity) }

    private static func storage(for byteCount: Int) -> ManagedBuffer<Extent, UInt8> {
        let capacity = max(byteCount, 32)
        return Storage.create(minimumCapacity: capacity) { _ in Extent(capacity: capacity) }
    }

    public var description: String { "<secret>" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    public static func == (left: Secret, right: Secret) -> Bool {
        left.count == right.count && left.span.indices.allSatisfy { left.span[$0] == right.span[$0] }
    }
}

/// Overwrites these bytes. Unsafe as all pointers are: the caller owns so many bytes there.
private func overwrite(_ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
    unsafe bytes.update(repeating: 0, count: count)
    unsafe look(at: bytes)
}

/// Does nothing, which the optimiser is kept from seeing: it would drop stores to memory that is about to be freed
/// if it knew that nobody looks at them.
@inline(never) @_optimize(none)
private func look(at bytes: UnsafeMutablePointer<UInt8>) {}
