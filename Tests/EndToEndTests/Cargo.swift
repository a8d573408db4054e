import Foundation
import TestSupport

/// Bytes without any order, the same in every run.
func cargo(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = SeededBytes(seed: seed)
    let block = random.bytes(count: 64 * 1024 + 7)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + block.count)
    while bytes.count < count { bytes += block }
    return Array(bytes.prefix(count))
}

/// Compares as fast as memory goes, which `==` does not in a test build.
func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool { Data(left) == Data(right) }
