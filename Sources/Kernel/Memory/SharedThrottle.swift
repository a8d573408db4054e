/// How often something has happened to each key of late, over all processes that share the table. Events are
/// counted within a window of time that the first of them opens; a key that has too many is barred for a while.
///
/// There is no lock: all that changes about a key is in one word. A full table gives up what is over soonest, and
/// who is barred last of all.
public final class SharedThrottle: Sendable {
    public struct Limit: Sendable, Equatable {
        /// With which event a key is barred.
        public let count: Int
        public let window: Duration
        /// How long it is barred.
        public let pause: Duration

        public init(count: Int, window: Duration, pause: Duration) {
            self.count = count
            self.window = window
            self.pause = pause
        }
    }

    public let byteCount: Int
    private let words: SharedWords
    private let recordCount: Int

    /// A record's first word is its state, the other two are the key.
    private static let wordsInRecord = 3
    /// A key's record is among so many neighbours.
    private static let neighbourhood = 32
    /// How long a record is nobody's whose taker has died before it wrote the key.
    private static let patience: UInt64 = 1000
    /// An attempt fails only where another process has changed the very same word.
    private static let attempts = 100

    public init(byteCount: Int) throws(KernelError) {
        self.byteCount = byteCount
        words = try SharedWords(byteCount: byteCount)
        recordCount = words.count / Self.wordsInRecord
        precondition(recordCount >= Self.neighbourhood)
    }

    /// Counts one more event.
    /// - Parameter now: by the monotonic clock, which all processes share.
    /// - Returns: how many there have been in this window, by whatever limits, and whether it is this one that bars
    ///   the key. Those beyond had been under way.
    public func note(_ key: SharedKey, _ limit: Limit, at now: Duration) -> (count: Int, bars: Bool) {
        let now = now.milliseconds
        let first = State(firstOf: limit, at: now)
        for _ in 0..<Self.attempts {
            if let (record, state) = find(key, at: now) {
                let next = state.afterOneMore(limit, at: now)
                if words.exchange(state.word, for: next.word, at: record * Self.wordsInRecord) {
                    return (next.count, next.isBarred && !state.isBarred)
                }
            } else if let record = take(key, first, at: now) {
                // Another process may have begun a record of the key at the same moment. Whoever sees the other's,
                // one at least, begins anew, unless a third has counted on with it meanwhile.
                let isTheOnlyOne = find(key, at: now, besides: record) == nil
                if isTheOnlyOne || !words.exchange(first.word, for: 0, at: record * Self.wordsInRecord) { break }
            }
        }
        return (1, first.isBarred)
    }

    /// Whether a key has had too many events, and its pause is not over.
    public func isBarred(_ key: SharedKey, at now: Duration) -> Bool {
        guard let (record, state) = find(key, at: now.milliseconds), state.isBarred else { return false }
        // The key that was read is the state's if that has not changed meanwhile.
        return words[record * Self.wordsInRecord] == state.word
    }

    private func find(_ key: SharedKey, at now: UInt64, besides own: Int? = nil) -> (record: Int, state: State)? {
        for record in neighbours(of: key) where record != own {
            let index = record * Self.wordsInRecord
            let state = State(word: words[index])
            guard state.count > 0, state.end > now, words[index + 1] == key.high, words[index + 2] == key.low else { continue }
            return (record, state)
        }
        return nil
    }

    /// Begins a record.
    /// - Returns: where it is; nil where another process was faster.
    private func take(_ key: SharedKey, _ state: State, at now: UInt64) -> Int? {
        var place: (record: Int, state: State)?
        for record in neighbours(of: key) {
            let candidate = State(word: words[record * Self.wordsInRecord])
            if place.map({ candidate.cost(at: now) < $0.state.cost(at: now) }) ?? true { place = (record, candidate) }
        }
        guard let place else { return nil }
        let index = place.record * Self.wordsInRecord
        let claim = State(end: now + Self.patience, count: 0)
        guard words.exchange(place.state.word, for: claim.word, at: index) else { return nil }
        words[index + 1] = key.high
        words[index + 2] = key.low
        return words.exchange(claim.word, for: state.word, at: index) ? place.record : nil
    }

    private func neighbours(of key: SharedKey) -> some Sequence<Int> {
        let start = key.place(in: recordCount)
        return (start..<start + Self.neighbourhood).lazy.map { [recordCount] in $0 < recordCount ? $0 : $0 - recordCount }
    }

    /// When the window or the pause ends, which of the two it is, and the number of events; no events where a record
    /// is being taken.
    private struct State {
        let word: UInt64

        private static let countBits: UInt64 = 23
        private static let maximumCount = 1 << Int(countBits) - 1

        init(word: UInt64) { self.word = word }

        /// - Parameter end: in milliseconds of the monotonic clock.
        init(end: UInt64, count: Int, isBarred: Bool = false) {
            word = end << (Self.countBits + 1) | (isBarred ? 1 << Self.countBits : 0) | UInt64(min(count, Self.maximumCount))
        }

        init(firstOf limit: Limit, at now: UInt64) {
            let isBarred = limit.count <= 1
            self.init(end: now + (isBarred ? limit.pause : limit.window).milliseconds, count: 1, isBarred: isBarred)
        }

        var end: UInt64 { word >> (Self.countBits + 1) }
        var isBarred: Bool { word >> Self.countBits & 1 == 1 }
        var count: Int { Int(word) & Self.maximumCount }

        func afterOneMore(_ limit: Limit, at now: UInt64) -> State {
            let becomesBarred = !isBarred && count + 1 >= limit.count
            return State(
                end: becomesBarred ? now + limit.pause.milliseconds : end, count: count + 1, isBarred: isBarred || becomesBarred)
        }

        /// What is lost with the record, to be compared. One that is being taken is not to be had.
        func cost(at now: UInt64) -> UInt64 { end <= now ? 0 : count == 0 ? .max : isBarred ? end | 1 << 63 : end }
    }
}

extension Duration {
    fileprivate var milliseconds: UInt64 {
        UInt64(clamping: components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000)
    }
}
