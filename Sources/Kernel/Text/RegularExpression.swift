import Glibc

/// A POSIX extended regular expression. What it is compared with may be a stranger's: the time that takes
/// grows with the text's length and no faster, because back references, which would end that, are refused.
public final class RegularExpression: @unchecked Sendable {
    public struct Fault: Error, Equatable {
        public let text: String

        public init(text: String) { self.text = text }
    }

    private var compiled = regex_t()

    public init(_ pattern: String) throws(Fault) {
        if let escape = Self.firstUnknownEscape(in: pattern) { throw Fault(text: "\"\\\(escape)\" is not supported") }
        let status = regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB)
        guard status == 0 else {
            var message = [CChar](repeating: 0, count: 128)
            regerror(status, &compiled, &message, message.count)
            throw Fault(text: String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
        }
    }

    deinit { regfree(&compiled) }

    /// Whether the expression is found anywhere in the text.
    public func matches(_ text: String) -> Bool { regexec(&compiled, text, 0, nil, 0) == 0 }

    /// Letters that mean something behind a backslash. Of any other letter or digit somebody expects what
    /// Perl makes of it, and the library would take it as itself, or as a back reference.
    private static let knownEscapes = Set("wWsSbB")

    private static func firstUnknownEscape(in pattern: String) -> Character? {
        var isEscaped = false
        for character in pattern {
            if isEscaped, character.isASCII, character.isLetter || character.isNumber, !knownEscapes.contains(character) {
                return character
            }
            isEscaped = !isEscaped && character == "\\"
        }
        return nil
    }
}
