import Protocols
import TestSupport

/// Holds an upstream dialogue to a transcript, in which we are the client: `C:` is what the machine
/// says, `S:` what the upstream does.
struct UpstreamTranscriptRunner {
    private var dialogue: any UpstreamDialogue
    private var seen = Transcript()
    private var input: [UInt8] = []
    private var isDecided = false
    private var hasTLSBegun = false

    init(_ dialogue: any UpstreamDialogue) { self.dialogue = dialogue }

    /// What is really said and decided when the upstream's part of the script is played. S: lines that
    /// follow each other arrive together.
    mutating func play(_ script: Transcript, _ delivery: Delivery) -> Transcript {
        var pending: [UInt8] = []
        for line in script.lines + [.client([])] {
            if case .server(let bytes) = line {
                pending += bytes + [13, 10]
                continue
            }
            seen.append(server: pending)
            for piece in delivery.pieces(of: pending) {
                input += piece
                listen()
            }
            pending = []
        }
        return seen
    }

    private mutating func listen() {
        while (!input.isEmpty || hasTLSBegun) && !isDecided {
            let bytes = input
            hasTLSBegun = false
            let step = dialogue.receive(bytes.span)
            input.removeFirst(step.byteCount)
            switch step.action {
            case .awaitInput: return
            case .skip: continue
            case .send(let line): seen.append(client: line.bytes)
            case .accepted(let reply): decide("accepted: " + text(reply))
            case .refused(let reply, nil): decide("refused: " + text(reply))
            case .refused(let reply, let saslError?): decide("refused, error \(text(saslError)): " + text(reply))
            case .failed(let reply): decide("failed: " + text(reply))
            case .startTLS:
                seen.append(.decision("startTLS"))
                hasTLSBegun = true
            case .cannotStartTLS(.refused(let reply)): decide("refused TLS: " + text(reply))
            case .cannotStartTLS(.invalid(let reply)): decide("invalid before TLS: " + text(reply))
            case .cannotStartTLS(let fault): decide("\(fault)")
            case .noPassword, .unspeakable, .tooLong: decide("\(step.action)")
            }
        }
    }

    private mutating func decide(_ words: String) {
        seen.append(.decision(words))
        isDecided = true
    }

    private func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).replacing("\r\n", with: "⏎")
    }
}
