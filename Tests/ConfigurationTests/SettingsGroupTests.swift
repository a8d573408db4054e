import Configuration
import Testing

@Suite struct SettingsGroupTests {
    @Test func `a block that says nothing of a group has its defaults`() {
        var settings = Settings()
        #expect(settings[EventsGroup.self].connections == 512)
        settings[EventsGroup.self].$connections.set(5)
        #expect(settings[EventsGroup.self].connections == 5)
        #expect(settings[CoreGroup.self].isDaemon)
    }

    @Test func `a group is asked only of blocks that it has directives for`() throws {
        struct Picky: SettingsGroup {
            @Setting var value = ""
            static let directives: [Directive<Self>] = [.string("picky", in: [.mail], sets: \.$value)]
            func close(_ block: Block, at position: Position) throws(DirectiveFault) {
                if block != .mail { throw .directive("is asked of \(block)") }
                if value == "bad" { throw .directive("is bad") }
            }
            mutating func finish(_ block: Block, at position: Position?, in settings: Settings) throws(ConfigurationError) {
                if block != .mail { throw ConfigurationError("asked of \(block)") }
                value += position.map { " \($0)" } ?? ""
            }
        }
        func load(_ text: String) throws(ConfigurationError) -> LoadedConfiguration {
            try Loader(schema: Schema(groups: [Picky.self]), files: MemoryFiles(contents: ["/m": Array(text.utf8)]))
                .load(path: "/m", prefix: "/")
        }
        let loaded = try load("events {}\nmail { picky a; server {} }")
        #expect(loaded.mail?[Picky.self].value == "a in /m:2")
        #expect(throws: ConfigurationError("\"mail\" directive is bad", at: .file("/m", line: 1))) {
            try load("mail { picky bad; }")
        }
    }
}
