import Kernel

/// Plays the upstreams: answers each line as the table says, and fails at one that is not in it.
@LoopActor final class Upstream {
    /// What is done about a line.
    private enum Answer {
        case reply([UInt8])
        case farewell([UInt8])
        case sendPattern(Int)
        /// Takes what follows, and says so.
        case takePattern(Int, [UInt8])
    }

    private let greeting: [UInt8]
    private let answers: [(line: [UInt8], answer: Answer)]

    private static let lineEnd = Array("\r\n".utf8)

    /// - Parameter size: how long each transfer is.
    init(_ speech: Speech, transfersOf size: Int) {
        greeting = speech.upstreamGreeting
        answers =
            (speech.upstreamLogin + [speech.noop, Exchange.echo(size)]).map { ($0.line, .reply($0.reply)) } + [
                (speech.logout.line, .farewell(speech.logout.reply)),
                (Transfer.down, .sendPattern(size)),
                (Transfer.up, .takePattern(size, Transfer.thanks)),
            ]
    }

    func serve(_ wire: Wire) async throws(Fault) {
        try await wire.send(greeting)
        while let line = try await wire.take(through: Self.lineEnd) {
            guard let answer = answers.first(where: { $0.line == line })?.answer else {
                throw Fault(.upstream, "heard \(quoted(line))")
            }
            switch answer {
            case .reply(let reply): try await wire.send(reply)
            case .sendPattern(let count): try await wire.sendPattern(count)
            case .takePattern(let count, let thanks):
                try await wire.expectPattern(count)
                try await wire.send(thanks)
            case .farewell(let reply):
                try await wire.send(reply)
                return wire.close()
            }
        }
        wire.close()
    }
}

/// What client and upstream say about a transfer of the pattern.
enum Transfer {
    static let down = Array("SEND\r\n".utf8)
    static let up = Array("TAKE\r\n".utf8)
    static let thanks = Array("THANKS\r\n".utf8)
}

extension Exchange {
    /// A line of so many bytes, which comes back.
    static func echo(_ size: Int) -> Exchange {
        let line = String(repeating: "e", count: max(0, min(size, 1024) - 2))
        return Exchange(line, line)
    }
}
