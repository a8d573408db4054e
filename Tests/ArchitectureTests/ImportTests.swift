import TestSupport
import Testing

/// The diagram of `Sources/README.md`: what each room's arrows lead to.
private let arrows: [String: Set<String>] = [
    "martlet": ["Processes"],
    "martlet-bench": ["TLS"],
    "Processes": ["Proxy"],
    "Proxy": ["TLS", "Telemetry", "Protocols"],
    "TLS": ["Kernel", "Configuration"],
    "Telemetry": ["Kernel", "Configuration"],
    "Protocols": ["Configuration"],
    "Configuration": [],
    "Kernel": [],
]

/// What is foreign stays with one room, which hides it from the others.
private let foreign: [String: Set<String>] = [
    "Kernel": ["Glibc", "CKernel", "CCapability"],
    "TLS": ["COpenSSL"],
]

private func allowedImports(of room: String) -> Set<String> {
    func below(_ room: String) -> Set<String> {
        (arrows[room] ?? []).reduce(into: []) { $0.formUnion(below($1).union([$1])) }
    }
    return below(room).union(foreign[room] ?? [])
}

/// The module that a line imports, however it is written.
private func imported(by line: Substring) -> String? {
    let words = line.split(separator: " ", maxSplits: 6)
    guard let place = words.firstIndex(of: "import"), words[..<place].allSatisfy(isModifier) else { return nil }
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
    let module = words[(place + 1)...].first { !kinds.contains($0) }
    return module.map { String($0.prefix { $0 != "." }) }
}

private func isModifier(_ word: Substring) -> Bool {
    word.hasPrefix("@") || ["public", "package", "internal", "fileprivate", "private"].contains(word)
}

@Suite struct ImportTests {
    @Test(arguments: arrows.keys.sorted())
    func `a room imports what its arrows lead down to, and nothing else`(_ room: String) throws {
        let allowed = allowedImports(of: room)
        let files = try Repository.swiftFiles(below: "Sources/\(room)")
        #expect(!files.isEmpty)
        for (path, text) in files {
            for module in text.split(separator: "\n").compactMap(imported) {
                #expect(allowed.contains(module), "\(path) imports \(module)")
            }
        }
    }

    @Test func `every room is in the diagram, and those of C hold headers alone`() throws {
        let rooms = try Repository.folders(in: "Sources").filter { !arrows.keys.contains($0) }
        #expect(rooms == ["CCapability", "CKernel", "COpenSSL"])
        for room in rooms { #expect(try Repository.swiftFiles(below: "Sources/\(room)").isEmpty) }
    }

    /// What is `package` the compiler neither inlines nor specializes in other rooms.
    @Test func `rooms share by what is public`() throws {
        for (path, text) in try Repository.swiftFiles(below: "Sources") {
            for line in text.split(separator: "\n") where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                #expect(!line.split(separator: " ").contains("package"), "\(path) keeps to the package: \(line)")
            }
        }
    }

    @Test(arguments: [
        ("import Kernel", "Kernel"), ("package import Kernel", "Kernel"), ("@testable import Kernel", "Kernel"),
        ("import struct Kernel.Stream", "Kernel"), ("    import Kernel", "Kernel"), ("important(Kernel)", nil),
        ("/// import Kernel", nil),
    ] as [(String, String?)])
    func `an import is known however it is written`(_ line: String, _ module: String?) {
        #expect(imported(by: line[...]) == module)
    }
}
