import Configuration
import Testing

@Suite struct SchemaTests {
    @Test func `the schema lists every directive with its blocks`() throws {
        let names = testSchema.directives.map(\.name)
        #expect(
            names == [
                "backend", "broken", "capabilities", "daemon", "events", "http", "include", "listen", "load_module", "log",
                "mail", "server", "starttls", "timeout", "user", "worker_connections",
            ])
        let log = try #require(testSchema.directives.first { $0.name == "log" })
        #expect(log.blocks == [.main, .mail, .server] && log.arity == .atLeast(1) && !log.isBlock)
        let server = try #require(testSchema.directives.first { $0.name == "server" })
        #expect(server.blocks == [.mail] && server.isBlock && !server.isPassedOver)
        #expect(testSchema.directives.filter(\.isPassedOver).map(\.name) == ["http", "load_module"])
    }

    @Test(arguments: [
        // Neither name nor block: what is unknown comes first, then what stands elsewhere, then its
        // end, then its words.
        ("foo on;", #"unknown directive "foo" in /etc/m.conf:1"#),
        ("foo\nbar\n;", #"unknown directive "foo" in /etc/m.conf:3"#),
        ("foo\n\n{ }", #"unknown directive "foo" in /etc/m.conf:3"#),
        ("Daemon on;", #"unknown directive "Daemon" in /etc/m.conf:1"#),
        (#"dae\mon on;"#, #"unknown directive "dae\mon" in /etc/m.conf:1"#),
        ("\u{a0}daemon on;", #"unknown directive "<U+00A0>daemon" in /etc/m.conf:1"#),
        ("mail { zm_lookup on; }", #"unknown directive "zm_lookup" in /etc/m.conf:1"#),
        ("timeout\n1\n;", #""timeout" directive is not allowed here in /etc/m.conf:3"#),
        ("listen {", #""listen" directive is not allowed here in /etc/m.conf:1"#),
        ("events { daemon on; }", #""daemon" directive is not allowed here in /etc/m.conf:1"#),
        ("mail { mail { } }", #""mail" directive is not allowed here in /etc/m.conf:1"#),
        ("server { }", #""server" directive is not allowed here in /etc/m.conf:1"#),
        ("mail { http { } }", #""http" directive is not allowed here in /etc/m.conf:1"#),
        ("daemon on {}", #"directive "daemon" is not terminated by ";" in /etc/m.conf:1"#),
        ("daemon {}", #"directive "daemon" is not terminated by ";" in /etc/m.conf:1"#),
        ("include a b {}", #"directive "include" is not terminated by ";" in /etc/m.conf:1"#),
        ("load_module {}", #"directive "load_module" is not terminated by ";" in /etc/m.conf:1"#),
        ("events;", #"directive "events" has no opening "{" in /etc/m.conf:1"#),
        ("events x;", #"directive "events" has no opening "{" in /etc/m.conf:1"#),
        ("http;", #"directive "http" has no opening "{" in /etc/m.conf:1"#),
        ("events x {}", #"invalid number of arguments in "events" directive in /etc/m.conf:1"#),
        ("mail { server x {} }", #"invalid number of arguments in "server" directive in /etc/m.conf:1"#),
        ("daemon;", #"invalid number of arguments in "daemon" directive in /etc/m.conf:1"#),
        ("daemon on off;", #"invalid number of arguments in "daemon" directive in /etc/m.conf:1"#),
        ("include;", #"invalid number of arguments in "include" directive in /etc/m.conf:1"#),
        ("include a b;", #"invalid number of arguments in "include" directive in /etc/m.conf:1"#),
        ("log;", #"invalid number of arguments in "log" directive in /etc/m.conf:1"#),
    ])
    func `a statement that is no directive here is refused in nginx's order of checks`(_ text: String, _ message: String) {
        #expect(refusal(text) == message)
    }

    @Test func `a list may have any number of words`() throws {
        let words = (1...20).map { "w\($0)" }
        let loaded = try load("events {} log \(words.joined(separator: " "));")
        #expect(loaded.main[CoreGroup.self].log == words)
    }

    @Test func `the first group whose row fits the block has a name that several have`() throws {
        struct First: SettingsGroup {
            @Setting var value = ""
            static let directives: [Directive<Self>] = [.string("same", in: [.mail], sets: \.$value)]
        }
        struct Second: SettingsGroup {
            @Setting var value = ""
            static let directives: [Directive<Self>] = [.string("same", in: [.main, .mail], sets: \.$value)]
        }
        let files = MemoryFiles(contents: ["/m": Array("same a; events {} mail { same b; }".utf8)])
        let loaded = try Loader(schema: Schema(groups: [First.self, Second.self]), files: files).load(path: "/m", prefix: "/")
        #expect(loaded.main[Second.self].value == "a")
        #expect(loaded.mail?[First.self].value == "b")
        // What the other group's row inherits from the file is its own.
        #expect(loaded.mail?[Second.self].value == "a")
    }
}
