import Kernel

/// What is measured.
enum Work: String, CaseIterable {
    case login, down, up, echo, idle
}

enum TLSUse: String, CaseIterable {
    case none, full, resumed
    /// A full handshake, behind the protocol's command for it.
    case starttls
}

/// What is done about an operation that fails.
enum FailureUse: String, CaseIterable {
    case end, count
}

/// The command line.
struct Arguments {
    var work = Work.login
    var speech = Speech.imap
    var tls = TLSUse.none
    var server: SocketAddress?
    var authServer: SocketAddress?
    var upstream: SocketAddress?
    var workers: [Int32] = []
    var sessions = 1
    var operations = 1
    /// How many operations begin each second; nil where each client begins when its last has ended.
    var rate: Int?
    var bystanders = 0
    var failures = FailureUse.end
    var size = 64

    /// An option with its value: what the help says of it, and what it sets. False refuses the value.
    private struct Option: Sendable {
        let name: String
        let value: String
        let explanation: String
        let set: @Sendable (inout Arguments, String) -> Bool

        init(
            _ name: String, _ value: String, _ explanation: String, set: @escaping @Sendable (inout Arguments, String) -> Bool
        ) {
            (self.name, self.value, self.explanation, self.set) = (name, value, explanation, set)
        }
    }

    private static let options: [Option] = [
        Option("--server", "ADDRESS:PORT", "where the proxy listens; needed") { $0.take($1, for: \.server) },
        Option("--auth", "ADDRESS:PORT", "where its auth_http, with the path /auth, leads; needed") {
            $0.take($1, for: \.authServer)
        },
        Option("--upstream", "ADDRESS:PORT", "where everybody's mailbox is said to be; needed") {
            $0.take($1, for: \.upstream)
        },
        Option("--workers", "PID[,PID...]", "the proxy's workers, to measure what they use; needed to measure memory") {
            $0.take(processes(in: $1), for: \.workers)
        },
        Option("--work", names(Work.allCases.map(\.rawValue)), "what an operation is (login)") {
            $0.take(Work(rawValue: $1), for: \.work)
        },
        Option("--protocol", names(Speech.all.map(\.name)), "what is spoken (imap)") { arguments, name in
            arguments.take(Speech.all.first { $0.name == name }, for: \.speech)
        },
        Option("--tls", names(TLSUse.allCases.map(\.rawValue)), "how clients shake hands (none)") {
            $0.take(TLSUse(rawValue: $1), for: \.tls)
        },
        Option("--sessions", "N", "how many there are side by side (1)") { $0.takeCount($1, for: \.sessions) },
        Option("--operations", "N", "how many are measured, after a tenth for warming up (1)") {
            $0.takeCount($1, for: \.operations)
        },
        Option("--rate", "N", "how many logins begin each second, whether or not others have ended; --sessions is moot then") {
            $0.takeCount($1, for: \.rate)
        },
        Option("--bystanders", "N", "how many sessions are open and silent beside the logins (0)") {
            $0.takeCount($1, for: \.bystanders)
        },
        Option("--failures", names(FailureUse.allCases.map(\.rawValue)), "what an operation does that fails (end)") {
            $0.take(FailureUse(rawValue: $1), for: \.failures)
        },
        Option("--size", "BYTES", "the size of a transfer, or of an echoed line up to 1024 (64)") {
            $0.takeCount($1, for: \.size)
        },
    ]

    private static func names(_ all: [String]) -> String { all.joined(separator: "|") }

    private static func processes(in text: String) -> [Int32]? {
        let ids = text.split(separator: ",", omittingEmptySubsequences: false).map { Int32($0) ?? 0 }
        return ids.allSatisfy { $0 > 0 } ? ids : nil
    }

    private mutating func take<Value>(_ value: Value?, for property: WritableKeyPath<Arguments, Value>) -> Bool {
        guard let value else { return false }
        self[keyPath: property] = value
        return true
    }

    private mutating func take(_ text: String, for property: WritableKeyPath<Arguments, SocketAddress?>) -> Bool {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return false }
        self[keyPath: property] = SocketAddress(literal: String(text[..<colon]), port: port)
        return self[keyPath: property] != nil
    }

    private mutating func takeCount(_ text: String, for property: WritableKeyPath<Arguments, Int>) -> Bool {
        take(Self.count(text), for: property)
    }

    private mutating func takeCount(_ text: String, for property: WritableKeyPath<Arguments, Int?>) -> Bool {
        self[keyPath: property] = Self.count(text)
        return self[keyPath: property] != nil
    }

    private static func count(_ text: String) -> Int? {
        Int(text).flatMap { (1...(1 << 40)).contains($0) ? $0 : nil }
    }

    /// - Returns: nil where help is asked for.
    static func parse(_ words: some Sequence<String>) throws(Fault) -> Arguments? {
        var arguments = Arguments()
        var rest = Array(words)[...]
        while let name = rest.popFirst() {
            if name == "--help" || name == "-h" { return nil }
            guard let option = options.first(where: { $0.name == name }) else {
                throw Fault("there is no option \(name.debugDescription)")
            }
            guard let value = rest.popFirst() else { throw Fault("\(name) needs a value: \(option.value)") }
            guard option.set(&arguments, value) else {
                throw Fault("\(name) takes \(option.value), not \(value.debugDescription)")
            }
        }
        return arguments
    }

    /// What must be said.
    func needed<Value>(_ property: KeyPath<Arguments, Value?>, as name: String) throws(Fault) -> Value {
        guard let value = self[keyPath: property] else { throw Fault("\(name) is needed") }
        return value
    }

    static var help: String {
        """
        Usage: martlet-bench --server ADDRESS:PORT --auth ADDRESS:PORT --upstream ADDRESS:PORT [OPTION...]

        Puts a mail proxy to work and measures what that costs its workers. It plays the proxy's clients, its auth
        server and its upstreams, and checks every byte. It prints "measuring" when it is ready to do what counts,
        and one JSON object at the end. scripts/bench runs it.

        \(options.map { "  \($0.name) \($0.value)\n        \($0.explanation)" }.joined(separator: "\n"))

        An operation is, by --work,
          login   a whole session: connect, log in, NOOP, log out
          down    a transfer from the upstream to a client that is logged in
          up      the same from the client to the upstream
          echo    a line that the upstream sends back
          idle    a session that is logged in and silent; memory is measured with and without them

        """
    }
}
