/// What is wrong with a name server's message, in nginx's words (`mail-extras.md`, section 3).
public enum DNSFault: Error, Sendable, Equatable {
    case short
    /// It is no answer to an ordinary question.
    case noResponse(id: UInt16, flags: UInt16)
    case questionCount
    case unexpectedEnd
    case name
    case compression
    case queryType(UInt16)
    case queryClass(UInt16)
    case record(DNSQuestion.RecordType)

    /// - Parameter transport: what the message came by, `UDP` or `TCP`.
    public func text(over transport: String) -> String {
        switch self {
        case .short: return "short DNS response"
        case .noResponse(let id, let flags):
            let digits = String(flags, radix: 16, uppercase: true)
            return "invalid \(transport) DNS response \(id) fl:\(String(repeating: "0", count: 4 - digits.count))\(digits)"
        case .questionCount: return "invalid number of questions in DNS response"
        case .unexpectedEnd: return "unexpected end of DNS response"
        case .name: return "invalid name in DNS response"
        case .compression: return "unexpected compression pointer in DNS response"
        case .queryType(let number): return "unknown query type \(number) in DNS response"
        case .queryClass(let number): return "unknown query class \(number) in DNS response"
        case .record(let type): return "invalid \(type.name) record in DNS response"
        }
    }
}
