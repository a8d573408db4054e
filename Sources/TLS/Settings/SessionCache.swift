import Configuration
import Kernel

/// Where sessions are kept for clients that come again: in each worker's own memory.
public enum BuiltinSessionCache: Sendable, Equatable {
    /// Clients are told that sessions can be resumed, which they cannot.
    case pretended
    /// Clients are told that they cannot.
    case off
    /// Sessions are in the shared zone alone.
    case replacedByZone
    /// So many sessions; nil: as many as OpenSSL keeps.
    case sessions(Int?)
}

/// Where sessions are kept for all workers.
public struct SessionZone: Sendable, Equatable {
    public let name: String
    public let byteCount: Int
}

/// `ssl_session_cache`, which sets two things that are inherited each by itself.
struct SessionCacheWords {
    private(set) var builtin: BuiltinSessionCache?
    private(set) var zone: SessionZone?

    init(_ words: [Word]) throws(DirectiveFault) {
        for word in words {
            if let cache = try Self.builtin(word) { builtin = cache } else { zone = try Self.zone(word) }
        }
    }

    private static func builtin(_ word: Word) throws(DirectiveFault) -> BuiltinSessionCache? {
        switch word {
        case "off": return .off
        case "none": return .pretended
        case "builtin": return .sessions(nil)
        default:
            guard let count = word.value(after: "builtin:") else { return nil }
            guard let number = count.number, number <= Int(Int32.max) else { throw invalid(word) }
            return .sessions(number)
        }
    }

    private static func zone(_ word: Word) throws(DirectiveFault) -> SessionZone {
        guard let description = word.value(after: "shared:"),
            let colon = description.bytes.firstIndex(of: UInt8(ascii: ":")), colon > 0,
            let size = Word(Array(description.bytes[(colon + 1)...])).size
        else { throw invalid(word) }
        if size < minimumPageCount * OwnProcess.pageSize { throw .message("session cache \"\(word.printed)\" is too small") }
        return SessionZone(name: Word(Array(description.bytes[..<colon])).text, byteCount: size)
    }

    private static let minimumPageCount = 8

    private static func invalid(_ word: Word) -> DirectiveFault {
        .message("invalid session cache \"\(word.printed)\"")
    }
}
