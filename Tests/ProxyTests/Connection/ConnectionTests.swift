import Glibc
import Kernel
import TestSupport
import Testing

@testable import Proxy

@Suite struct ConnectionTests {
    /// A connection, and the far end that a test speaks through.
    @LoopActor private func pair(overTCP: Bool = false) throws -> (Connection, EventSource) {
        let pair = try WatchedPair(Recorder(), overTCP: overTCP)
        try runLoop { pair.near.isWritable }
        return (Connection(pair.near), pair.far)
    }

    @LoopActor private func text(_ queue: ByteQueue) -> String {
        queue.withSpan { span in String(decoding: span.indices.map { span[$0] }, as: UTF8.self) }
    }

    @Test func `it reads to the limit and no further, until there is room again`() throws {
        try onLoop {
            let (connection, far) = try pair()
            let buffer = SharedBuffer()
            far.say("abcdefgh")
            try runLoop { connection.canRead }
            connection.read(through: buffer, limit: 5)
            #expect(text(connection.input) == "abcde")
            connection.read(through: buffer, limit: 5)
            #expect(text(connection.input) == "abcde")
            connection.consume(2)
            connection.read(through: buffer, limit: 5)
            #expect(text(connection.input) == "cdefg")
            connection.consume(5)
            connection.read(through: buffer, limit: 5)
            #expect(text(connection.input) == "h")
            #expect(!connection.isAtEnd && !connection.isBroken)
            connection.close()
        }
    }

    @Test func `it reads as far as it is told by what has come, and the rest stays`() throws {
        try onLoop {
            let (connection, far) = try pair()
            let buffer = SharedBuffer()
            far.say("headerTLS")
            try runLoop { connection.canRead }
            var seen = 0
            connection.read(through: buffer, limit: 100) { bytes in
                seen = bytes.count
                return 6
            }
            #expect(seen == 9 && connection.input.isEmpty && connection.canRead)
            #expect(buffer.withBytes(9) { bytes in bytes.indices.allSatisfy { bytes[$0] == 0 } })
            connection.read(through: buffer, limit: 100)
            #expect(text(connection.input) == "TLS")
            connection.close()
        }
    }

    @Test func `what is said last waits for the end and goes with it`() throws {
        try onLoop {
            let (connection, far) = try pair(overTCP: true)
            let before = far.segmentsReceived
            connection.enqueue(Array("bye".utf8))
            connection.flush(isLast: true)
            #expect(!connection.hasOutput && far.segmentsReceived == before)
            connection.endSending()
            try LoopActor.loop.watch(far, Recorder())
            try runLoop { far.hasHungUp }
            #expect(far.hear() == (Array("bye".utf8), true) && far.segmentsReceived == before + 1)
            connection.close()
        }
    }

    @Test func `what was read is not left in the shared buffer`() throws {
        try onLoop {
            let (connection, far) = try pair()
            let buffer = SharedBuffer()
            far.say("password")
            try runLoop { connection.canRead }
            connection.read(through: buffer, limit: 100)
            #expect(buffer.withBytes(8) { bytes in bytes.indices.allSatisfy { bytes[$0] == 0 } })
            connection.close()
        }
    }

    @Test func `the end is seen behind the last bytes, which stay readable`() throws {
        try onLoop {
            let (connection, far) = try pair()
            let buffer = SharedBuffer()
            far.say("QUIT")
            far.endSending()
            try runLoop { connection.source.hasHungUp }
            connection.read(through: buffer, limit: 100)
            #expect(text(connection.input) == "QUIT" && !connection.isAtEnd && connection.canRead)
            connection.read(through: buffer, limit: 100)
            #expect(text(connection.input) == "QUIT" && connection.isAtEnd && !connection.canRead)
            #expect(!connection.isBroken && connection.breakage == nil)
            connection.enqueue(Array("bye".utf8))
            connection.flush()
            #expect(far.hear().bytes == Array("bye".utf8))
            connection.close()
        }
    }

    @Test func `a reset is a fault with its reason`() throws {
        try onLoop {
            let (connection, far) = try pair()
            connection.enqueue([1])
            connection.flush()
            far.close()
            try runLoop { connection.source.hasHungUp }
            connection.read(through: SharedBuffer(), limit: 100)
            #expect(connection.isBroken && connection.breakage?.error == KernelError("recv()", ECONNRESET))
            #expect(!connection.canRead)
            connection.close()
        }
    }

    @Test func `writing to who has gone breaks it, without a fault`() throws {
        try onLoop {
            let (connection, far) = try pair()
            far.close()
            connection.enqueue([1, 2])
            connection.flush()
            #expect(connection.isBroken && connection.breakage == nil)
            #expect(connection.output.count == 2)
            connection.close()
        }
    }

    @Test func `nothing goes before the flush, and a full socket keeps the rest`() throws {
        try onLoop {
            let (connection, far) = try pair()
            let bytes = (0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            connection.enqueue(Array(bytes.prefix(200_000)))
            connection.enqueue(Array(bytes.dropFirst(200_000)))
            #expect(far.hear() == ([], false))
            connection.flush()
            #expect(!connection.output.isEmpty && !connection.source.isWritable && !connection.isBroken)
            var received: [UInt8] = []
            while !connection.output.isEmpty {
                received += far.hear().bytes
                try runLoop { connection.source.isWritable }
                connection.flush()
            }
            received += far.hear().bytes
            #expect(received == bytes)
            connection.close()
        }
    }

    @Test func `input can be forgotten, or taken out`() throws {
        try onLoop {
            let (connection, far) = try pair()
            let buffer = SharedBuffer()
            far.say("one")
            try runLoop { connection.canRead }
            connection.read(through: buffer, limit: 100)
            connection.discardInput()
            #expect(connection.input.isEmpty)
            far.say("two")
            connection.read(through: buffer, limit: 100)
            let taken = connection.takeInput()
            #expect(text(taken) == "two" && connection.input.isEmpty)
            connection.close()
            #expect(!connection.source.isOpen)
        }
    }
}
