import Foundation

/// A step of a login at an upstream, by which a test says where it misbehaves.
public enum UpstreamStep: Sendable, Hashable {
    case greeting
    /// The `+` to a literal of IMAP's, or to a mechanism without initial response.
    case continuation
    /// The reply that decides: to LOGIN or AUTHENTICATE, to PASS, to AUTH.
    case login
    /// POP3.
    case user
    /// SMTP.
    case hello, xclient, mail, rcpt
    /// The reply that lets TLS begin.
    case startTLS
}

/// What an upstream does at a step.
public enum UpstreamReply: Sendable {
    /// Exactly these bytes; `TAG` stands for the command's tag.
    case text(String)
    /// Nothing but the end of the connection.
    case close
    /// The end of the connection, as a reset.
    case reset
    /// Silence.
    case hang
}

/// How a stub upstream comes to TLS.
public enum UpstreamTLS: Sendable {
    case implicit(TLSOrder)
    case startTLS(TLSOrder)
}

/// An upstream that accepts every login, but for what the test has it do otherwise.
public struct UpstreamManner: Sendable {
    public var replies: [UpstreamStep: UpstreamReply]
    public var delivery: Delivery
    /// Whether its connections begin with a PROXY header. Notes: `header`, the line of version 1, or in hex what
    /// version 2 has.
    public var readsProxyHeader = false
    /// Nil: it speaks none.
    public var tls: UpstreamTLS?
    /// What follows the login.
    public var afterLogin: StubServer.Script

    public init(
        _ replies: [UpstreamStep: UpstreamReply] = [:], delivery: Delivery = .whole, tls: UpstreamTLS? = nil,
        afterLogin: @escaping StubServer.Script = { try $0.echo() }
    ) {
        self.replies = replies
        self.delivery = delivery
        self.tls = tls
        self.afterLogin = afterLogin
    }

    fileprivate func begin(_ session: StubSession) throws {
        session.delivery = delivery
        if readsProxyHeader { try readProxyHeader(session) }
        if case .implicit(let order) = tls { try session.startTLS(order) }
    }

    private func readProxyHeader(_ session: StubSession) throws {
        let start = try session.bytes(6)
        if start == Array("PROXY ".utf8) { return session.notes.add("PROXY " + (try session.text() ?? ""), to: "header") }
        var header = start + (try session.bytes(10))
        guard header.count == 16 else { throw WireError.closed }
        header += try session.bytes(Int(header[14]) << 8 | Int(header[15]))
        session.notes.add(header.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(), to: "header")
    }

    fileprivate var offersStartTLS: Bool {
        if case .startTLS = tls { return true }
        return false
    }

    /// Answers the command that has TLS begin, and obeys it if the answer is good.
    fileprivate func startTLS(_ good: String, tag: String = "", on session: StubSession) throws {
        guard case .startTLS(let order) = tls else { throw WireError.closed }
        try play(.startTLS, good + " begin\r\n", tag: tag, on: session)
        let granted = good.replacingOccurrences(of: "TAG", with: tag)
        if accepts(.startTLS, granted, tag: tag) { try session.startTLS(order) }
    }

    /// Plays the step, with `usual` where the test says nothing else.
    fileprivate func play(_ step: UpstreamStep, _ usual: String, tag: String = "", on session: StubSession) throws {
        switch replies[step] ?? .text(usual) {
        case .text(let text):
            try session.send(text.replacingOccurrences(of: "TAG", with: tag))
        case .close:
            throw WireError.closed
        case .reset:
            session.reset()
            throw WireError.closed
        case .hang:
            try session.hang()
            throw WireError.closed
        }
    }

    /// Whether the step's reply lets the login go on.
    fileprivate func accepts(_ step: UpstreamStep, _ good: String, tag: String = "") -> Bool {
        guard case .text(let text)? = replies[step] else { return true }
        return text.replacingOccurrences(of: "TAG", with: tag).contains(good)
    }
}

extension StubServer {
    /// An IMAP upstream. Its session's notes hold each command with its literals put in place
    /// (`command`), and the login's words (`login`, `password`).
    public static func imap(_ manner: UpstreamManner = UpstreamManner()) throws -> StubServer {
        try StubServer { session in
            try manner.begin(session)
            try manner.play(.greeting, "* OK upstream ready\r\n", on: session)
            while let words = try readIMAPCommand(session, manner) {
                session.notes.add(words.joined(separator: " "), to: "command")
                let (tag, name) = (words[0], words.count > 1 ? words[1].uppercased() : "")
                switch name {
                case "LOGIN", "AUTHENTICATE":
                    if name == "LOGIN", words.count == 4 {
                        session.notes.add(words[2], to: "login")
                        session.notes.add(words[3], to: "password")
                    }
                    if name == "AUTHENTICATE" { try readInitialResponse(words.dropFirst(3).first, manner, session) }
                    try manner.play(.login, "TAG OK logged in\r\n", tag: tag, on: session)
                    if manner.accepts(.login, "\(tag) OK", tag: tag) { return try manner.afterLogin(session) }
                case "STARTTLS":
                    try manner.startTLS("TAG OK", tag: tag, on: session)
                case "LOGOUT":
                    return try session.send("* BYE\r\n\(tag) OK bye\r\n")
                default:
                    try session.send("\(tag) OK \(name) completed\r\n")
                }
            }
        }
    }

    private static func readInitialResponse(
        _ given: String?, _ manner: UpstreamManner, _ session: StubSession
    ) throws {
        if let given { return session.notes.add(given, to: "response") }
        try manner.play(.continuation, "+ \r\n", on: session)
        session.notes.add(try session.text() ?? "", to: "response")
    }

    /// A POP3 upstream. Notes: `login`, `password`, `response`.
    public static func pop3(_ manner: UpstreamManner = UpstreamManner()) throws -> StubServer {
        try StubServer { session in
            try manner.begin(session)
            try manner.play(.greeting, "+OK upstream ready\r\n", on: session)
            while let line = try session.text() {
                let (name, argument) = split(line)
                switch name {
                case "USER":
                    session.notes.add(argument, to: "login")
                    try manner.play(.user, "+OK\r\n", on: session)
                case "PASS", "AUTH":
                    if name == "AUTH" { try readInitialResponse(nil, manner, session) }
                    session.notes.add(argument, to: "password")
                    try manner.play(.login, "+OK logged in\r\n", on: session)
                    if manner.accepts(.login, "+OK") { return try manner.afterLogin(session) }
                case "STLS":
                    try manner.startTLS("+OK", on: session)
                case "QUIT":
                    return try session.send("+OK\r\n")
                default:
                    try session.send("-ERR unknown\r\n")
                }
            }
        }
    }

    /// An SMTP upstream. It speaks SMTP after the login too; a command that it does not know begins
    /// `afterLogin`. Notes: `command`, and `message` for each that DATA brought.
    public static func smtp(_ manner: UpstreamManner = UpstreamManner()) throws -> StubServer {
        try StubServer { session in
            try manner.begin(session)
            try manner.play(.greeting, "220 upstream ESMTP\r\n", on: session)
            while let line = try session.line() {
                let text = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .newlines)
                session.notes.add(text, to: "command")
                switch split(text).name {
                case "EHLO":
                    let startTLS = manner.offersStartTLS ? "250-STARTTLS\r\n" : ""
                    try manner.play(.hello, "250-upstream\r\n\(startTLS)250-XCLIENT NAME ADDR LOGIN\r\n250 AUTH PLAIN\r\n", on: session)
                case "STARTTLS": try manner.startTLS("220", on: session)
                case "HELO": try manner.play(.hello, "250 upstream\r\n", on: session)
                case "XCLIENT": try manner.play(.xclient, "220 upstream ESMTP\r\n", on: session)
                case "AUTH": try manner.play(.login, "235 2.7.0 accepted\r\n", on: session)
                case "MAIL": try manner.play(.mail, "250 2.1.0 sender\r\n", on: session)
                case "RCPT": try manner.play(.rcpt, "250 2.1.5 recipient\r\n", on: session)
                case "RSET", "NOOP": try session.send("250 2.0.0 upstream OK\r\n")
                case "DATA": try receiveMessage(session)
                case "QUIT": return try session.send("221 2.0.0 upstream bye\r\n")
                default:
                    session.unread(line)
                    return try manner.afterLogin(session)
                }
            }
        }
    }

    private static func receiveMessage(_ session: StubSession) throws {
        try session.send("354 go ahead\r\n")
        var message: [UInt8] = []
        while let line = try session.line(), line != Array(".\r\n".utf8) { message += line }
        session.notes.add(String(decoding: message, as: UTF8.self), to: "message")
        try session.send("250 2.0.0 queued\r\n")
    }

    private static func split(_ line: String) -> (name: String, argument: String) {
        let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        return (parts.first.map { $0.uppercased() } ?? "", parts.count > 1 ? String(parts[1]) : "")
    }

    /// A command in words: atoms, quoted strings unquoted, literals of both kinds fetched.
    private static func readIMAPCommand(_ session: StubSession, _ manner: UpstreamManner) throws -> [String]? {
        var words: [String] = []
        guard var rest = try session.text()?[...] else { return nil }
        while true {
            while rest.first == " " { rest.removeFirst() }
            guard let first = rest.first else { return words.isEmpty ? [""] : words }
            if first == "\"" {
                words.append(takeQuoted(&rest))
            } else if first == "{", rest.hasSuffix("}"), let count = Int(rest.dropFirst().dropLast().filter { $0 != "+" }) {
                if !rest.contains("+") { try manner.play(.continuation, "+ go ahead\r\n", on: session) }
                words.append(String(decoding: try session.bytes(count), as: UTF8.self))
                guard let more = try session.text() else { return nil }
                rest = more[...]
            } else {
                words.append(String(rest.prefix { $0 != " " }))
                rest = rest.drop { $0 != " " }
            }
        }
    }

    private static func takeQuoted(_ rest: inout Substring) -> String {
        var word = ""
        rest.removeFirst()
        while let character = rest.popFirst(), character != "\"" {
            word.append(character == "\\" ? rest.popFirst() ?? "\\" : character)
        }
        return word
    }
}
