/// The bytes that mail protocols give a meaning to, by name.
extension UInt8 {
    public static let startOfHeading: UInt8 = 0x01
    public static let lineFeed: UInt8 = 0x0A
    public static let carriageReturn: UInt8 = 0x0D
    public static let space: UInt8 = 0x20
    public static let quote = UInt8(ascii: "\"")
    public static let asterisk = UInt8(ascii: "*")
    public static let plus = UInt8(ascii: "+")
    public static let comma = UInt8(ascii: ",")
    public static let hyphen = UInt8(ascii: "-")
    public static let dot = UInt8(ascii: ".")
    public static let colon = UInt8(ascii: ":")
    public static let equalsSign = UInt8(ascii: "=")
    public static let backslash = UInt8(ascii: "\\")
    public static let openParenthesis = UInt8(ascii: "(")
    public static let closeParenthesis = UInt8(ascii: ")")
    public static let openBrace = UInt8(ascii: "{")
    public static let closeBrace = UInt8(ascii: "}")

    public var isDigit: Bool { UInt8(ascii: "0") <= self && self <= UInt8(ascii: "9") }
    // One bit tells small letters from capitals.
    public var isLetter: Bool { UInt8(ascii: "a")...UInt8(ascii: "z") ~= self | 0x20 }
    /// Whether it steers a terminal or a protocol and prints nothing: CR, LF, NUL and their like.
    public var isControl: Bool { self < .space || self == 0x7F }
    public var isPrintableASCII: Bool { .space <= self && self < 0x7F }

    /// The small letter of a capital one; any other byte as it is.
    public var lowercased: UInt8 {
        UInt8(ascii: "A") <= self && self <= UInt8(ascii: "Z") ? self | 0x20 : self
    }

    /// The capital of a small letter; any other byte as it is.
    public var uppercased: UInt8 {
        UInt8(ascii: "a") <= self && self <= UInt8(ascii: "z") ? self & 0xDF : self
    }

    /// The value of a hexadecimal digit, in either case.
    public var hexDigitValue: Int? {
        switch lowercased {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(self - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(lowercased - UInt8(ascii: "a")) + 10
        default: nil
        }
    }

    /// The value of a decimal digit.
    public var digitValue: Int? { isDigit ? Int(self - UInt8(ascii: "0")) : nil }
}

/// A line found among bytes: what it says, and where the next one begins.
public struct Line: Equatable, Sendable {
    /// The line without its LF, and without the CR before that.
    public let content: Range<Int>
    /// Just behind the LF.
    public let end: Int

    public init(content: Range<Int>, end: Int) {
        self.content = content
        self.end = end
    }
}

/// Questions that the parsers of all protocols ask. Ranges are always ones that the bytes have:
/// parsers get them from here, and never from what a peer announced.
extension Span where Element == UInt8 {
    /// The first place of a byte from `start` on.
    public func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? { firstIndex(of: byte, in: start..<Swift.max(start, count)) }

    /// The first place of a byte in a range. Eight are looked at together: most of what a parser does is to look for
    /// the end of something.
    public func firstIndex(of byte: UInt8, in range: Range<Int>) -> Int? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var index = range.lowerBound
        let lastEight = range.upperBound - 8
        while index <= lastEight {
            // Unsafe where not every row of bits is a value of the type; the place is checked to be among the bytes.
            let bytes = unsafe UInt64(littleEndian: self.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
            // What equals the byte is zero now, and to take one from each sets the high bit of the first that is.
            let difference = bytes ^ ones &* UInt64(byte)
            let found = (difference &- ones) & ~difference & ones << 7
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < range.upperBound {
            if self[index] == byte { return index }
            index += 1
        }
        return nil
    }

    /// The line that starts at `start`, if its LF has come. LF alone ends a line as CR LF does:
    /// nginx takes both.
    public func line(from start: Int = 0) -> Line? {
        guard let lineFeed = firstIndex(of: .lineFeed, from: start) else { return nil }
        let hasReturn = lineFeed > start && self[lineFeed - 1] == .carriageReturn
        return Line(content: start..<(hasReturn ? lineFeed - 1 : lineFeed), end: lineFeed + 1)
    }

    /// The first word of a range, where spaces part words. Nil where there is none.
    public func firstWord(in range: Range<Int>) -> Range<Int>? {
        var start = range.lowerBound
        while start < range.upperBound, self[start] == .space { start += 1 }
        if start == range.upperBound { return nil }
        return start..<(firstIndex(of: .space, in: start..<range.upperBound) ?? range.upperBound)
    }

    /// A copy of bytes that are no secret. What may be a password is copied into a `Secret`.
    public func bytes() -> [UInt8] { bytes(in: indices) }

    /// A copy of some of the bytes, which are no secret either.
    public func bytes(in range: Range<Int>) -> [UInt8] {
        unsafe extracting(range).withUnsafeBufferPointer { unsafe Array($0) }
    }

    /// Whether these bytes are that keyword, in any case of letters.
    public func isKeyword(_ keyword: String, in range: Range<Int>) -> Bool {
        range.count == keyword.utf8.count && hasKeyword(keyword, at: range.lowerBound)
    }

    /// Whether that keyword, in any case of letters, stands at `start`, whatever follows it.
    public func hasKeyword(_ keyword: String, at start: Int = 0) -> Bool {
        let letters = keyword.utf8.span
        guard start >= 0, start <= count, count - start >= letters.count else { return false }
        for index in letters.indices where self[start + index].lowercased != letters[index].lowercased { return false }
        return true
    }

    /// Whether the bytes begin with exactly these.
    public func hasBytes(_ wanted: StaticString) -> Bool {
        guard count >= wanted.utf8CodeUnitCount else { return false }
        // Unsafe as all pointers are; a literal's bytes are always there.
        for index in 0..<wanted.utf8CodeUnitCount where unsafe self[index] != wanted.utf8Start[index] { return false }
        return true
    }

    /// Whether exactly these bytes stand at `start`, whatever follows them.
    public func hasBytes(_ wanted: [UInt8], at start: Int = 0) -> Bool {
        guard start >= 0, start <= count, count - start >= wanted.count else { return false }
        return wanted.indices.allSatisfy { self[start + $0] == wanted[$0] }
    }

    /// The number that these bytes spell, digits only and at least one; nil where it exceeds `maximum`.
    public func decimal(in range: Range<Int>, maximum: Int = .max) -> Int? {
        guard !range.isEmpty else { return nil }
        var value = 0
        for index in range {
            guard let digit = self[index].digitValue else { return nil }
            let (tenfold, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = tenfold.addingReportingOverflow(digit)
            if overflowed || carried || sum > maximum { return nil }
            value = sum
        }
        return value
    }
}

extension [UInt8] {
    /// Appends a copy of bytes that are no secret.
    mutating func append(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }

    /// Appends a number as people write it.
    mutating func append(decimal number: UInt) {
        if number > 9 { append(decimal: number / 10) }
        append(UInt8(ascii: "0") + UInt8(number % 10))
    }
}
