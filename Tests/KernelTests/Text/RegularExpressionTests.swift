import Kernel
import Testing

@Suite struct RegularExpressionTests {
    @Test(arguments: [
        ("a", "cat", true), ("^a", "cat", false), ("joe|ann", "ann@x", true), ("u[0-9]{2}$", "u07", true), ("u[0-9]{2}$", "u7", false),
        ("\\.", "ab", false), ("\\.", "a.b", true), ("\\\\d", "\\d", true), ("\\bjoe\\b", "a joe b", true), ("\\bjoe\\b", "joey", false),
    ])
    func `an expression is found anywhere in a text, unless it says where`(_ pattern: String, _ text: String, _ isFound: Bool) throws {
        #expect(try RegularExpression(pattern).matches(text) == isFound)
    }

    @Test(arguments: [("(", "Unmatched ( or \\("), ("[a", "Unmatched [, [^, [:, [., or [="), ("\\d+", "\"\\d\" is not supported"), ("(a)\\1", "\"\\1\" is not supported")])
    func `what is no expression here is refused`(_ pattern: String, _ text: String) {
        #expect(throws: RegularExpression.Fault(text: text)) { try RegularExpression(pattern) }
    }

    /// A matcher that goes back would be busy with this beyond the end of days.
    @Test func `a hostile text takes no longer than its length`() throws {
        let expression = try RegularExpression("(a+)+b|(a|aa)*c")
        let start = ContinuousClock.now
        #expect(!expression.matches(String(repeating: "a", count: 2000)))
        #expect(ContinuousClock.now - start < .seconds(5))
    }
}
