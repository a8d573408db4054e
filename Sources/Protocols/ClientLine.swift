/// A client's line, cut into words the way POP3 and SMTP do it (`mail-pop3.md` and `mail-smtp.md`,
/// section 2). A CR that no LF follows makes it unreadable.
extension Line {
    /// Where the words are, in a line that has no more than `limit` of them.
    func words(of bytes: Span<UInt8>, atMost limit: Int) throws(ParseFault) -> LineWords {
        try refuseReturns(in: bytes)
        var words = LineWords()
        var rest = content
        while let word = bytes.firstWord(in: rest) {
            if words.count == limit || words.isFull { throw .tooManyArguments }
            words.append(word)
            rest = word.upperBound..<content.upperBound
        }
        return words
    }

    /// The command word, which begins in the first column.
    func verb(of bytes: Span<UInt8>) throws(ParseFault) -> CommandWord {
        guard let verb = CommandWord(bytes.extracting(content.lowerBound..<verbEnd(in: bytes))) else { throw .command }
        return verb
    }

    /// Everything from the first byte behind the command word that is no space: the one argument of
    /// POP3's USER and PASS, its inner and trailing spaces included. Nil where there is none.
    func rest(of bytes: Span<UInt8>) throws(ParseFault) -> Range<Int>? {
        try refuseReturns(in: bytes)
        var start = verbEnd(in: bytes)
        while start < content.upperBound, bytes[start] == .space { start += 1 }
        return start < content.upperBound ? start..<content.upperBound : nil
    }

    private func verbEnd(in bytes: Span<UInt8>) -> Int { bytes.firstIndex(of: .space, in: content) ?? content.upperBound }

    private func refuseReturns(in bytes: Span<UInt8>) throws(ParseFault) {
        if bytes.firstIndex(of: .carriageReturn, in: content) != nil { throw .lineEnd }
    }
}

/// Where the words of a line are, kept without asking for memory.
struct LineWords {
    private(set) var count = 0
    /// As many as a command of SMTP may have, which is the most.
    private var places = InlineArray<12, Range<Int>>(repeating: 0..<0)

    var isFull: Bool { count == places.count }

    mutating func append(_ place: Range<Int>) {
        places[count] = place
        count += 1
    }

    subscript(_ index: Int) -> Range<Int> {
        precondition(index < count)
        return places[index]
    }
}

/// The word that a command of POP3 or SMTP begins with, whatever the case of its letters. There are eight at most, and
/// together they are one number.
struct CommandWord: Equatable, ExpressibleByStringLiteral {
    private static let maxLength = 8

    private var letters: UInt64 = 0

    /// Nil where these are not letters, or too many.
    init?(_ bytes: Span<UInt8>) {
        if bytes.count > Self.maxLength { return nil }
        for index in bytes.indices {
            guard bytes[index].isLetter else { return nil }
            append(bytes[index].uppercased)
        }
    }

    /// - Parameter word: capitals.
    init(stringLiteral word: StaticString) {
        precondition(word.utf8CodeUnitCount <= Self.maxLength)
        // Unsafe as all pointers are; a literal's bytes are always there.
        for index in 0..<word.utf8CodeUnitCount { append(unsafe word.utf8Start[index]) }
    }

    private mutating func append(_ letter: UInt8) { letters = letters << 8 | UInt64(letter) }
}

/// What a client answers to a challenge: only the first word of the line counts
/// (`mail-imap.md`, section 6).
enum ResponseLine {
    /// Parses the answer that starts at the first byte. It is empty where the line is, or where the
    /// line begins with a space.
    static func parse(_ bytes: Span<UInt8>, words limit: Int) -> Parsed<Secret> {
        guard let line = bytes.line() else { return .incomplete }
        do throws(ParseFault) {
            let words = try line.words(of: bytes, atMost: limit)
            let isFirst = words.count > 0 && words[0].lowerBound == 0
            return .complete(isFirst ? Secret(bytes.extracting(words[0])) : Secret(), byteCount: line.end)
        } catch {
            return .invalid(error, byteCount: line.end)
        }
    }
}
