import Kernel

/// The line as one JSON object (`logging.md`, section 8): `format=json`.
extension LogLine {
    /// How long each string of a line may become, until the line fits: of the last, it is as long as it is.
    private static let stringLimits = [Int.max, 1024, 512, 256, 128, 64, 16]

    /// The object and a line feed.
    func json(at milliseconds: Int, process: Int32) -> [UInt8] {
        var line: [UInt8] = []
        for limit in Self.stringLimits {
            line = json(at: milliseconds, process: process, stringsUpTo: limit)
            if line.count <= Self.maximumByteCount { break }
        }
        return line
    }

    private func json(at milliseconds: Int, process: Int32, stringsUpTo limit: Int) -> [UInt8] {
        var object = JSONObject(stringsUpTo: limit)
        object.add("time", Self.universalTime(milliseconds))
        object.add("level", level.name)
        object.add("pid", Int(process))
        object.add("tid", Int(process))
        if let context { object.add("connection", Int(clamping: context.connection)) }
        object.add("message", message)
        if let reason { addError(reason, to: &object) }
        if let context, !context.client.isEmpty { object.add("mail") { context.describe(to: &$0) } }
        if !tags.isEmpty { object.add("tags", tags) }
        if object.hasCut { object.add("truncated", true) }
        return object.bytes + [0x0A]
    }

    private func addError(_ reason: String, to object: inout JSONObject) {
        let parts = reason.split(separator: ":", maxSplits: 1)
        object.add("error") { error in
            if let code = parts.first.flatMap({ Int($0) }) { error.add("code", code) }
            error.add("message", String((parts.last ?? "").drop { $0 == " " }))
        }
    }

    /// `2026-11-24T19:28:48.123Z`; whole seconds without the fraction.
    private static func universalTime(_ milliseconds: Int) -> String {
        let time = WallClock(universalSecondsSinceEpoch: milliseconds / 1000)
        var text: [UInt8] = []
        for (number, digits, end) in [
            (time.year, 4, "-"), (time.month, 2, "-"), (time.day, 2, "T"), (time.hour, 2, ":"), (time.minute, 2, ":"), (time.second, 2, ""),
        ] {
            text.append(decimal: number, digits: digits)
            text.append(contentsOf: end.utf8)
        }
        if milliseconds % 1000 != 0 {
            text.append(UInt8(ascii: "."))
            text.append(decimal: milliseconds % 1000, digits: 3)
        }
        return String(decoding: text, as: UTF8.self) + "Z"
    }
}

extension LogContext {
    /// The members of the object `mail`.
    fileprivate func describe(to object: inout JSONObject) {
        for property in Property.allCases where property != .starttls {
            if let value = self[property] { object.add(property.rawValue, value) }
        }
        if usesStartTLS { object.add("starttls", true) }
    }
}

/// The one builder of JSON: whatever a string holds, it ends where it should.
private struct JSONObject {
    private(set) var bytes: [UInt8] = [UInt8(ascii: "{")]
    private(set) var hasCut = false
    private let limit: Int
    private var isOpen = true

    init(stringsUpTo limit: Int) { self.limit = limit }

    mutating func add(_ name: String, _ value: Int) { addMember(name, Array("\(value)".utf8)) }
    mutating func add(_ name: String, _ value: Bool) { addMember(name, Array("\(value)".utf8)) }
    mutating func add(_ name: String, _ value: String) { addMember(name, literal(value)) }

    mutating func add(_ name: String, _ values: [String]) {
        let elements = values.map { literal($0) }.joined(separator: [UInt8(ascii: ",")])
        addMember(name, [UInt8(ascii: "[")] + elements + [UInt8(ascii: "]")])
    }

    mutating func add(_ name: String, _ fill: (inout JSONObject) -> Void) {
        var inner = JSONObject(stringsUpTo: limit)
        fill(&inner)
        if inner.hasCut { hasCut = true }
        addMember(name, inner.bytes)
    }

    /// The object so far is always whole: what is added goes before its last brace.
    private mutating func addMember(_ name: String, _ value: [UInt8]) {
        if isOpen { isOpen = false } else {
            bytes.removeLast()
            bytes.append(UInt8(ascii: ","))
        }
        bytes += [UInt8(ascii: "\"")] + name.utf8 + [UInt8(ascii: "\""), UInt8(ascii: ":")] + value + [UInt8(ascii: "}")]
    }

    private mutating func literal(_ text: String) -> [UInt8] {
        var literal: [UInt8] = [UInt8(ascii: "\"")]
        for scalar in text.unicodeScalars {
            let escaped = Self.escaped(scalar)
            if literal.count + escaped.count > limit {
                hasCut = true
                break
            }
            literal += escaped
        }
        return literal + [UInt8(ascii: "\"")]
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> [UInt8] {
        switch scalar {
        case "\"": Array("\\\"".utf8)
        case "\\": Array("\\\\".utf8)
        case "\n": Array("\\n".utf8)
        case "\r": Array("\\r".utf8)
        case "\t": Array("\\t".utf8)
        case "\u{0}"..<"\u{20}", "\u{7F}": Array("\\u00".utf8) + hexadecimal(UInt8(scalar.value))
        default: Array(String(scalar).utf8)
        }
    }

    private static func hexadecimal(_ byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
}
