import Configuration
import Testing

@Suite struct DraftTests {
    @Test func `a server's own value wins whole, else the mail block's, wherever it stands`() throws {
        let loaded = try load(
            """
            events {}
            mail {
                capabilities A B; starttls only;
                server { listen 1; capabilities C; capabilities D; }
                server { listen 2; starttls off; }
                timeout 5;
            }
            """)
        let servers = loaded.servers.map { $0.settings[ServerGroup.self] }
        #expect(servers.map(\.capabilities) == [["C", "D"], ["A", "B"]])
        #expect(servers.map(\.timeout) == [.seconds(5), .seconds(5)])
        #expect(servers.map(\.startTLS) == [.only, .off])
        #expect(servers.map(\.listens) == [["1"], ["2"]])
    }

    @Test func `a directive of all three blocks is inherited through them`() throws {
        let loaded = try load("events {} mail { server { listen 1; } } log main;")
        #expect(loaded.servers[0].settings[CoreGroup.self].log == ["main"])
        let nearer = try load("events {} log main; mail { log mail; server { listen 1; } server { listen 2; log server; } }")
        #expect(nearer.mail?[CoreGroup.self].log == ["mail"])
        #expect(nearer.servers.map { $0.settings[CoreGroup.self].log } == [["mail"], ["server"]])
        #expect(nearer.main[CoreGroup.self].log == ["main"])
    }

    @Test func `what only the file may say is not inherited`() throws {
        let loaded = try load("user a; events {} mail {}")
        #expect(loaded.mail?[CoreGroup.self].user == nil)
    }

    @Test func `a group finishes when it has inherited, beside the finished groups before it`() throws {
        let loaded = try load("log main; events {} mail { log mail; server { listen 1; } }")
        #expect(loaded.servers[0].settings[ServerGroup.self].finishedWith == ["mail"])
        #expect(loaded.mail?[ServerGroup.self].finishedWith == ["mail"])
        // It has no directive in the file itself.
        #expect(loaded.main[ServerGroup.self].finishedWith == [])
    }

    private static func fault(_ text: String) -> ConfigurationError? {
        do throws(ConfigurationError) { _ = try load(text) } catch { return error }
        return nil
    }

    @Test func `faults come group by group, for each all servers in the file's order`() {
        let text = "events {}\nmail {\nserver { listen 1; broken on; }\nserver { listen 2; backend bad; }\nserver { listen 3; backend bad; }\n}"
        #expect(Self.fault(text) == ConfigurationError("bad backend", at: .file("/etc/m.conf", line: 4)))
        #expect(
            Self.fault(text.replacing("bad", with: "good"))
                == ConfigurationError("broken", at: .file("/etc/m.conf", line: 3)))
    }

    @Test(arguments: [
        // What nginx finds while it parses, then what it finds once the syntax is ok.
        ("user nobody; mail { server { listen 1; backend bad; } }", "bad backend in /etc/m.conf:1", false),
        ("user nobody;", "no such user", true),
        ("", #"no "events" section in configuration"#, true),
        ("mail {}", #"no "events" section in configuration"#, true),
        ("events { worker_connections 0; }", "no connections at all", true),
    ])
    func `a fault says whether the syntax was ok`(_ text: String, _ message: String, _ isAfterParsing: Bool) {
        let fault = Self.fault(text)
        #expect(fault?.message == message)
        #expect(fault?.isAfterParsing == isAfterParsing)
    }
}
