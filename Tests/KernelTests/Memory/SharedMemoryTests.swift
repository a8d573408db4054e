import Testing

@testable import Kernel

@Suite struct SharedMemoryTests {
    @Test func `shared memory is zero at first, and keeps what is written`() throws {
        let memory = try SharedMemory(byteCount: 10_000)
        #expect(memory.byteCount == 10_000)
        let isZero = memory.withBytes { span in span.withUnsafeMutableBytes { $0.count == 10_000 && $0.allSatisfy { $0 == 0 } } }
        #expect(isZero)
        memory.withBytes { $0.storeBytes(of: 7, toByteOffset: 9_999, as: UInt8.self) }
        let last = memory.withBytes { span in span.withUnsafeMutableBytes { $0[9_999] } }
        #expect(last == 7)
    }

    @Test func `no memory of an impossible size is had`() {
        let error = #expect(throws: KernelError.self) { _ = try SharedMemory(byteCount: 0) }
        #expect(error?.description == "mmap(MAP_ANON|MAP_SHARED, 0) failed (22: Invalid argument)")
    }
}
