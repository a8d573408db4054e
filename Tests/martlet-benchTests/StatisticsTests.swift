import Testing

@testable import martlet_bench

@Suite struct StatisticsTests {
    @Test(arguments: [
        ([], 500, 0), ([7], 500, 7), ([7], 999, 7), ([3, 1, 2], 500, 2), ([4, 1, 3, 2], 500, 2), (Array(1...1000), 990, 990),
        (Array(1...1000), 999, 999), (Array(1...10), 999, 10),
    ] as [([Int], Int, Int)])
    func `a quantile is the smallest value that so many do not exceed`(_ values: [Int], _ perMille: Int, _ expected: Int) {
        #expect(Statistics(values).quantile(perMille: perMille) == expected)
    }
}
