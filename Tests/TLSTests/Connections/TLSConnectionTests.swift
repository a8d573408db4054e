import Kernel
import TestSupport
import Testing

@testable import TLS

/// Bytes without any order, the same in every run.
private func someBytes(_ count: Int) -> [UInt8] {
    var source = SeededBytes(seed: 7)
    return source.bytes(count: count)
}

@Suite struct TLSConnectionTests {
    private static let versions = ["TLSv1.2", "TLSv1.3"]

    /// Runs a test with both ends when they have shaken hands.
    private func connected(
        _ version: String = "TLSv1.3", overTCP: Bool = false, _ body: @LoopActor (TLSPair) throws -> Void
    ) throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let pair = try TLSPair(
                try TLSServerContext(authority.directives("ecdsa")), ClientHabits(commands: [("MaxProtocol", version)]),
                overTCP: overTCP)
            defer { pair.close() }
            let (server, client) = try pair.shakeHands()
            #expect(server == .done && client == .done && pair.server.protocolVersion == version)
            try body(pair)
        }
    }

    @Test(arguments: versions)
    func `bytes cross both ways as they are, however many`(_ version: String) throws {
        try connected(version) { pair in
            for size in [1, 16_384, 16_385, 70_000, 3_000_000] {
                let bytes = someBytes(size)
                let received1 = try pair.carry(bytes, from: pair.client, to: pair.server)
                #expect(received1 == bytes)
                let received2 = try pair.carry(bytes, from: pair.server, to: pair.client)
                #expect(received2 == bytes)
            }
        }
    }

    @Test func `a record goes with those right behind it`() throws {
        try connected(overTCP: true) { pair in
            let bytes = someBytes(3 * 16_384)
            var hasCome: Int {
                if case .moved(let count) = pair.buffer.peek(at: pair.client.source, atMost: SharedBuffer.byteCount) { count } else { 0 }
            }
            for count in 1...2 {
                #expect(pair.server.send(bytes.span.extracting((count - 1) * 16_384..<bytes.count)) == .moved(16_384))
                // Full packets go, but the last is not full: a record has 22 bytes more than it holds.
                #expect(hasCome < count * 16_406)
            }
            #expect(pair.server.send(bytes.span.extracting(2 * 16_384..<bytes.count)) == .moved(16_384))
            var received: [UInt8] = []
            try runLoop {
                received += pair.drain(pair.client).bytes
                return received.count == bytes.count
            }
            #expect(received == bytes)
        }
    }

    @Test func `what is said last, the goodbye and the end go in one packet`() throws {
        try connected(overTCP: true) { pair in
            let before = pair.client.source.segmentsReceived
            #expect(pair.server.send([1, 2].span, hasMore: true) == .moved(2))
            pair.server.endSending()
            pair.server.source.endSending()
            try runLoop { pair.client.source.isReadable }
            let (bytes, end) = pair.drain(pair.client)
            #expect(bytes == [1, 2] && end == .closed && pair.client.source.segmentsReceived == before + 1)
        }
    }

    @Test func `a full socket blocks, and the same bytes go on later from another place`() throws {
        try connected { pair in
            let bytes = someBytes(4_000_000)
            var sent = 0
            var end = Transfer.moved(0)
            while case .moved(let count) = end {
                sent += count
                end = pair.server.send(Array(bytes[sent...]).span)
            }
            #expect(end == .wouldBlock && !pair.server.source.isWritable && sent < bytes.count)
            var received: [UInt8] = []
            try runLoop {
                received += pair.drain(pair.client).bytes
                if case .moved(let count) = pair.server.send(Array(bytes[sent...]).span) { sent += count }
                return received.count == bytes.count
            }
            #expect(received == bytes)
        }
    }

    @Test func `what is read in small parts is announced until it is all read`() throws {
        try connected { pair in
            #expect(!pair.server.hasBufferedInput)
            let bytes = someBytes(1000)
            #expect(pair.client.send(bytes.span) == .moved(1000))
            try runLoop { pair.server.source.isReadable }
            var received: [UInt8] = []
            repeat {
                #expect(pair.server.receive(into: pair.buffer, atMost: 300) == .moved(min(300, 1000 - received.count)))
                pair.buffer.withBytes(min(300, 1000 - received.count)) { span in for index in span.indices { received.append(span[index]) } }
            } while pair.server.hasBufferedInput
            #expect(received == bytes)
            #expect(pair.server.receive(into: pair.buffer) == .wouldBlock && !pair.server.source.isReadable)
        }
    }

    @Test func `a record in two parts is read when it is whole, and does not count as input before`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let proxy = try SplitPair(try TLSServerContext(authority.directives("ecdsa")))
            defer { proxy.close() }
            try proxy.shakeHands()
            #expect(proxy.client.send(Array("hello".utf8).span) == .moved(5))
            let record = try proxy.clientBytes()
            for index in record.indices.dropLast() {
                try proxy.deliver([record[index]])
                #expect(proxy.server.receive(into: proxy.buffer) == .wouldBlock)
                #expect(!proxy.server.hasBufferedInput && !proxy.server.source.isReadable)
            }
            try proxy.deliver([record[record.count - 1]])
            #expect(proxy.server.receive(into: proxy.buffer) == .moved(5))
        }
    }

    @Test(arguments: versions)
    func `an announced end is an end, and nothing is read after it`(_ version: String) throws {
        try connected(version) { pair in
            #expect(pair.client.send([1, 2].span) == .moved(2))
            pair.client.endSending()
            #expect(pair.client.source.send(Array("a NOOP\r\n".utf8).span) == .moved(8))
            try runLoop { pair.server.source.isReadable }
            let (bytes, end) = pair.drain(pair.server)
            #expect(bytes == [1, 2] && end == .closed)
            #expect(pair.server.receive(into: pair.buffer) == .closed)
            #expect(pair.server.send([3].span) == .moved(1))
        }
    }

    @Test func `a client that just goes has ended too`() throws {
        try connected { pair in
            // What lies unread with whoever closes makes the kernel drop the rest on its way.
            _ = try pair.greet()
            #expect(pair.client.send([9].span) == .moved(1))
            pair.client.source.close()
            try runLoop { pair.server.source.hasHungUp }
            let (bytes, end) = pair.drain(pair.server)
            #expect(bytes == [9] && end == .closed && pair.server.fault == nil)
            #expect(pair.server.send([1].span) == .closed)
        }
    }

    @Test(arguments: versions)
    func `a broken record ends the connection`(_ version: String) throws {
        try connected(version) { pair in
            #expect(pair.client.source.send([23, 3, 3, 0, 20].span) == .moved(5))
            #expect(pair.client.source.send([UInt8](repeating: 7, count: 20).span) == .moved(20))
            try runLoop { pair.server.source.isReadable }
            #expect(pair.drain(pair.server).end == .failed(KernelError("SSL_read()", KernelError.protocolFault)))
            let fault = try #require(pair.server.fault)
            #expect(fault.isClientFault && fault.text.hasPrefix("SSL_read() failed (SSL: error:0A"))
            #expect(pair.server.send([1].span) == .closed)
        }
    }

    @Test func `a client may not begin another handshake, even where OpenSSL is told to let it`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let context = try TLSServerContext(authority.directives("ecdsa") + "ssl_conf_command Options ClientRenegotiation;")
            let pair = try TLSPair(context, ClientHabits(commands: [("MaxProtocol", "TLSv1.2")]))
            defer { pair.close() }
            try pair.shakeHands()
            #expect(pair.client.renegotiate() == -1)
            try runLoop { pair.server.source.isReadable }
            #expect(pair.drain(pair.server).bytes.isEmpty)
            try runLoop { pair.client.source.isReadable }
            _ = pair.drain(pair.client)
            #expect(pair.client.fault?.text.contains("no renegotiation") == true)
        }
    }

    @Test func `a client may change its keys`() throws {
        try connected { pair in
            pair.client.updateKeys()
            let received3 = try pair.carry([1, 2], from: pair.client, to: pair.server)
            #expect(received3 == [1, 2])
            let received4 = try pair.carry([3, 4], from: pair.server, to: pair.client)
            #expect(received4 == [3, 4])
        }
    }

    @Test func `a client may change its keys when nothing can be sent to it`() throws {
        try connected { pair in
            let bytes = someBytes(2_000_000)
            var sent = 0
            while case .moved(let count) = pair.server.send(bytes.span.extracting(sent..<bytes.count)) { sent += count }
            #expect(sent < bytes.count && !pair.server.source.isWritable)
            pair.client.updateKeys()
            var (atServer, atClient): ([UInt8], [UInt8]) = ([], [])
            var isSent = false
            try runLoop {
                if !isSent { isSent = pair.client.send([1, 2, 3].span) == .moved(3) }
                if pair.server.source.isReadable || pair.server.hasBufferedInput { atServer += pair.drain(pair.server).bytes }
                if isSent { atClient += pair.drain(pair.client).bytes }
                if sent < bytes.count, pair.server.source.isWritable,
                    case .moved(let count) = pair.server.send(bytes.span.extracting(sent..<bytes.count)) { sent += count }
                return atClient.count >= bytes.count && atServer.count >= 3 || pair.server.fault != nil || pair.client.fault != nil
            }
            #expect(atServer == [1, 2, 3] && atClient == bytes)
        }
    }

    /// Once OpenSSL has the four bytes that announce a change of keys, it sends nothing before the fifth. To try
    /// again as long as the socket takes something would be to try for ever.
    @Test func `half a change of keys holds up what is sent until its rest has come`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let pair = try SplitPair(try TLSServerContext(authority.directives("ecdsa")), ClientHabits(commands: RawRecords.suite))
            defer { pair.close() }
            try pair.shakeHands()
            var records = try pair.client.rawRecords()
            try pair.deliver(try records.record(RawRecords.data, [1, 2]) + records.record(RawRecords.handshake, [24, 0, 0, 1]))
            #expect(pair.heardByServer().bytes == [1, 2])
            let held = pair.server.send([3, 4].span)
            #expect(held == .wouldBlock && !pair.server.isWritable && pair.server.source.isWritable && pair.server.fault == nil)
            try pair.deliver(try records.record(RawRecords.handshake, [0]))
            #expect(pair.server.isWritable)
            let sent = pair.server.send([3, 4].span)
            #expect(sent == .moved(2) && pair.server.isWritable)
        }
    }

    /// One call of the kernel's brings them all, but a step does not take them all.
    @Test func `records that have come and not been read are kept apart from those of others, and announced`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let context = try TLSServerContext(authority.directives("ecdsa"))
            let (many, few) = (
                try SplitPair(context, ClientHabits(commands: RawRecords.suite)), try SplitPair(context, ClientHabits(commands: RawRecords.suite)))
            defer {
                many.close()
                few.close()
            }
            try many.shakeHands()
            try few.shakeHands()
            let bytes = someBytes(500)
            var records = try many.client.rawRecords()
            var sent: [UInt8] = []
            for byte in bytes { sent += try records.record(RawRecords.data, [byte]) }
            try many.deliver(sent)
            var received: [UInt8] = []
            // The second reads have no room for many records.
            for limit in [SharedBuffer.byteCount, 40, SharedBuffer.byteCount, 40] {
                guard case .moved(let count) = many.server.receive(into: many.buffer, atMost: limit) else { break }
                many.buffer.withBytes(count) { span in for index in span.indices { received.append(span[index]) } }
                #expect(received.count < bytes.count && !many.server.source.isReadable && many.server.isReadable)
                #expect(few.client.send([7].span) == .moved(1))
                try few.deliver(try few.clientBytes())
                #expect(few.heardByServer().bytes == [7])
            }
            received += many.heardByServer().bytes
            #expect(received == bytes && !many.server.isReadable)
        }
    }

    @Test(arguments: [(StreamBIO.maximumIdleMessages, true), (StreamBIO.maximumIdleMessages + 1, false)])
    func `a client may not change its keys without end`(_ count: Int, _ isBorne: Bool) throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let pair = try SplitPair(try TLSServerContext(authority.directives("ecdsa")), ClientHabits(commands: RawRecords.suite))
            defer { pair.close() }
            try pair.shakeHands()
            var records = try pair.client.rawRecords()
            for round in [0, 1] {
                for _ in 0..<count {
                    try pair.deliver(try records.record(RawRecords.handshake, [24, 0, 0, 1, 0]))
                    try records.changeKeys()
                    _ = pair.heardByServer()
                }
                try pair.deliver(try records.record(RawRecords.data, [1]))
                let (bytes, end) = pair.heardByServer()
                #expect(bytes == (isBorne ? [1] : []))
                if isBorne { #expect(end == .wouldBlock && pair.server.fault == nil, "round \(round)") }
            }
            let fault = TLSError("peer sent too many messages without data", isClientFault: true)
            #expect(pair.server.fault == (isBorne ? nil : fault))
        }
    }

    /// OpenSSL makes room for the length that a message announces, up to 128 KiB.
    @Test func `a hello without end ends the handshake`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let ends = try WatchedPair(Recorder())
            defer { ends.close() }
            let server = try TLSServerConnection(try TLSServerContext(authority.directives("ecdsa")), over: ends.near)
            let part: [UInt8] = [22, 3, 1, 0x40, 0] + [UInt8](repeating: 0, count: 0x4000)
            let first: [UInt8] = [22, 3, 1, 0x40, 0, 1, 1, 0xFF, 0xF0, 3, 3] + [UInt8](repeating: 0, count: 0x4000 - 6)
            var sent = 0
            for bytes in [first, part, part, part] {
                _ = ends.far.send(bytes.span)
                try runLoop { ends.near.isReadable }
                guard server.handshake() == .wouldBlock else { break }
                sent += bytes.count
            }
            #expect(sent == first.count + part.count)
            #expect(server.fault == TLSError("peer sent too long handshake", isClientFault: true))
        }
    }

    /// To send, OpenSSL reads on; and what it has taken from the stream, that does not announce again.
    @Test func `what comes behind the rest of a change of keys is not forgotten`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let pair = try SplitPair(try TLSServerContext(authority.directives("ecdsa")), ClientHabits(commands: RawRecords.suite))
            defer { pair.close() }
            try pair.shakeHands()
            var records = try pair.client.rawRecords()
            try pair.deliver(try records.record(RawRecords.handshake, [24, 0, 0, 1]))
            #expect(pair.heardByServer().end == .wouldBlock)
            #expect(pair.server.send([3].span) == .wouldBlock)
            var rest = try records.record(RawRecords.handshake, [0])
            try records.changeKeys()
            rest += try records.record(RawRecords.data, [1, 2])
            try pair.deliver(rest)
            #expect(pair.server.send([3].span) == .moved(1))
            #expect(pair.server.isReadable && !pair.server.source.isReadable)
            #expect(pair.heardByServer().bytes == [1, 2])
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.0\r\n\r\n", "SSL_do_handshake() failed (SSL: error:0A00009C:SSL routines::http request)"),
        ("a LOGIN u p\r\n", "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number)"),
    ])
    func `plain text is no handshake`(_ text: String, _ message: String) throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let ends = try WatchedPair(Recorder())
            defer { ends.close() }
            let server = try TLSServerConnection(try TLSServerContext(authority.directives("ecdsa")), over: ends.near)
            ends.far.say(text)
            try runLoop { ends.near.isReadable && ends.near.isWritable }
            #expect(server.handshake() == .failed(TLSError(message, isClientFault: true)))
            #expect(server.handshake() == .failed(TLSError(message, isClientFault: true)))
        }
    }

    @Test func `a client that goes in the middle of a handshake is said to have closed it`() throws {
        let authority = try TestAuthority.here()
        try onLoop {
            let ends = try WatchedPair(Recorder())
            defer { ends.close() }
            let server = try TLSServerConnection(try TLSServerContext(authority.directives("ecdsa")), over: ends.near)
            ends.far.say("\u{16}\u{3}\u{1}")
            try runLoop { ends.near.isReadable && ends.near.isWritable }
            #expect(server.handshake() == .wouldBlock && !ends.near.isReadable)
            ends.far.close()
            try runLoop { ends.near.isReadable }
            #expect(server.handshake() == .failed(TLSError("peer closed connection in SSL handshake", isClientFault: true)))
        }
    }
}
