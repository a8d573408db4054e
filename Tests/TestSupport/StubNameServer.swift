import Foundation
import Glibc

/// A question as it came to the name server.
public struct NameQuestion: Sendable {
    public let bytes: [UInt8]
    /// Which question of this server it is, from 1 on.
    public let number: Int
    /// By TCP, and not by UDP.
    public let isByStream: Bool
    /// The port that it came from; 0 by TCP.
    public let port: UInt16

    public init(bytes: [UInt8], number: Int = 1, isByStream: Bool = false, port: UInt16 = 0) {
        self.bytes = bytes
        self.number = number
        self.isByStream = isByStream
        self.port = port
    }

    public var id: UInt16 { bytes.count < 2 ? 0 : UInt16(bytes[0]) << 8 | UInt16(bytes[1]) }

    /// `A`, `AAAA`, `PTR`, or a number.
    public var type: String {
        let number = bytes.suffix(4).prefix(2).reduce(0) { $0 << 8 | Int($1) }
        return ["A": 1, "AAAA": 28, "PTR": 12].first { $0.value == number }?.key ?? "\(number)"
    }

    public var name: String {
        var labels: [String] = []
        var rest = bytes.dropFirst(12)
        while let length = rest.popFirst(), length > 0 {
            labels.append(String(decoding: rest.prefix(Int(length)), as: UTF8.self))
            rest = rest.dropFirst(Int(length))
        }
        return labels.joined(separator: ".")
    }
}

/// A record in an answer.
public struct NameRecord: Sendable {
    public var type: UInt16
    /// Nil: of the name that was asked for.
    public var name: String?
    public var lifetime: UInt32
    public var data: [UInt8]

    public init(type: UInt16, name: String? = nil, lifetime: UInt32 = 300, data: [UInt8]) {
        self.type = type
        self.name = name
        self.lifetime = lifetime
        self.data = data
    }

    /// An address of either family.
    public static func address(_ text: String, of name: String? = nil, lifetime: UInt32 = 300) -> NameRecord {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 {
            return NameRecord(type: 1, name: name, lifetime: lifetime, data: Array(bytes.prefix(4)))
        }
        _ = inet_pton(AF_INET6, text, &bytes)
        return NameRecord(type: 28, name: name, lifetime: lifetime, data: bytes)
    }

    public static func pointer(_ target: String, lifetime: UInt32 = 300) -> NameRecord {
        NameRecord(type: 12, lifetime: lifetime, data: wire(target))
    }

    public static func alias(_ target: String, of name: String? = nil, lifetime: UInt32 = 300) -> NameRecord {
        NameRecord(type: 5, name: name, lifetime: lifetime, data: wire(target))
    }

    /// A name as messages carry it.
    public static func wire(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }
}

/// What a stub name server does about a question.
public enum NameAnswer: Sendable {
    case records([NameRecord], code: UInt8 = 0)
    /// No records, but word that they are to be asked for by TCP.
    case truncated
    /// Exactly these messages, one datagram each.
    case raw([[UInt8]])
    /// The same as `records`, from another port.
    case fromElsewhere([NameRecord])
    case silence

    public static let hostNotFound = records([], code: 3)

    /// A message that answers the question as it should be answered.
    public static func message(_ records: [NameRecord], to question: NameQuestion, code: UInt8 = 0, isTruncated: Bool = false) -> [UInt8] {
        var message = Array(question.bytes.prefix(2)) + [isTruncated ? 0x83 : 0x81, 0x80 | code, 0, 1]
        message += bytes(UInt16(records.count)) + [0, 0, 0, 0] + question.bytes.dropFirst(12)
        for record in records {
            message += record.name.map(NameRecord.wire) ?? [0xC0, 12]
            message += bytes(record.type) + [0, 1] + bytes(UInt16(record.lifetime >> 16)) + bytes(UInt16(record.lifetime & 0xFFFF))
            message += bytes(UInt16(record.data.count)) + record.data
        }
        return message
    }

    private static func bytes(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xFF)] }

    /// The messages that answer the question, and whether they come from where it went.
    fileprivate func messages(to question: NameQuestion) -> (messages: [[UInt8]], isFromElsewhere: Bool) {
        switch self {
        case .records(let records, let code): ([Self.message(records, to: question, code: code)], false)
        case .truncated: ([Self.message([], to: question, isTruncated: true)], false)
        case .raw(let messages): (messages, false)
        case .fromElsewhere(let records): ([Self.message(records, to: question)], true)
        case .silence: ([], false)
        }
    }
}

/// A name server in the test's process, at a port of 127.0.0.1 by UDP and TCP.
public final class StubNameServer: @unchecked Sendable {
    public typealias Decide = @Sendable (NameQuestion) -> NameAnswer

    public let port: UInt16
    private let lock = NSLock()
    private var asked: [NameQuestion] = []
    private let descriptor: CInt
    private let decide: Decide

    /// - Parameter port: where it is asked; nil: at a free one.
    public init(at port: UInt16? = nil, _ decide: @escaping Decide) throws {
        self.port = try port ?? Ports.free()
        self.decide = decide
        descriptor = try Self.bind(self.port)
        let stream = try StubServer(at: .port(self.port)) { [self] session in
            while true {
                let length = try session.bytes(2)
                guard length.count == 2 else { return }
                let bytes = try session.bytes(Int(length[0]) << 8 | Int(length[1]))
                for message in answers(to: bytes, isByStream: true).messages {
                    try session.send([UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message)
                }
            }
        }
        onNewThread { self.serve() }
        Workspace.current?.atEnd { [self] in
            close()
            _ = stream
        }
    }

    /// For `resolver`.
    public var address: String { "127.0.0.1:\(port)" }

    public var questions: [NameQuestion] { lock.withLock { asked } }

    /// What was asked, as `A name` each.
    public var asks: [String] { questions.map { "\($0.type) \($0.name)" } }

    /// Answers no more.
    public func close() { _ = shutdown(descriptor, CInt(SHUT_RDWR)) }

    private func answers(to bytes: [UInt8], isByStream: Bool, port: UInt16 = 0) -> (messages: [[UInt8]], isFromElsewhere: Bool) {
        let question = lock.withLock {
            asked.append(NameQuestion(bytes: bytes, number: asked.count + 1, isByStream: isByStream, port: port))
            return asked[asked.count - 1]
        }
        return decide(question).messages(to: question)
    }

    private func serve() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var sender = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &sender) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length) }
            }
            if count <= 0 { break }
            let answer = answers(to: Array(buffer.prefix(count)), isByStream: false, port: UInt16(bigEndian: sender.sin_port))
            let other = answer.isFromElsewhere ? socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0) : descriptor
            for message in answer.messages {
                _ = withUnsafePointer(to: &sender) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { sendto(other, message, message.count, 0, $0, length) }
                }
            }
            if other != descriptor { _ = Glibc.close(other) }
        }
        _ = Glibc.close(descriptor)
    }

    private static func bind(_ port: UInt16) throws -> CInt {
        let descriptor = socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        let result = Address.port(port).withSockaddr { Glibc.bind(descriptor, $0, $1) }
        guard result == 0 else { throw WireError.system(call: "bind", errno: errno) }
        return descriptor
    }
}
