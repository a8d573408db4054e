import Protocols

/// Answers of name servers, as long as they may be kept. The bound is kept to by halves: when one is full, what
/// nobody has asked for since the last time is forgotten.
struct AnswerCache {
    typealias Answer = Result<[DNSResponse.Value], LookupFailure>

    private struct Entry {
        let answer: Answer
        let expiry: Duration
    }

    private var recent: [DNSQuestion: Entry] = [:]
    private var former: [DNSQuestion: Entry] = [:]
    private let halfCapacity: Int

    /// - Parameter capacity: how many answers there are at most.
    init(capacity: Int = 2048) { halfCapacity = max(1, capacity / 2) }

    var count: Int { recent.count + former.count }

    mutating func answer(to question: DNSQuestion, at now: Duration) -> Answer? {
        guard let entry = recent[question] ?? former[question] else { return nil }
        guard now < entry.expiry else {
            recent[question] = nil
            former[question] = nil
            return nil
        }
        if recent[question] == nil { keep(entry, question) }
        return entry.answer
    }

    mutating func keep(_ answer: Answer, to question: DNSQuestion, until expiry: Duration) {
        keep(Entry(answer: answer, expiry: expiry), question)
    }

    private mutating func keep(_ entry: Entry, _ question: DNSQuestion) {
        former[question] = nil
        if recent.count >= halfCapacity && recent[question] == nil {
            former = recent
            recent = [:]
        }
        recent[question] = entry
    }
}
