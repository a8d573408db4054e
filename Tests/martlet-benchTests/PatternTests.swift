import Testing

@testable import martlet_bench

@Suite struct PatternTests {
    @Test func `one period lies in a row from every place on`() {
        #expect(Pattern.bytes.count == 2 * Pattern.period)
        for place in [0, 1, Pattern.period - 1] {
            #expect(Pattern.bytes[place] == Pattern.bytes[place + Pattern.period])
            #expect(Pattern.start(after: place + 3 * Pattern.period) == place)
        }
    }

    @Test func `what has moved does not look the same`() {
        let window = Pattern.bytes[..<64]
        #expect(!(1..<Pattern.period).contains { Pattern.bytes[$0..<$0 + 64].elementsEqual(window) })
    }
}
