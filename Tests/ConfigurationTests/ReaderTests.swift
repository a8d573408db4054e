import Configuration
import Testing

@Suite struct ReaderTests {
    @Test(arguments: [
        ("}", #"unexpected "}" in /etc/m.conf:1"#),
        ("events {}\n}", #"unexpected "}" in /etc/m.conf:2"#),
        ("events {", #"unexpected end of file, expecting "}" in /etc/m.conf:1"#),
        ("events {\n", #"unexpected end of file, expecting "}" in /etc/m.conf:2"#),
        ("events { use a", #"unexpected end of file, expecting ";" or "}" in /etc/m.conf:1"#),
        ("daemon on;\"", #"unexpected end of file, expecting ";" or "}" in /etc/m.conf:1"#),
        ("events {}\nevents {}", #""events" directive is duplicate in /etc/m.conf:2"#),
        ("events {} mail {}\nmail\n{}", #""mail" directive is duplicate in /etc/m.conf:3"#),
        ("daemon on;\ndaemon x;", #""daemon" directive is duplicate in /etc/m.conf:2"#),
        ("user \"\"; user a;", #""user" directive is duplicate in /etc/m.conf:1"#),
        ("daemon Xn;", #"invalid value "Xn" in "daemon" directive, it must be "on" or "off" in /etc/m.conf:1"#),
        ("mail { starttls maybe; }", #"invalid value "maybe" in /etc/m.conf:1"#),
        ("mail { timeout x; }", #""timeout" directive invalid value in /etc/m.conf:1"#),
        ("events { worker_connections x; }", #""worker_connections" directive invalid number in /etc/m.conf:1"#),
        // The first fault is the only one.
        ("foo;\nbar;", #"unknown directive "foo" in /etc/m.conf:1"#),
    ])
    func `a fault ends the reading`(_ text: String, _ message: String) {
        #expect(refusal(text) == message)
    }

    @Test func `a block that closes is judged at once, by where it opened`() {
        #expect(
            refusal("mail {\n server {\n timeout 1;\n }\n foo;\n}")
                == "no \"listen\" is defined for server in /etc/m.conf:2")
    }

    @Test func `blocks that may repeat do, in the file's order`() throws {
        let loaded = try load("events {}\nmail {\nserver { listen a; }\nserver\n{ listen b; listen c; }\n}")
        #expect(loaded.servers.map { $0.settings[ServerGroup.self].listens } == [["a"], ["b", "c"]])
        #expect(loaded.servers.map(\.position) == [.file("/etc/m.conf", line: 3), .file("/etc/m.conf", line: 5)])
    }

    @Test(arguments: [
        ("daemon on", #"unexpected end of parameter, expecting ";" in command line"#),
        ("daemon on; }", #"unexpected "}" in command line"#),
        ("events {}", "block directives are not supported in -g option in command line"),
        ("foo {", "block directives are not supported in -g option in command line"),
        ("foo;", #"unknown directive "foo" in command line"#),
        ("daemon on; daemon on;", #""daemon" directive is duplicate in command line"#),
        ("include none.conf;", #"open() "/etc/none.conf" failed (2: No such file or directory) in command line"#),
        // Again in the file: the second place is blamed.
        ("user a;", #""user" directive is duplicate in /etc/m.conf:1"#),
        ("daemon off; # more", "ok"),
        ("", "ok"),
    ])
    func `the text of -g stands above the file`(_ text: String, _ message: String) {
        let file = message.contains("m.conf") ? "user b; events {}" : "events {}"
        #expect(refusal(file, globalDirectives: text) == message)
    }

    @Test func `what -g includes may have blocks, and -g itself may have words of any length`() throws {
        let long = String(repeating: "u", count: 5000)
        let loaded = try load("daemon off;", beside: ["e.conf": "events {}"], globalDirectives: "include e.conf; user \(long);")
        #expect(loaded.main[CoreGroup.self].user == long)
        #expect(loaded.files.map(\.path) == ["/etc/e.conf", "/etc/m.conf"])
    }

    @Test func `an included text belongs to the block it is included in`() throws {
        let loaded = try load(
            "include e.conf;\nmail { server { include sub/s.conf; include /etc/sub/s.conf; } }",
            beside: ["e.conf": "events {}", "sub/s.conf": "include two.conf;", "two.conf": "listen x;"])
        #expect(loaded.servers.map { $0.settings[ServerGroup.self].listens } == [["x", "x"]])
        #expect(loaded.files.map(\.path) == ["/etc/m.conf", "/etc/e.conf", "/etc/sub/s.conf", "/etc/two.conf"])
        #expect(loaded.files.last?.bytes == Array("listen x;".utf8))
    }

    @Test func `a pattern includes what it matches, in order, and nothing is no fault`() throws {
        for pattern in ["*.c", "a?", "[ab]"] {
            let loaded = try load(
                "events {} include \(pattern); include none*;", beside: ["1": "log a;", "2": "log b;"],
                matches: ["/etc/" + pattern: ["/etc/1", "/etc/2"]])
            #expect(loaded.main[CoreGroup.self].log == ["a", "b"])
        }
    }

    @Test(arguments: [
        ("\ninclude\n missing.conf\n;", #"open() "/etc/missing.conf" failed (2: No such file or directory) in /etc/m.conf:4"#),
        ("include d;", #"pread() "/etc/d" failed (21: Is a directory)"#),
        ("include /forbidden/*;", #"glob() "/forbidden/*" failed (13: Permission denied) in /etc/m.conf:1"#),
        ("include shrinking.conf;", "pread() returned only 1 bytes instead of 2 in /etc/shrinking.conf:1"),
        ("events {\n include closing;\n}", #"unexpected "}" in /etc/closing:1"#),
        ("include opening;\n}", #"unexpected end of file, expecting "}" in /etc/opening:2"#),
        ("\ninclude unknown;", #"unknown directive "foo" in /etc/unknown:1"#),
        ("include elsewhere;", #""timeout" directive is not allowed here in /etc/elsewhere:2"#),
        ("\ninclude m.conf;", #""/etc/m.conf" includes itself, directly or through others in /etc/m.conf:2"#),
        ("include loop;", #""/etc/loop" includes itself, directly or through others in /etc/pool:1"#),
    ])
    func `an include that fails is refused`(_ text: String, _ message: String) {
        let others = [
            "closing": "}\n", "opening": "events {\n", "unknown": "foo on;", "elsewhere": "\ntimeout 1;",
            "loop": "include pool;", "pool": "include loop;",
        ]
        #expect(refusal(text, beside: others) == message)
    }

    @Test func `an unreadable file is of level crit`() {
        do throws(ConfigurationError) { _ = try load("include d;") } catch { #expect(error.level == .crit) }
        #expect(refusal("include d;") != "ok")
    }

    @Test func `files include each other 64 deep`() {
        func chain(_ count: Int) -> String {
            let files = (1..<count).map { ("f\($0)", $0 == count - 1 ? "events {}" : "include f\($0 + 1);") }
            return refusal("include f1;", beside: Dictionary(uniqueKeysWithValues: files))
        }
        #expect(chain(64) == "ok")
        #expect(chain(65) == "files include each other more than 64 deep in /etc/f63:1")
    }

    @Test func `what is not for a mail proxy is read past with one warning each`() throws {
        let loaded = try load(
            """
            load_module modules/ngx_mail_module.so;
            events {}
            http
            {
                include missing.conf; foo; server { listen 80; location ~ \\.php$ { bar "}"; } } # }
                mail { } zz 1\\ 2;
            }
            user a;
            http { }
            """)
        #expect(loaded.main[CoreGroup.self].user == "a")
        #expect(
            loaded.warnings == [
                #""load_module" directive has nothing to load, it is read past in /etc/m.conf:1"#,
                #""http" block is not for a mail proxy, it is read past in /etc/m.conf:4"#,
                #""http" block is not for a mail proxy, it is read past in /etc/m.conf:9"#,
            ])
        #expect(loaded.files.map(\.path) == ["/etc/m.conf"])
    }

    @Test(arguments: [
        ("http {\n server { }\n", #"unexpected end of file, expecting "}" in /etc/m.conf:3"#),
        ("http { a }", #"unexpected "}" in /etc/m.conf:1"#),
        ("http { } }", #"unexpected "}" in /etc/m.conf:1"#),
    ])
    func `what is read past must still be whole`(_ text: String, _ message: String) {
        #expect(refusal(text) == message)
    }

    @Test func `warnings come in order with their position, also before a refusal`() throws {
        let text = "http {}\nlog \\#;\n"
        let warnings = [
            #""http" block is not for a mail proxy, it is read past in /etc/m.conf:1"#,
            ##"the backslash before "#" stays a part of the word in /etc/m.conf:2"##,
        ]
        #expect(try load(text + "events {}").warnings == warnings)
        do throws(ConfigurationError) {
            _ = try load(text + "foo;")
            Issue.record("an unknown directive was accepted")
        } catch {
            #expect(error.earlierWarnings == warnings)
        }
    }

    @Test func `a handler's warning gets its directive's position`() throws {
        struct Old: SettingsGroup {
            @Setting var isOn = false
            static let directives: [Directive<Self>] = [
                Directive.flag("ssl", in: [.main], sets: \.$isOn).deprecated(inFavorOf: "listen ... ssl")
            ]
        }
        let files = MemoryFiles(contents: ["/m": Array("events {}\nssl\non;".utf8)])
        let loaded = try Loader(schema: Schema(groups: [Old.self]), files: files)
            .load(path: "/m", prefix: "/", globalDirectives: nil)
        #expect(
            loaded.warnings == [
                #"the "ssl" directive is deprecated, use the "listen ... ssl" directive instead in /m:3"#
            ])
    }
}
