import TestSupport
import Testing

@testable import Kernel

@Suite struct SharedBufferTests {
    @LoopActor private func front(_ buffer: SharedBuffer, _ count: Int) -> [UInt8] {
        buffer.withBytes(count) { bytes in bytes.indices.map { bytes[$0] } }
    }

    @Test func `it is filled from a socket, up to a limit`() throws {
        try onLoop {
            let pair = try WatchedPair(Recorder())
            let buffer = SharedBuffer()
            pair.far.say("abcdef")
            #expect(buffer.fill(from: pair.near, atMost: 4) == .moved(4))
            #expect(front(buffer, 4) == Array("abcd".utf8))
            #expect(buffer.fill(from: pair.near) == .moved(2))
            #expect(front(buffer, 2) == Array("ef".utf8))
            #expect(buffer.fill(from: pair.near) == .wouldBlock)
            pair.close()
        }
    }

    @Test func `what is wiped is zero, and no more is`() throws {
        try onLoop {
            let pair = try WatchedPair(Recorder())
            let buffer = SharedBuffer()
            pair.far.say("secret")
            #expect(buffer.fill(from: pair.near) == .moved(6))
            buffer.wipe(4)
            #expect(front(buffer, 6) == [0, 0, 0, 0] + Array("et".utf8))
            pair.close()
        }
    }

    @Test func `nobody reads, fills or wipes past its end`() throws {
        try onLoop {
            let buffer = SharedBuffer()
            #expect(buffer.withBytes(.max) { $0.count } == SharedBuffer.byteCount)
            buffer.wipe(.max)
            let pair = try WatchedPair(Recorder())
            _ = pair.far.sayUntilFull([UInt8](repeating: 1, count: 4096))
            guard case .moved(let count) = buffer.fill(from: pair.near, atMost: .max) else {
                Issue.record("nothing was read")
                return pair.close()
            }
            #expect(count > 0 && count <= SharedBuffer.byteCount)
            pair.close()
        }
    }

    @Test func `what fills the shared buffer gets no more of it than it may have`() throws {
        try onLoop {
            let buffer = SharedBuffer()
            for (limit, expected) in [(0, 0), (-1, 0), (10, 10), (SharedBuffer.byteCount + 1, SharedBuffer.byteCount)] {
                let filled = buffer.fill(atMost: limit) { .moved($0.byteCount) }
                #expect(filled == .moved(expected))
            }
            _ = buffer.fill(atMost: 4) { span in
                span.withUnsafeMutableBytes { $0.copyBytes(from: [UInt8]([0, 1, 2, 3])) }
                return .moved(4)
            }
            var bytes: [UInt8] = []
            buffer.withBytes(4) { span in for index in span.indices { bytes.append(span[index]) } }
            #expect(bytes == [0, 1, 2, 3])
        }
    }
}
