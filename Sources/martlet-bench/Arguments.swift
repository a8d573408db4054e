import Kernel

/// What is measured.
enum Work: String, CaseIterable {
    case login, down, up, echo, idle
}

enum TLSUse: String, CaseIterable {
    case none, full, resumed
}

/// The command line.
struct Arguments {
    var work = Work.login
    var speech = Speech.imap
    var tls = TLSUse.none
    var server: SocketAddress?
    var authServer: SocketAddress?
    var upstream: SocketAddress?
    var worker: Int32?
    var sessions = 1
    var operations = 1
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
        Option("--worker", "PID", "the proxy's only worker; needed") {
            guard let id = Int32($1), id > 0 else { return false }
            $0.worker = id
            return true
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
        Option("--size", "BYTES", "the size of a transfer, or of an echoed line up to 1024 (64)") {
            $0.takeCount($1, for: \.size)
        },
    ]

    private static func names(_ all: [String]) -> String { all.joined(separator: "|") }

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
        take(Int(text).flatMap { (1...(1 << 40)).contains($0) ? $0 : nil }, for: property)
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
        Usage: martlet-bench --server ADDRESS:PORT --auth ADDRESS:PORT --upstream ADDRESS:PORT --worker PID [OPTION...]

        Puts a mail proxy to work and measures what that costs its worker. It plays the proxy's clients, its auth
        server and its upstreams, checks every byte, and prints one JSON object. scripts/bench runs it.

        \(options.map { "  \($0.name) \($0.value)\n        \($0.explanation)" }.joined(separator: "\n"))

        An operation is, by --work,
          login   a whole session: connect, log in, NOOP, log out
          down    a transfer from the upstream to a client that is logged in
          up      the same from the client to the upstream
          echo    a line that the upstream sends back
          idle    a session that is logged in and silent; the worker's memory is measured with and without them

        """
    }
}
