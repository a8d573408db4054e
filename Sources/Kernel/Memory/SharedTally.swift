/// How many of something there are of each key, over all processes that share the table.
///
/// There is no lock. A process counts in records of its own, one for each key, that no other process writes to;
/// what there is of a key is the sum of its records. So what a process had counted when it died is known, and
/// its parent gives it back.
public final class SharedTally: Sendable {
    /// Where this process has counted one: to be given back there.
    public struct Place: Sendable, Equatable {
        fileprivate let record: UInt32
    }

    public enum Answer: Sendable, Equatable {
        case counted(Place)
        /// There are as many as there may be.
        case full
        /// The table has no record left for the key.
        case noRoom
    }

    public let byteCount: Int
    private let words: SharedWords
    private let recordCount: Int

    /// A record's first word has the process's number above and the count below; zero is nobody's record. The
    /// other two are the key.
    private static let wordsInRecord = 3
    /// A key's records are among so many neighbours.
    private static let neighbourhood = 64

    public init(byteCount: Int) throws(KernelError) {
        self.byteCount = byteCount
        words = try SharedWords(byteCount: byteCount)
        recordCount = words.count / Self.wordsInRecord
        precondition(recordCount >= Self.neighbourhood)
    }

    /// Counts one more of a key, unless there are `limit` already. Two that are counted at the same moment may keep
    /// each other from the last place, but never share it.
    public func count(_ key: SharedKey, atMost limit: Int) -> Answer { count(key, atMost: limit, by: OwnProcess.id) }

    func count(_ key: SharedKey, atMost limit: Int, by process: Int32) -> Answer {
        let (sum, own) = survey(key, of: process)
        guard sum < limit else { return .full }
        guard let record = own ?? claim(key, for: process) else { return .noRoom }
        words.add(1, at: record * Self.wordsInRecord)
        let place = Place(record: UInt32(record))
        guard survey(key, of: process).sum <= limit else {
            giveBack(place)
            return .full
        }
        return .counted(place)
    }

    /// Counts one less, where this process has counted it.
    public func giveBack(_ place: Place) {
        let index = Int(place.record) * Self.wordsInRecord
        if Head(words.add(~0, at: index)).count == 0 { words[index] = 0 }
    }

    /// Gives back all that a process has counted which is no more.
    public func giveBackAll(of process: Int32) {
        for record in 0..<recordCount where Head(words[record * Self.wordsInRecord]).process == process {
            words[record * Self.wordsInRecord] = 0
        }
    }

    /// How many there are of a key, and the process's own record for it.
    private func survey(_ key: SharedKey, of process: Int32) -> (sum: Int, own: Int?) {
        var sum = 0
        var own: Int?
        forEachNeighbour(of: key) { record in
            // The key of a record is written before its count. Read after the count, it is the count's.
            let head = Head(words[record * Self.wordsInRecord])
            guard head.process != 0, hasKey(record, key) else { return false }
            sum += head.count
            if head.process == process { own = record }
            return false
        }
        return (sum, own)
    }

    /// Makes a record that is nobody's the process's own.
    private func claim(_ key: SharedKey, for process: Int32) -> Int? {
        var claimed: Int?
        forEachNeighbour(of: key) { record in
            let index = record * Self.wordsInRecord
            guard words[index] == 0, words.exchange(0, for: Head(process: process).word, at: index) else { return false }
            words[index + 1] = key.high
            words[index + 2] = key.low
            claimed = record
            return true
        }
        return claimed
    }

    private func hasKey(_ record: Int, _ key: SharedKey) -> Bool {
        words[record * Self.wordsInRecord + 1] == key.high && words[record * Self.wordsInRecord + 2] == key.low
    }

    /// Visits the records in which a key may be, until one is what was looked for.
    private func forEachNeighbour(of key: SharedKey, _ isFound: (Int) -> Bool) {
        var record = key.place(in: recordCount)
        for _ in 0..<Self.neighbourhood {
            if isFound(record) { return }
            record = record + 1 == recordCount ? 0 : record + 1
        }
    }

    private struct Head {
        let word: UInt64
        init(_ word: UInt64) { self.word = word }
        init(process: Int32) { word = UInt64(UInt32(bitPattern: process)) << 32 }

        var process: Int32 { Int32(bitPattern: UInt32(word >> 32)) }
        var count: Int { Int(word & 0xffff_ffff) }
    }
}
