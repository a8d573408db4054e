/// One word of a directive as the lexer hands it over: unquoted and unescaped bytes of any character set.
public struct Word: Sendable, Hashable, ExpressibleByStringLiteral {
    public let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }
    public init(stringLiteral text: String) { bytes = Array(text.utf8) }

    /// The word as text, for comparing and printing. Bytes that are not UTF-8 do not survive this.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The word as it stands in a message: what a terminal would obey or not show at all, such as a
    /// no-break space or a byte order mark pasted into a file, is spelled out as `<U+00A0>`.
    public var printed: String {
        var printed = ""
        for scalar in text.unicodeScalars {
            if scalar.isVisible {
                printed.unicodeScalars.append(scalar)
            } else {
                let digits = String(scalar.value, radix: 16, uppercase: true)
                printed += "<U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + ">"
            }
        }
        return printed
    }

    /// What follows `prefix`, as in `backlog=511`; nil where the word does not start with it.
    public func value(after prefix: String) -> Word? {
        bytes.starts(with: prefix.utf8) ? Word(Array(bytes.dropFirst(prefix.utf8.count))) : nil
    }

    /// Whether this is that keyword, in any case of ASCII letters.
    public func isKeyword(_ keyword: String) -> Bool {
        bytes.elementsEqual(keyword.utf8) { $0.lowercased == $1.lowercased }
    }
}

extension UInt8 {
    fileprivate var lowercased: UInt8 { (0x41...0x5a).contains(self) ? self | 0x20 : self }
}

extension Unicode.Scalar {
    fileprivate var isVisible: Bool {
        if isASCII { return value >= 0x20 && value != 0x7f }
        return switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator: false
        default: true
        }
    }
}
