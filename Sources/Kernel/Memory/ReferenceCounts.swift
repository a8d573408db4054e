import CKernel

// A process has one thread, so its references need not be counted under a lock, which is half of what counting costs.
// The compiler has no switch for that. Release builds have the linker put these functions in place of the runtime's
// (`Package.swift`), and they hand over to its others.

@_cdecl("__wrap_swift_retain")
func retain(_ object: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? { swift_nonatomic_retain(object) }

@_cdecl("__wrap_swift_release")
func release(_ object: UnsafeMutableRawPointer?) { swift_nonatomic_release(object) }

@_cdecl("__wrap_swift_retain_n")
func retain(_ object: UnsafeMutableRawPointer?, _ count: UInt32) -> UnsafeMutableRawPointer? {
    swift_nonatomic_retain_n(object, count)
}

@_cdecl("__wrap_swift_release_n")
func release(_ object: UnsafeMutableRawPointer?, _ count: UInt32) { swift_nonatomic_release_n(object, count) }

@_cdecl("__wrap_swift_bridgeObjectRetain")
func retainBridged(_ object: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    swift_nonatomic_bridgeObjectRetain(object)
}

@_cdecl("__wrap_swift_bridgeObjectRelease")
func releaseBridged(_ object: UnsafeMutableRawPointer?) { swift_nonatomic_bridgeObjectRelease(object) }
