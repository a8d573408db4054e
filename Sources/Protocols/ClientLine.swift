/// A client's line, cut into words the way POP3 and SMTP do it (`mail-pop3.md` and `mail-smtp.md`,
/// section 2). A CR that no LF follows makes it unreadable.
extension Line {
    /// Where the words are, in a line that has no more than `limit` of them.
    func words(of bytes: Span<UInt8>, atMost limit: Int) throws(ParseFault) -> [Range<Int>] {
        var words: [Range<Int>] = []
        words.reserveCapacity(4)
        var start = content.lowerBound
        for index in content.lowerBound...content.upperBound {
            let isInside = index < content.upperBound
            if isInside && bytes[index] == .carriageReturn { throw .lineEnd }
            if isInside && bytes[index] != .space { continue }
            if start < index {
                if words.count == limit { throw .tooManyArguments }
                words.append(start..<index)
            }
            start = index + 1
        }
        return words
    }

    /// Commands have no more letters, so a longer word is none.
    private static let longestVerb = 8

    /// The command word, which begins in the first column, in capitals.
    func verb(of bytes: Span<UInt8>) throws(ParseFault) -> String {
        var letters: [UInt8] = []
        letters.reserveCapacity(Self.longestVerb)
        for index in content {
            let byte = bytes[index]
            if byte == .space { break }
            if letters.count == Self.longestVerb || !byte.isLetter { throw .command }
            letters.append(byte.uppercased)
        }
        return String(decoding: letters, as: UTF8.self)
    }

    /// Everything from the first byte behind the command word that is no space: the one argument of
    /// POP3's USER and PASS, its inner and trailing spaces included. Nil where there is none.
    func rest(of bytes: Span<UInt8>, after verb: String) throws(ParseFault) -> Range<Int>? {
        for index in content where bytes[index] == .carriageReturn { throw .lineEnd }
        var start = content.lowerBound + verb.utf8.count
        while start < content.upperBound, bytes[start] == .space { start += 1 }
        return start < content.upperBound ? start..<content.upperBound : nil
    }
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
            guard let first = words.first, first.lowerBound == 0 else {
                return .complete(Secret(), byteCount: line.end)
            }
            return .complete(Secret(bytes.extracting(first)), byteCount: line.end)
        } catch {
            return .invalid(error, byteCount: line.end)
        }
    }
}
