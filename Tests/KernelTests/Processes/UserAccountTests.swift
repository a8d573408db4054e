import TestSupport
import Testing

@testable import Kernel

@Suite struct UserAccountTests {
    @Test func `names are looked up, and who is not there is nobody`() throws {
        // In turn with other tests: the C library has one record for all who ask.
        try onLoop {
            #expect(UserAccount.user(named: "root") == 0)
            #expect(UserAccount.group(named: "root") == 0)
            #expect(UserAccount.user(named: "martlet no such user") == nil)
            #expect(UserAccount.group(named: "") == nil)
        }
    }
}
