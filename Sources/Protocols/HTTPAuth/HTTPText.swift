/// A part of a response, and what HTTP asks of it: words in any letter case, numbers, lists.
struct HTTPText: ~Escapable {
    private let bytes: Span<UInt8>

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) { self.bytes = bytes.extracting(range) }

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>) { self.bytes = bytes }

    var isEmpty: Bool { bytes.isEmpty }
    var array: [UInt8] { bytes.bytes() }
    var string: String { unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) } }

    func allSatisfy(_ accepts: (UInt8) -> Bool) -> Bool {
        bytes.indices.allSatisfy { accepts(bytes[$0]) }
    }

    func isEqual(to other: borrowing HTTPText) -> Bool {
        bytes.count == other.bytes.count && bytes.indices.allSatisfy { bytes[$0] == other.bytes[$0] }
    }

    /// Byte for byte.
    func isEqual(to text: StaticString) -> Bool {
        bytes.count == text.utf8CodeUnitCount && hasPrefix(text)
    }

    func hasPrefix(_ text: StaticString) -> Bool { bytes.hasBytes(text) }

    /// - Parameter word: in small letters.
    func isWord(_ word: StaticString) -> Bool {
        guard bytes.count == word.utf8CodeUnitCount else { return false }
        // Unsafe as all pointers are; a literal's bytes are always there.
        return bytes.indices.allSatisfy { index in
            let letter = unsafe word.utf8Start[index]
            return bytes[index] == letter || bytes[index].lowercased == letter
        }
    }

    /// A number without sign that fits; nil for anything else.
    func number(radix: Int = 10) -> Int? {
        guard !bytes.isEmpty else { return nil }
        var value = 0
        for index in bytes.indices {
            guard let digit = Self.digit(bytes[index]), digit < radix else { return nil }
            let (product, overflows) = value.multipliedReportingOverflow(by: radix)
            let (sum, overflowsToo) = product.addingReportingOverflow(digit)
            if overflows || overflowsToo { return nil }
            value = sum
        }
        return value
    }

    /// The part of `range` without blanks at its ends.
    /// - Parameter withTabs: whether tabs are blanks, too.
    static func trim(_ range: Range<Int>, of bytes: Span<UInt8>, withTabs: Bool = false) -> Range<Int> {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || withTabs && byte == 0x09 }
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, isBlank(bytes[start]) { start += 1 }
        while start < end, isBlank(bytes[end - 1]) { end -= 1 }
        return start..<end
    }

    /// The value of a digit, up to hexadecimal.
    static func digit(_ byte: UInt8) -> Int? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): Int(byte - UInt8(ascii: "A")) + 10
        default: nil
        }
    }

    /// Whether a name may hold this byte (RFC 9110, section 5.6.2).
    static func isTokenByte(_ byte: UInt8) -> Bool {
        // What names mostly are made of comes first.
        if byte.isLetter || byte == .hyphen { return true }
        return switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "#")...UInt8(ascii: "'"),
            UInt8(ascii: "!"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
