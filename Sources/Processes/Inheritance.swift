import Kernel

/// What the process that started this one has left to it, said in environment variables: the descriptors
/// of listening sockets (`command-line.md`, section 7; `sd_listen_fds(3)`).
struct Inheritance: Equatable {
    struct Socket: Equatable {
        let number: Int32
        let origin: ListenerOrigin
    }

    private(set) var sockets: [Socket] = []
    /// What a master has said, for the log; nil where a service manager has.
    private(set) var text: String?
    /// What cannot be understood of it.
    private(set) var fault: String?
    /// The master that has started this process to take its place.
    private(set) var master: Int32?
    /// Whether that one may still go on, should this process end.
    var hasOldBinary: Bool { master == OwnProcess.parentID }
    /// Descriptors that are open for no reason that anybody has given.
    private(set) var strangers: [Int32] = []

    /// The variable for a new binary of ours, and the one that nginx has for its own. An old binary sets
    /// both, so that either program can follow the other.
    private static let variables = ["MARTLET", "NGINX"]
    /// Who an old binary of ours is: it may have ended before the new one can ask for its parent.
    private static let masterVariable = "MARTLET_MASTER"
    private static let paddingVariable = "SPARE"
    private static let activation = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]
    /// Where a service manager's descriptors begin.
    private static let firstActivated: Int32 = 3
    private static let maximumActivated: Int32 = 4096

    /// Takes the variables out of the environment: nobody who is started from here is meant by them.
    static func claim() -> Inheritance {
        var inheritance = read()
        for name in variables + [masterVariable, paddingVariable] + activation { OwnProcess.removeEnvironmentVariable(name) }
        inheritance.strangers = OwnProcess.openDescriptors.filter { number in
            number > FileDescriptor.standardError && !inheritance.sockets.contains { $0.number == number }
        }
        return inheritance
    }

    private static func read() -> Inheritance {
        for name in variables {
            guard let text = OwnProcess.environmentVariable(name) else { continue }
            let master = OwnProcess.environmentVariable(masterVariable).flatMap { number($0[...]) }
            return Inheritance(text, of: name, from: master ?? OwnProcess.parentID)
        }
        return Inheritance(activatedFor: OwnProcess.id, variable: OwnProcess.environmentVariable)
    }

    /// Reads a master's list: each descriptor with `;` behind it, or `:` where the socket's file is a
    /// service manager's.
    init(_ text: String, of variable: String, from master: Int32) {
        self.text = text
        self.master = master
        var rest = text[...]
        while let end = rest.firstIndex(where: { $0 == ";" || $0 == ":" }) {
            guard let number = Self.number(rest[..<end]) else {
                fault = "invalid socket number \"\(rest)\" in \(variable) environment variable, ignoring the rest of the variable"
                return
            }
            add(number, from: rest[end] == ":" ? .activated : .inherited(from: master))
            rest = rest[rest.index(after: end)...]
        }
        if !rest.isEmpty { fault = "invalid socket number \"\(rest)\" in \(variable) environment variable, ignoring" }
    }

    /// Reads what a service manager says, where it says something and means this process.
    init(activatedFor process: Int32, variable: (String) -> String?) {
        guard let id = variable("LISTEN_PID"), Self.number(id[...]) == process,
            let count = variable("LISTEN_FDS").flatMap({ Self.number($0[...]) }), 1...Self.maximumActivated ~= count
        else { return }
        for number in Self.firstActivated..<Self.firstActivated + count { add(number, from: .activated) }
    }

    /// What a master says to the new binary that it starts.
    static func environment(leaving sockets: [Socket], by master: Int32) -> [String] {
        // Room for the title of a process: nothing but its length matters.
        let padding = String(repeating: "X", count: 300)
        return variables.map { "\($0)=\(text(for: sockets))" } + ["\(masterVariable)=\(master)", "\(paddingVariable)=\(padding)"]
    }

    /// The list that the constructor above reads.
    static func text(for sockets: [Socket]) -> String {
        sockets.map { "\($0.number)" + ($0.origin == .activated ? ":" : ";") }.joined()
    }

    private mutating func add(_ number: Int32, from origin: ListenerOrigin) {
        // One descriptor is closed once.
        if !sockets.contains(where: { $0.number == number }) { sockets.append(Socket(number: number, origin: origin)) }
    }

    private static func number(_ text: Substring) -> Int32? {
        text.utf8.allSatisfy { 0x30...0x39 ~= $0 } ? Int32(text) : nil
    }
}
