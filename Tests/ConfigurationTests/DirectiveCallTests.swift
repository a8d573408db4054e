import Configuration
import Testing

@Suite struct DirectiveCallTests {
    @Test(arguments: [
        (Arity.none, [0]), (.exactly(2), [2]), (.between(1, 3), [1, 2, 3]), (.between(6, 12), [6, 7]),
        (.atLeast(2), [2, 3, 4, 5, 6, 7, 8, 9]), (.any, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ])
    func `counted classes take seven words at most`(_ arity: Arity, _ counts: [Int]) {
        #expect((0...9).filter(arity.admits) == counts)
    }

    @Test func `a relative path has one of two bases, an absolute one none`() {
        let paths = ConfigurationPaths(prefix: "/p/", directory: "/etc/")
        #expect(paths.resolve("a/b") == "/p/a/b" && paths.resolveBesideConfiguration("a/b") == "/etc/a/b")
        #expect(paths.resolve("/a") == "/a" && paths.resolveBesideConfiguration("/a") == "/a")
        #expect(ConfigurationPaths(prefix: "", directory: "").resolve("a") == "a")
    }

    @Test func `a directive stands in messages as it was written, its words made visible`() {
        let call = DirectiveCall(
            name: "a", words: ["b c", "\u{a0}"], block: .main, position: .commandLine,
            paths: ConfigurationPaths(prefix: "", directory: "")) { _ in }
        #expect(call.text == "a b c <U+00A0>")
    }
}
