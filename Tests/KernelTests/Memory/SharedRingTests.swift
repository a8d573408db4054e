import Dispatch
import Foundation
import Kernel
import Testing

@Suite struct SharedRingTests {
    private func ring(_ byteCount: Int) throws -> SharedRing {
        try SharedRing(byteCount: byteCount, named: "test-ring", header: Array("HEAD\n".utf8))
    }

    private func text(_ ring: SharedRing) -> String { String(decoding: ring.contents.filter { $0 != 0 }, as: UTF8.self) }

    @Test func `what is written follows the header, then what was written before`() throws {
        let ring = try ring(64)
        ring.write(Array("one\n".utf8))
        ring.write(Array("two\n".utf8))
        #expect(text(ring) == "HEAD\none\ntwo\n")
        #expect(ring.contents.count == 64)
    }

    @Test func `at its end a ring begins again behind the header, in the middle of a line too`() throws {
        let ring = try ring(15)
        for line in ["aaaa\n", "bbbb\n", "cccc\n"] { ring.write(Array(line.utf8)) }
        #expect(text(ring) == "HEAD\ncccc\nbbbb\n")
        ring.write(Array("dd\n".utf8))
        ring.write(Array("eeee\n".utf8))
        #expect(text(ring) == "HEAD\nee\nc\ndd\nee")
        #expect(ring.contents.count == 15)
    }

    @Test func `a line longer than the ring is cut to its size`() throws {
        let ring = try ring(9)
        ring.write(Array("123456789".utf8))
        #expect(text(ring) == "HEAD\n1234")
        ring.write([])
        #expect(text(ring) == "HEAD\n1234")
    }

    @Test func `writers at the same time have a place each`() throws {
        let ring = try ring(5 + 4 * 500 * 8)
        DispatchQueue.concurrentPerform(iterations: 4) { writer in
            for _ in 0..<500 { ring.write(Array("writer \(writer)".utf8.prefix(7)) + [0x30 + UInt8(writer)]) }
        }
        let contents = ring.contents
        let pieces = stride(from: 5, to: ring.byteCount, by: 8).map { String(decoding: contents[$0..<($0 + 8)], as: UTF8.self) }
        #expect(Dictionary(grouping: pieces, by: \.self).mapValues(\.count) == Dictionary(uniqueKeysWithValues: (0..<4).map { ("writer \($0)", 500) }))
    }

    @Test func `it is read from outside as a file, under its name`() throws {
        let ring = try ring(64)
        ring.write(Array("line\n".utf8))
        let folder = "/proc/self/fd/"
        let found = try FileManager.default.contentsOfDirectory(atPath: folder).filter {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: folder + $0))?.hasPrefix("/memfd:test-ring") == true
        }
        let contents = found.compactMap { FileManager.default.contents(atPath: folder + $0) }.map { String(decoding: $0, as: UTF8.self) }
        #expect(contents.contains { $0.hasPrefix("HEAD\nline\n") })
    }
}
