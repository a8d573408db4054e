/// A name server's answer (RFC 1035, section 4.1). What it has besides the answers themselves is not looked at.
public struct DNSResponse: Sendable, Equatable {
    public let id: UInt16
    /// 0 where all is well; see `LookupFailure`.
    public let code: Int
    /// It did not fit, so what it holds says nothing: the same is to be asked by TCP.
    public let isTruncated: Bool
    /// What was asked. An error may come without.
    public let question: DNSQuestion?
    public let records: [Record]

    /// A record of a type that is ever asked for.
    public struct Record: Sendable, Equatable {
        public let name: DNSName
        public let value: Value
        /// How many seconds it may be kept.
        public let lifetime: Int

        fileprivate var type: DNSQuestion.RecordType {
            switch value {
            case .ipv4: .ipv4
            case .ipv6: .ipv6
            case .alias: .alias
            case .pointer: .pointer
            }
        }
    }

    public enum Value: Sendable, Equatable {
        case ipv4(UInt32)
        /// The two halves of the address, high one first.
        case ipv6(UInt64, UInt64)
        case alias(DNSName)
        case pointer(DNSName)
    }

    /// The most bytes of a message, and so of one by TCP behind its length.
    public static let maximumByteCount = 65_535
    /// How many records are looked at: more would cost time, and no honest name has them.
    static let maximumRecordCount = 256
    private static let headerByteCount = 12

    /// Parses a whole message, which is what a datagram holds.
    public static func parse(_ message: Span<UInt8>) throws(DNSFault) -> DNSResponse {
        guard message.count >= headerByteCount else { throw .short }
        let (id, flags) = (message.number(at: 0), message.number(at: 2))
        let (isResponse, operation) = (flags & 0x8000 != 0, flags >> 11 & 0x0F)
        guard isResponse, operation == 0 else { throw .noResponse(id: id, flags: flags) }
        let (code, isTruncated) = (Int(flags & 0x0F), flags & 0x0200 != 0)
        let questionCount = message.number(at: 4)
        guard questionCount == 1 || questionCount == 0 && code != 0 else { throw .questionCount }
        var place = headerByteCount
        let question = questionCount == 1 ? try self.question(message, &place) : nil
        var records: [Record] = []
        if code == 0 && !isTruncated {
            for _ in 0..<min(Int(message.number(at: 6)), maximumRecordCount) {
                if let record = try record(message, &place) { records.append(record) }
            }
        }
        return DNSResponse(id: id, code: code, isTruncated: isTruncated, question: question, records: records)
    }

    private static func question(_ message: Span<UInt8>, _ place: inout Int) throws(DNSFault) -> DNSQuestion {
        let (name, end) = try DNSName.parse(message, at: place)
        guard end + 4 <= message.count else { throw .unexpectedEnd }
        place = end + 4
        let (type, queryClass) = (message.number(at: end), message.number(at: end + 2))
        guard queryClass == DNSQuestion.internet else { throw .queryClass(queryClass) }
        guard let type = DNSQuestion.RecordType(rawValue: type) else { throw .queryType(type) }
        return DNSQuestion(type, of: name)
    }

    /// - Returns: nil for a record of a kind that is never asked for.
    private static func record(_ message: Span<UInt8>, _ place: inout Int) throws(DNSFault) -> Record? {
        let (name, end) = try DNSName.parse(message, at: place)
        guard end + 10 <= message.count else { throw .unexpectedEnd }
        let data = end + 10..<end + 10 + Int(message.number(at: end + 8))
        guard data.upperBound <= message.count else { throw .unexpectedEnd }
        place = data.upperBound
        guard message.number(at: end + 2) == DNSQuestion.internet,
            let type = DNSQuestion.RecordType(rawValue: message.number(at: end))
        else { return nil }
        // A lifetime that would be negative is none at all (RFC 2181, section 8).
        let lifetime = Int(message.number(at: end + 4)) << 16 | Int(message.number(at: end + 6))
        return Record(name: name, value: try value(type, message, data), lifetime: lifetime < 1 << 31 ? lifetime : 0)
    }

    private static func value(
        _ type: DNSQuestion.RecordType, _ message: Span<UInt8>, _ data: Range<Int>
    ) throws(DNSFault) -> Value {
        switch type {
        case .ipv4:
            guard data.count == 4 else { throw .record(type) }
            return .ipv4(UInt32(truncatingIfNeeded: message.number64(in: data)))
        case .ipv6:
            guard data.count == 16 else { throw .record(type) }
            let half = data.lowerBound + 8
            return .ipv6(message.number64(in: data.lowerBound..<half), message.number64(in: half..<data.upperBound))
        case .alias, .pointer:
            let (name, end) = try DNSName.parse(message, at: data.lowerBound)
            guard end == data.upperBound else { throw .record(type) }
            return type == .alias ? .alias(name) : .pointer(name)
        }
    }
}

extension DNSResponse {
    /// How many aliases are followed from a name to its records.
    public static let maximumAliasCount = 50

    /// What the records say of a question.
    public enum Answer: Sendable, Equatable {
        /// - Parameter lifetime: seconds; that of the record, or of the alias on the way, that is gone first.
        case values([Value], lifetime: Int)
        /// The name is another's alias, of which the message says nothing: that is to be asked for.
        case alias(DNSName, lifetime: Int, aliasCount: Int)
        /// There is no such record.
        case none
        /// Aliases without an end.
        case endless
    }

    /// Follows the aliases that the message holds (RFC 1034, section 3.6.2).
    /// - Parameter aliasCount: how many have been followed before.
    public func answer(to question: DNSQuestion, aliasCount: Int = 0) -> Answer {
        var (name, lifetime, count) = (question.name, Int.max, aliasCount)
        while true {
            let found = records.filter { $0.name == name && $0.type == question.type }
            if !found.isEmpty {
                return .values(found.map(\.value), lifetime: found.reduce(lifetime) { min($0, $1.lifetime) })
            }
            let alias = records.lazy.compactMap { record in
                if case .alias(let target) = record.value, record.name == name { (target, record.lifetime) } else { nil }
            }.first
            guard let alias else { return name == question.name ? .none : .alias(name, lifetime: lifetime, aliasCount: count) }
            count += 1
            if count > Self.maximumAliasCount { return .endless }
            (name, lifetime) = (alias.0, min(lifetime, alias.1))
        }
    }
}

extension Span<UInt8> {
    /// Two bytes, high one first. The caller has seen that they are there.
    fileprivate func number(at index: Int) -> UInt16 { UInt16(self[index]) << 8 | UInt16(self[index + 1]) }

    /// Eight bytes at most.
    fileprivate func number64(in range: Range<Int>) -> UInt64 { range.reduce(0) { $0 << 8 | UInt64(self[$1]) } }
}
