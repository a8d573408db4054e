import TestSupport
import Testing

/// A protocol, as `protocol` says it.
enum Speech: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case imap, pop3, smtp

    var testDescription: String { rawValue }

    /// The reply of each protocol to a fault that is not the client's.
    var internalError: String {
        switch self {
        case .imap: "* BAD internal server error"
        case .pop3: "-ERR internal server error"
        case .smtp: "451 4.3.2 Internal server error"
        }
    }

    /// The greeting, `…` where it differs.
    var greeting: String {
        switch self {
        case .imap: "* OK IMAP4 ready"
        case .pop3: "+OK POP3 ready…"
        case .smtp: "220 mx.test ESMTP ready"
        }
    }

    /// A dialogue up to the last line of a login, that line not answered yet.
    func login(_ user: String = "user", _ password: String = "secret") -> String {
        switch self {
        case .imap: "S: \(greeting)\nC: a LOGIN \(user) \(password)\n"
        case .pop3: "S: \(greeting)\nC: USER \(user)\nS: +OK\nC: PASS \(password)\n"
        case .smtp: "S: \(greeting)\nC: AUTH PLAIN \("\0\(user)\0\(password)".base64)\n"
        }
    }

    /// The answer to a login that a stub upstream has accepted.
    var welcome: String {
        switch self {
        case .imap: "S: a OK logged in\n"
        case .pop3: "S: +OK logged in\n"
        case .smtp: "S: 235 2.0.0 OK\n"
        }
    }

    /// An answer to a login refused with a message.
    func refusal(_ message: String) -> String {
        switch self {
        case .imap: "S: a NO \(message)\n"
        case .pop3: "S: -ERR \(message)\n"
        case .smtp: "S: 535 5.7.0 \(message)\n"
        }
    }

    func upstream(_ manner: UpstreamManner = UpstreamManner()) throws -> StubServer {
        switch self {
        case .imap: try .imap(manner)
        case .pop3: try .pop3(manner)
        case .smtp: try .smtp(manner)
        }
    }
}

/// A client that can be told from proxies by its address, as it connects and as others see it.
enum KnownClient: CaseIterable, Sendable {
    case ipv4, ipv6

    var address: String { self == .ipv4 ? "127.0.0.5" : "::1" }

    func connect(to port: UInt16) throws -> LineClient {
        try self == .ipv4 ? LineClient(.port(port), from: .loopback(5, 0)) : LineClient(.ipv6(port))
    }
}

/// A server under test with one listener.
final class MailServer: Sendable {
    let port: UInt16
    let server: ServerUnderTest

    /// One with a file of its own, whose first `listen` is at `port`.
    init(at port: UInt16, _ server: ServerUnderTest) {
        self.port = port
        self.server = server
    }

    /// - Parameter settings: what the server block holds beside `listen` and `protocol`.
    init(
        _ speech: Speech, _ settings: String, workers: Int = 1, main: String = "", events: String = "",
        until readiness: ServerUnderTest.Readiness = .greeting
    ) throws {
        port = try Ports.free()
        server = try ServerUnderTest(
            workers: workers, main: main, events: events,
            mail: "server { listen 127.0.0.1:\(port); protocol \(speech.rawValue); \(settings) }", until: readiness)
    }

    /// One whose auth server lets everybody in to `upstream`.
    convenience init(
        _ speech: Speech, accepting upstream: StubServer, _ settings: String = "", workers: Int = 1,
        main: String = "", events: String = ""
    ) throws {
        let auth = try StubAuthServer(accepting: upstream)
        try self.init(
            speech, "auth_http \(auth.url); \(settings)", workers: workers, main: main, events: events)
    }

    /// One with this auth server.
    convenience init(
        _ speech: Speech, asking auth: StubAuthServer, _ settings: String = "", workers: Int = 1, main: String = ""
    ) throws {
        try self.init(speech, "auth_http \(auth.url); \(settings)", workers: workers, main: main)
    }

    func client(from host: UInt8? = nil, receiveBuffer: CInt? = nil) throws -> LineClient {
        try LineClient(port, from: host, receiveBuffer: receiveBuffer)
    }

    /// A client that has logged in.
    func loggedInClient(_ speech: Speech, receiveBuffer: CInt? = nil) throws -> LineClient {
        let client = try client(receiveBuffer: receiveBuffer)
        try client.converse(speech.login() + speech.welcome)
        return client
    }
}
