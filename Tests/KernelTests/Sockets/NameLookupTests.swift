import TestSupport
import Testing

@testable import Kernel

@Suite(.ownWorkspace) struct NameLookupTests {
    @Test(arguments: [
        ("auth.example", true), ("AUTH", true), ("second", true), ("localhost", true), ("other", false), ("127.0.0.1", false),
        ("commented", false), ("behind", false), ("", false),
    ])
    func `a name of the hosts file is found behind any address, in any letter case`(_ name: String, _ isThere: Bool) throws {
        let path = try Workspace.here().write(
            "127.0.0.1 localhost\n# 10.0.0.1 commented\n10.0.0.2\tauth.example  auth # behind\n\n::1 second", to: "hosts")
        #expect(NameLookup.isInHostsFile(name, path: path) == isThere)
        #expect(!NameLookup.isInHostsFile(name, path: path + ".none"))
    }
}
