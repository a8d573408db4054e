/// How durations are spread.
struct Statistics {
    private let sorted: [Int]

    init(_ values: [Int]) { sorted = values.sorted() }

    var isEmpty: Bool { sorted.isEmpty }

    /// The smallest value that so many of a thousand do not exceed; 0 where there are none.
    func quantile(perMille: Int) -> Int {
        guard !sorted.isEmpty else { return 0 }
        let rank = (sorted.count * perMille + 999) / 1000
        return sorted[max(0, min(rank, sorted.count) - 1)]
    }
}
