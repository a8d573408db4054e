/// Bytes that hold a password, or could: they print as `<secret>`, and are overwritten when the last
/// holder lets go of them.
package struct Secret: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    private final class Storage: Sendable {
        // Written in deinit alone, when nobody else can read.
        nonisolated(unsafe) private var hidden: [UInt8]
        var bytes: [UInt8] { unsafe hidden }
        init(_ bytes: consuming [UInt8]) { unsafe hidden = bytes }
        deinit { unsafe overwrite(&hidden) }
    }
    private let storage: Storage

    /// Takes the bytes over. The caller keeps no copy.
    package init(_ bytes: consuming [UInt8]) { storage = Storage(bytes) }

    /// The bytes, for a builder that puts them into another `Secret`, and for nothing else.
    package var bytes: [UInt8] { storage.bytes }
    package var isEmpty: Bool { storage.bytes.isEmpty }
    package var count: Int { storage.bytes.count }

    package var description: String { "<secret>" }
    package var customMirror: Mirror { Mirror(self, children: []) }

    package static func == (left: Secret, right: Secret) -> Bool { left.storage.bytes == right.storage.bytes }
}

/// Overwrites every byte. Kept out of the optimiser's sight, which would drop stores to memory that
/// is about to be freed.
@inline(never) @_optimize(none)
package func overwrite(_ bytes: inout [UInt8]) {
    for index in bytes.indices { bytes[index] = 0 }
}
