import Kernel
import Processes

/// The command line, read from left to right as nginx reads it (`command-line.md`, section 2).
struct Options {
    /// What is to be done.
    enum Task: Equatable {
        case serve
        case test(dumping: Bool)
        case signal(Signal)
    }

    struct Fault: Error, Equatable {
        let text: String
    }

    private(set) var information: [Information] = []
    private(set) var task = Task.serve
    private var isQuiet = false
    private var values: [UInt8: String] = [:]

    /// Options that take a value: the rest of their cluster, or the next argument; and what it is called.
    private static let valued: [UInt8: String] = [
        UInt8(ascii: "s"): "parameter", UInt8(ascii: "g"): "parameter", UInt8(ascii: "p"): "directory name",
        UInt8(ascii: "e"): "file name", UInt8(ascii: "c"): "file name",
    ]

    private static let signals: [String: Signal] = [
        "stop": .terminate, "quit": .quit, "reopen": .user1, "reload": .hangUp,
    ]

    init(_ arguments: ArraySlice<String>) throws(Fault) {
        var rest = arguments
        while let argument = rest.popFirst() {
            guard argument.utf8.first == UInt8(ascii: "-") else { throw Fault(text: "invalid option: \"\(argument)\"") }
            try readCluster(argument.utf8.dropFirst(), &rest)
        }
        if let name = values[UInt8(ascii: "s")] {
            guard let signal = Self.signals[name] else { throw Fault(text: "invalid option: \"-s \(name)\"") }
            // A test is all that happens when both are asked for.
            if case .serve = task { task = .signal(signal) }
        }
    }

    private mutating func readCluster(_ cluster: Substring.UTF8View, _ rest: inout ArraySlice<String>) throws(Fault) {
        var letters = cluster
        while let letter = letters.popFirst() {
            if let kind = Self.valued[letter] {
                guard let value = letters.isEmpty ? rest.popFirst() : String(Substring(letters)), !value.isEmpty || letter == UInt8(ascii: "p")
                else { throw Fault(text: "option \"-\(Character(UnicodeScalar(letter)))\" requires \(kind)") }
                values[letter] = value
                return
            }
            try read(letter)
        }
    }

    private mutating func read(_ letter: UInt8) throws(Fault) {
        switch letter {
        case UInt8(ascii: "?"), UInt8(ascii: "h"): information = [.version, .help]
        case UInt8(ascii: "v"): if information.isEmpty { information = [.version] }
        case UInt8(ascii: "V"): if information != [.version, .help] { information = [.build] }
        case UInt8(ascii: "t"): if case .serve = task { task = .test(dumping: false) }
        case UInt8(ascii: "T"): task = .test(dumping: true)
        case UInt8(ascii: "q"): isQuiet = true
        default: throw Fault(text: "invalid option: \"\(Character(UnicodeScalar(letter)))\"")
        }
    }

    func invocation(_ arguments: [String]) -> Invocation {
        var isTest = false
        if case .test = task { isTest = true }
        return Invocation(
            arguments: arguments, prefix: values[UInt8(ascii: "p")], configuration: values[UInt8(ascii: "c")],
            errorLog: values[UInt8(ascii: "e")], globalDirectives: values[UInt8(ascii: "g")], isTest: isTest,
            isQuiet: isQuiet)
    }
}
