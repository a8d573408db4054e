import Foundation

/// A question as it came to the auth server.
public struct AuthQuestion: Sendable {
    /// Every byte, up to and including the empty line.
    public let bytes: [UInt8]
    /// Which question of this server it is, and which connection it came on; both from 1 on.
    public let number: Int
    public let connection: Int

    public var text: String { String(decoding: bytes, as: UTF8.self) }
    public var lines: [String] { text.components(separatedBy: "\r\n").filter { !$0.isEmpty } }

    /// The value of a header, as it was sent.
    public subscript(_ name: String) -> String? {
        lines.first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) }
    }

    public var allowsKeepAlive: Bool { self["Connection"]?.lowercased() == "keep-alive" }
}

/// What a stub auth server does about a question.
public enum AuthAnswer: Sendable {
    /// A status line and these headers, framed as the connection needs it.
    case headers([String], status: String = "200 OK")
    /// Exactly these bytes, then the end of the connection.
    case raw(String)
    /// Exactly these bytes, and the connection stays open.
    case rawAndWait(String)
    case close
    case hang

    public static func accept(_ upstream: Address, _ more: String...) -> AuthAnswer {
        guard case .port(let port) = upstream else { return .close }
        return .headers(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: \(port)"] + more)
    }

    public static func refuse(_ message: String, _ more: String...) -> AuthAnswer {
        .headers(["Auth-Status: \(message)"] + more)
    }
}

/// An auth server in the test's process. It keeps connections alive where the question asks for that.
public final class StubAuthServer: Sendable {
    public typealias Decide = @Sendable (AuthQuestion) -> AuthAnswer

    /// How it treats its connections.
    public struct Manner: Sendable {
        public var keepsAlive = true
        /// Closes a kept connection after so many answers.
        public var answersPerConnection = Int.max
        public var delivery = Delivery.whole
        /// Nil: it is asked in the clear.
        public var tls: TLSOrder?

        public init(
            keepsAlive: Bool = true, answersPerConnection: Int = .max, delivery: Delivery = .whole, tls: TLSOrder? = nil
        ) {
            self.keepsAlive = keepsAlive
            self.answersPerConnection = answersPerConnection
            self.delivery = delivery
            self.tls = tls
        }
    }

    public let server: StubServer
    private let asked: Asked
    private let scheme: String

    public init(at address: Address = .port(0), _ manner: Manner = Manner(), _ decide: @escaping Decide) throws {
        let asked = Asked()
        let connections = Counter()
        self.asked = asked
        scheme = manner.tls == nil ? "http" : "https"
        server = try StubServer(at: address) { session in
            let connection = connections.next()
            session.delivery = manner.delivery
            if let order = manner.tls { try session.startTLS(order) }
            for count in 1...manner.answersPerConnection {
                guard let bytes = try Self.readHeader(session) else { return }
                let question = asked.add(bytes, connection: connection)
                let keeps = manner.keepsAlive && question.allowsKeepAlive
                guard try Self.perform(decide(question), keeps: keeps, session), keeps else { return }
                if count == manner.answersPerConnection { return }
            }
        }
    }

    /// One that lets everybody in.
    public convenience init(accepting upstream: StubServer, _ more: String...) throws {
        let headers = ["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: \(upstream.port)"] + more
        try self.init { _ in .headers(headers) }
    }

    /// For `auth_http`.
    public var url: String {
        switch server.address {
        case .port, .loopback, .ipv6: "\(scheme)://\(server.address)/auth"
        case .path(let path): "\(scheme)://unix:\(path):/auth"
        }
    }

    public var questions: [AuthQuestion] { asked.all }
    public var connectionCount: Int { server.sessions.count }

    /// Waits for a question: 0 is the first.
    public func question(
        _ index: Int = 0, by deadline: Deadline = .usual, file: String = #fileID, line: Int = #line
    ) throws -> AuthQuestion {
        try eventually("question \(index + 1)", by: deadline, file: file, line: line) {
            let questions = self.questions
            return questions.count > index ? questions[index] : nil
        }
    }

    private static func readHeader(_ session: StubSession) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while let line = try session.line() {
            bytes += line
            if line == [13, 10] { return bytes }
        }
        return nil
    }

    /// - Returns: whether the connection may go on.
    private static func perform(_ answer: AuthAnswer, keeps: Bool, _ session: StubSession) throws -> Bool {
        switch answer {
        case .headers(let lines, let status):
            let framing = keeps ? ["Content-Length: 0", "Connection: keep-alive"] : []
            try session.send((["HTTP/1.0 \(status)"] + lines + framing).map { $0 + "\r\n" }.joined() + "\r\n")
            return true
        case .raw(let text):
            try session.send(text)
            return false
        case .rawAndWait(let text):
            try session.send(text)
            try session.hang()
            return false
        case .close:
            return false
        case .hang:
            try session.hang()
            return false
        }
    }

    private final class Asked: @unchecked Sendable {
        private let lock = NSLock()
        private var questions: [AuthQuestion] = []

        func add(_ bytes: [UInt8], connection: Int) -> AuthQuestion {
            lock.withLock {
                questions.append(AuthQuestion(bytes: bytes, number: questions.count + 1, connection: connection))
                return questions[questions.count - 1]
            }
        }

        var all: [AuthQuestion] { lock.withLock { questions } }
    }
}
