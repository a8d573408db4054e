import Configuration
import TestSupport
import Testing

@testable import Processes

/// `martlet.conf.5` against the tables that it describes.
@Suite struct ManualTests {
    /// What the manual says of a directive: `.It Ic NAME …`, then a line `Default: …. Context: A, B.`
    private struct Entry {
        let name: String
        let blocks: Set<String>
        let hasDefault: Bool
    }

    private static func entries() throws -> [Entry] {
        let lines = try Repository.text("etc/man/martlet.conf.5").split(separator: "\n")
        return zip(lines, lines.dropFirst()).compactMap { item, next in
            guard let name = item.wholeMatch(of: #/\.It Ic (\w+).*/#) else { return nil }
            let context = next.firstMatch(of: #/Context: ([a-z, ]+)\.$/#)
            return Entry(
                name: String(name.1), blocks: Set((context?.1 ?? "").split(separator: ", ").map(String.init)),
                hasDefault: next.hasPrefix("Default: "))
        }
    }

    @Test func `every directive has one entry, and every entry is of a directive`() throws {
        let described = try Self.entries().map(\.name)
        let declared = Set(martletSchema.directives.map(\.name))
        #expect(declared.subtracting(described).sorted() == [], "these are in no manual page")
        #expect(Set(described).subtracting(declared).sorted() == [], "these are no directives")
        #expect(Set(described).count == described.count)
    }

    @Test func `every entry says its default, and where the directive may stand`() throws {
        for entry in try Self.entries() {
            let blocks = martletSchema.directives.filter { $0.name == entry.name }.flatMap { $0.blocks.map(\.rawValue) }
            #expect(entry.blocks == Set(blocks), "\(entry.name)")
            #expect(entry.hasDefault, "\(entry.name)")
        }
    }

    /// The examples are those literal displays that open an `events` block.
    @Test func `every example is a configuration`() throws {
        let page = try Repository.text("etc/man/martlet.conf.5")
        let displays = page.components(between: ".Bd -literal -offset indent\n", and: ".Ed\n")
        let examples = displays.map { $0.replacing("\\e", with: "\\") }.filter { $0.contains("events {") }
        #expect(examples.count >= 2)
        for example in examples {
            let loaded = try martletSchema.load(example)
            #expect(!loaded.servers.isEmpty && loaded.warnings.isEmpty)
        }
    }
}

extension String {
    fileprivate func components(between start: String, and end: String) -> [String] {
        ranges(of: start).compactMap { opening in
            self[opening.upperBound...].firstRange(of: end).map { String(self[opening.upperBound..<$0.lowerBound]) }
        }
    }
}
