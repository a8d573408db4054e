/// Why a question to the DNS has no answer: a name server's code (RFC 1035, section 4.1.1), or what has kept one from
/// answering, as the system numbers it.
struct LookupFailure: Error, Equatable {
    let code: Int

    /// There is no such name, or nothing of what was asked for.
    static let hostNotFound = LookupFailure(code: 3)
    static let timedOut = LookupFailure(code: 110)
    /// Nobody was asked, so that clients find room.
    static let noRoom = LookupFailure(code: 16)

    /// As the log puts it (`mail-extras.md`, section 3).
    var text: String { "\(code): \(Self.texts[code] ?? "Unknown error")" }

    private static let texts = [
        1: "Format error", 2: "Server failure", 3: "Host not found", 4: "Unimplemented", 5: "Operation refused",
        16: "worker_connections are not enough", 110: "Operation timed out",
    ]
}
