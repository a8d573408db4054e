import Testing

@testable import Kernel

@Suite struct SharedLockTests {
    /// What another process would do.
    private let stranger = OwnProcess.parentID

    @Test func `who has the lock keeps it until it lets go`() throws {
        let lock = try SharedLock()
        #expect(lock.take() && lock.take())
        lock.release()
        #expect(lock.take())
    }

    @Test func `what another has cannot be taken or released, but for it`() throws {
        let lock = try SharedLock()
        #expect(lock.take(for: stranger))
        #expect(!lock.take())
        lock.release()
        lock.release(heldBy: OwnProcess.id)
        #expect(!lock.take())
        lock.release(heldBy: stranger)
        #expect(lock.take())
    }
}
