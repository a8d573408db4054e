import Protocols
import Testing

@testable import Proxy

@Suite struct AnswerCacheTests {
    private static func question(_ number: Int) -> DNSQuestion { DNSQuestion(.ipv4, of: DNSName(Array("n\(number)".utf8))!) }
    private static func answer(_ number: Int) -> AnswerCache.Answer { .success([.ipv4(UInt32(number))]) }

    @Test func `an answer is known until its time is over`() {
        var cache = AnswerCache()
        cache.keep(Self.answer(1), to: Self.question(1), until: .seconds(10))
        cache.keep(.failure(.hostNotFound), to: Self.question(2), until: .seconds(5))
        #expect(cache.answer(to: Self.question(1), at: .milliseconds(9999)) == Self.answer(1))
        #expect(cache.answer(to: Self.question(2), at: .seconds(4)) == .failure(.hostNotFound))
        #expect(cache.answer(to: Self.question(2), at: .seconds(5)) == nil)
        #expect(cache.answer(to: Self.question(1), at: .seconds(10)) == nil && cache.count == 0)
        #expect(cache.answer(to: DNSQuestion(.ipv6, of: Self.question(1).name), at: .zero) == nil)
    }

    @Test func `there are so many answers and no more, and those that were asked for stay longest`() {
        var cache = AnswerCache(capacity: 100)
        cache.keep(Self.answer(0), to: Self.question(0), until: .seconds(10))
        for number in 1...10_000 {
            cache.keep(Self.answer(number), to: Self.question(number), until: .seconds(10))
            #expect(cache.answer(to: Self.question(0), at: .zero) == Self.answer(0))
            #expect(cache.count <= 100)
        }
        #expect(cache.answer(to: Self.question(10_000), at: .zero) == Self.answer(10_000))
        #expect(cache.answer(to: Self.question(9_000), at: .zero) == nil)
    }
}
