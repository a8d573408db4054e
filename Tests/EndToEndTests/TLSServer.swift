import TestSupport
import Testing

/// How a client comes to TLS.
enum TLSWay: CaseIterable, Sendable {
    /// At a listener with `ssl`.
    case implicit
    /// By STARTTLS, at one without.
    case starttls
}

extension Speech {
    /// The command that asks for TLS, and the reply that grants it.
    var startTLS: (command: String, reply: String) {
        switch self {
        case .imap: ("s STARTTLS", "s OK completed")
        case .pop3: ("STLS", "+OK")
        case .smtp: ("STARTTLS", "220 2.0.0 Start TLS")
        }
    }

    /// The reply to a line that is no command, or none at this point.
    func refusal(ofTag tag: String) -> String {
        switch self {
        case .imap: "\(tag) BAD invalid command"
        case .pop3: "-ERR invalid command"
        case .smtp: "500 5.5.1 Invalid command"
        }
    }

    /// A command that does nothing, and its reply.
    var noop: (command: String, reply: String) {
        switch self {
        case .imap: ("n NOOP", "n OK completed")
        case .pop3: ("NOOP", "+OK")
        case .smtp: ("NOOP", "250 2.0.0 OK")
        }
    }

    /// A dialogue that shows that the server obeys commands, and is not a step ahead or behind.
    var noopScript: String { "C: \(noop.command)\nS: \(noop.reply)\n" }

    /// A dialogue up to the last line of a login, where there is no greeting any more.
    func loginAfterGreeting(_ user: String = "user", _ password: String = "secret") -> String {
        login(user, password).split(separator: "\n").dropFirst().map { $0 + "\n" }.joined()
    }

    /// One of six neighbouring ports: two for each protocol.
    fileprivate func port(_ way: TLSWay, from first: UInt16) -> UInt16 {
        let index = switch self { case .imap: 0; case .pop3: 1; case .smtp: 2 }
        return first + UInt16(index * 2) + (way == .implicit ? 1 : 0)
    }
}

/// A server under test that speaks every protocol, each at a plain port with STARTTLS and at a port
/// with TLS from the start. Its auth server lets everybody in to a stub upstream of the protocol.
final class TLSServer: Sendable {
    let server: ServerUnderTest
    let auth: StubAuthServer
    private let ports: UInt16
    private let upstreams: [Speech: StubServer]

    /// - Parameters:
    ///   - settings: what all server blocks have in common, after the certificate that they get from
    ///     `certificates`.
    ///   - own: what the block of a protocol has beside.
    ///   - routes: ports of the upstreams where they are not to be stubs.
    ///   - ending: headers that the auth server's acceptance ends in.
    init(
        _ settings: String = "", certificates: String? = nil, starttls: String = "on", workers: Int = 1, main: String = "", events: String = "",
        manner: UpstreamManner = UpstreamManner(), to routes: [Speech: UInt16]? = nil, accepting ending: [String] = [],
        own: (Speech) -> String = { _ in "" }
    ) throws {
        ports = try Ports.free(inARow: 6)
        var upstreams: [Speech: StubServer] = [:]
        if routes == nil { for speech in Speech.allCases { upstreams[speech] = try speech.upstream(manner) } }
        self.upstreams = upstreams
        let upstreamPorts = routes ?? upstreams.mapValues(\.port)
        auth = try StubAuthServer { question in
            let port = question["Auth-Protocol"].flatMap(Speech.init).flatMap { upstreamPorts[$0] } ?? 0
            return .headers(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: \(port)"] + ending)
        }
        let certificates = try certificates ?? Certificates.shared()[.ecdsa].directives
        server = try ServerUnderTest(
            configuration: Self.configuration(
                ports, "auth_http \(auth.url); \(certificates) starttls \(starttls); \(settings)", workers: workers, main: main, events: events, own))
    }

    private static func configuration(
        _ ports: UInt16, _ settings: String, workers: Int, main: String, events: String, _ own: (Speech) -> String
    ) -> String {
        let blocks = Speech.allCases.map { speech in
            """
            server { listen 127.0.0.1:\(speech.port(.starttls, from: ports)); listen 127.0.0.1:\(speech.port(.implicit, from: ports)) ssl;
            protocol \(speech); \(settings) \(own(speech)) }

            """
        }
        return ServerUnderTest.configuration(workers: workers, main: main, events: events, mail: blocks.joined())
    }

    func port(_ speech: Speech, _ way: TLSWay) -> UInt16 { speech.port(way, from: ports) }
    func upstream(_ speech: Speech) throws -> StubServer { try #require(upstreams[speech]) }

    /// A client that has not said anything yet.
    func plainClient(_ speech: Speech, _ way: TLSWay) throws -> LineClient { try LineClient(port(speech, way)) }

    /// A client at the point where the handshake is to begin.
    func clientBeforeTLS(_ speech: Speech, _ way: TLSWay) throws -> LineClient {
        let client = try plainClient(speech, way)
        if way == .starttls {
            try client.converse("S: \(speech.greeting)\nC: \(speech.startTLS.command)\nS: \(speech.startTLS.reply)")
        }
        return client
    }

    /// A client that speaks TLS and has the greeting behind it.
    func client(
        _ speech: Speech, _ way: TLSWay, _ order: TLSOrder = TLSOrder(), file: String = #fileID, line: Int = #line
    ) throws -> LineClient {
        let client = try clientBeforeTLS(speech, way)
        try client.startTLS(order, file: file, line: line)
        if way == .implicit { try client.expect(speech.greeting, file: file, line: line) }
        return client
    }

    /// A client that has logged in over TLS.
    func loggedInClient(
        _ speech: Speech, _ way: TLSWay, _ order: TLSOrder = TLSOrder(), file: String = #fileID, line: Int = #line
    ) throws -> LineClient {
        let client = try client(speech, way, order, file: file, line: line)
        try client.converse(speech.loginAfterGreeting() + speech.welcome, file: file, line: line)
        return client
    }

    /// How a handshake goes.
    func attempt(_ speech: Speech, _ way: TLSWay, _ order: TLSOrder) throws -> TLSHandshake {
        try clientBeforeTLS(speech, way).attemptTLS(order)
    }
}

/// A protocol and a way to TLS, as the arguments of a test.
struct TLSRoute: Sendable, CustomTestStringConvertible {
    let speech: Speech
    let way: TLSWay

    var testDescription: String { "\(speech), \(way)" }

    static let all = Speech.allCases.flatMap { speech in TLSWay.allCases.map { TLSRoute(speech: speech, way: $0) } }
}
