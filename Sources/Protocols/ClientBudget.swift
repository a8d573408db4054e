/// How much a client may say before its login, and how much of that in error (`mail-imap.md`,
/// section 8). The counts go on through STARTTLS and refused logins.
struct ClientBudget: Sendable {
    /// What becomes of the bytes that a parser has looked at.
    enum Admission<Unit> {
        case awaitInput
        /// The unit is not for the dialogue; this is the answer to it.
        case turnedAway(ClientStep)
        case admitted(Unit, byteCount: Int)
    }

    private let maxErrors: Int
    private let maxCommands: Int
    private var errors = 0
    private var commands = 0

    init(_ policy: DialoguePolicy) {
        maxErrors = policy.maxErrors
        maxCommands = policy.maxCommands
    }

    /// Counts what was read: an unreadable line as an error, any other as a command.
    /// - Parameter invalid: the protocol's reply to a line that it does not know.
    mutating func admit<Unit>(_ parsed: consuming Parsed<Unit>, invalid: [UInt8]) -> Admission<Unit> {
        switch consume parsed {
        case .incomplete:
            return .awaitInput
        case .invalid(_, let byteCount):
            errors += 1
            guard errors >= maxErrors else { return .turnedAway(ClientStep(byteCount: byteCount, .reply(invalid))) }
            return .turnedAway(Self.close(byteCount, invalid, "client sent too many invalid commands"))
        case .complete(let unit, let byteCount):
            commands += 1
            guard commands > maxCommands else { return .admitted(unit, byteCount: byteCount) }
            return .turnedAway(Self.close(byteCount, invalid, "client sent too many commands"))
        }
    }

    /// The end of a client whose command fills the buffer. Nothing but the command word is told, for
    /// what follows it may be a password.
    static func turnAwayTooLong(_ input: Span<UInt8>, isResponse: Bool, invalid: [UInt8]) -> ClientStep {
        let word = isResponse ? nil : commandWord(of: input)
        return close(input.count, invalid, "client sent too long command \"\(word ?? "")\"")
    }

    private static func close(_ byteCount: Int, _ reply: [UInt8], _ note: String) -> ClientStep {
        ClientStep(byteCount: byteCount, .close(after: reply), note: note)
    }

    private static func commandWord(of input: Span<UInt8>) -> String? {
        guard let end = input.indices.prefix(9).first(where: { input[$0] == .space }) else { return nil }
        let word = input.bytes(in: 0..<end)
        return word.allSatisfy(\.isLetter) ? String(decoding: word, as: UTF8.self) : nil
    }
}

/// A client's side that counts what it is told.
protocol BudgetedDialogue {
    var budget: ClientBudget { get set }

    /// A line that belongs to nothing ends what it might have belonged to.
    mutating func abandonExchange()
}

extension BudgetedDialogue {
    typealias Decision = (action: ClientAction, note: String?)

    /// Counts a line, and lets it be decided upon while there are few enough.
    /// - Parameter invalid: the protocol's reply to a line that it does not know.
    @inline(__always) mutating func admit<Unit>(
        _ parsed: consuming Parsed<Unit>, invalid: [UInt8], then decide: (inout Self, Unit) -> Decision
    ) -> ClientStep {
        switch budget.admit(parsed, invalid: invalid) {
        case .awaitInput:
            return ClientStep(byteCount: 0, .awaitInput)
        case .turnedAway(let step):
            abandonExchange()
            return step
        case .admitted(let unit, let byteCount):
            let decision = decide(&self, unit)
            return ClientStep(byteCount: byteCount, decision.action, note: decision.note)
        }
    }
}
