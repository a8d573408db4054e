import Protocols
import TestSupport

/// How a client's bytes reach the machine. Whatever the cut, the transcript must be the same.
enum Delivery: CaseIterable {
    case whole, byteByByte

    func pieces(of bytes: [UInt8]) -> [[UInt8]] {
        self == .whole ? [bytes] : bytes.map { [$0] }
    }
}

/// Holds a client dialogue to a transcript, as a session would without a network.
///
/// Events: `TLS` (the handshake is done), `refused: TEXT`, and `refused, may try again: TEXT`; in both,
/// `, error B64` before the colon is what OAuth clients are told.
struct ClientTranscriptRunner {
    var dialogue: any ClientDialogue
    var overTLS = false
    private var input: [UInt8] = []
    /// Whether the dialogue has the word: not while a login is judged, nor during a handshake.
    private var isListening = true
    private var seen = Transcript()

    init(_ dialogue: any ClientDialogue, overTLS: Bool = false) {
        self.dialogue = dialogue
        self.overTLS = overTLS
    }

    /// What is really said and done when the client's part of the script is played.
    mutating func play(_ script: Transcript, _ delivery: Delivery) -> Transcript {
        seen.append(server: dialogue.greeting(overTLS: overTLS))
        var pending: [UInt8] = []
        for line in script.lines + [.server([])] {
            if case .client(let bytes) = line {
                pending += bytes + [13, 10]
                continue
            }
            say(pending, delivery)
            pending = []
            if case .event(let words) = line { happen(words) }
        }
        return seen
    }

    private mutating func say(_ bytes: [UInt8], _ delivery: Delivery) {
        seen.append(client: bytes)
        for piece in delivery.pieces(of: bytes) {
            input += piece
            listen()
        }
    }

    private mutating func listen() {
        while isListening {
            let bytes = input
            let step = dialogue.receive(bytes.span, overTLS: overTLS)
            input.removeFirst(step.byteCount)
            if let note = step.note { seen.append(.decision("note \(note)")) }
            if step.action == .awaitInput { return }
            perform(step.action)
        }
    }

    private mutating func perform(_ action: ClientAction) {
        switch action {
        case .awaitInput:
            break
        case .reply(let line):
            seen.append(server: line)
        case .adopt(let claim, let line):
            seen.append(.decision("adopt" + describe(claim)))
            seen.append(server: line)
        case .startTLS(let line):
            seen.append(server: line)
            seen.append(.decision("TLS"))
            isListening = false
        case .authenticate(let credentials):
            seen.append(.decision("authenticate " + describe(credentials)))
            isListening = false
        case .close(let line):
            seen.append(server: line)
            seen.append(.decision("close"))
            isListening = false
        }
    }

    private mutating func happen(_ words: String) {
        seen.append(.event(words))
        if words == "TLS" { beginTLS() } else { refuse(words) }
        // What was pipelined behind a refused command is read now.
        listen()
    }

    private mutating func beginTLS() {
        dialogue.forgetPlaintext()
        input = []
        overTLS = true
        isListening = true
    }

    private mutating func refuse(_ words: String) {
        let halves = words.split(separator: ": ", maxSplits: 1, omittingEmptySubsequences: false)
        let terms = halves[0].split(separator: ", ")
        let saslError = terms.first { $0.hasPrefix("error ") }.map { Array($0.utf8.dropFirst(6)) }
        let text = halves.count > 1 ? Array(halves[1].utf8) : []
        isListening = true
        perform(
            dialogue.refuse(
                Refusal(.message(text), saslError: saslError),
                thenCloses: !terms.contains("may try again")))
    }

    private func describe(_ claim: ClientClaim) -> String {
        func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }
        let words = [
            text(claim.address?.text), claim.port.map { "\($0)" }, text(claim.hostName), claim.hopsLeft.map { "TTL \($0)" },
        ] + claim.forwarded.map { text($0.name + [UInt8(ascii: "=")] + $0.value) }
        return words.compactMap { $0 }.map { " " + $0 }.joined()
    }

    private func describe(_ credentials: Credentials) -> String {
        let secret = credentials.secret.map { String(decoding: $0.bytes, as: UTF8.self) } ?? "none"
        return "\(credentials.method.rawValue) [\(String(decoding: credentials.login, as: UTF8.self))] [\(secret)]"
    }
}
