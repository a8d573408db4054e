import Foundation
import TestSupport
import Testing

/// Options, messages and exit codes (`command-line.md`).
@Suite(.ownWorkspace) struct CommandLineTests {
    private var name: String { ProgramUnderTest.name }

    private func program(_ arguments: String...) throws -> CommandResult {
        try run([ProgramUnderTest.path] + arguments)
    }

    /// Tests a file with this text, and more options.
    private func test(_ text: String, _ more: String..., option: String = "-t") throws -> CommandResult {
        let workspace = try Workspace.here()
        try workspace.write(ProgramUnderTest.preamble + text, to: "test.conf")
        return try run(
            [ProgramUnderTest.path, option, "-p", workspace.path, "-c", "test.conf", "-e", "start.log"] + more)
    }

    private var file: String { get throws { try Workspace.here().file("test.conf") } }

    @Test(arguments: [
        (["-x"], "invalid option: \"x\""), (["foo"], "invalid option: \"foo\""), (["-s", "foo"], "invalid option: \"-s foo\""),
        (["-s"], "option \"-s\" requires parameter"), (["-p"], "option \"-p\" requires directory name"),
        (["-e"], "option \"-e\" requires file name"), (["-c"], "option \"-c\" requires file name"),
        (["-g"], "option \"-g\" requires parameter"), (["--help"], "invalid option: \"-\""), (["-tx"], "invalid option: \"x\""),
    ])
    func `a wrong option is named, and that is all`(_ arguments: [String], _ message: String) throws {
        let result = try run([ProgramUnderTest.path] + arguments)
        #expect(result.status == .code(1))
        #expect(result.standardError == "\(name): \(message)\n")
        #expect(result.standardOutput == "")
    }

    @Test func `-v names the version`() throws {
        let result = try program("-v")
        #expect(result.status == .code(0))
        #expect(result.standardOutput == "")
        #expect(try Regex("^\(name) version: \(name)/[0-9]+(\\.[0-9]+)+\n$").wholeMatch(in: result.standardError) != nil)
    }

    @Test func `-V also tells what is built in`() throws {
        let result = try program("-V")
        #expect(result.status == .code(0))
        let lines = result.standardError.split(separator: "\n")
        #expect(lines[0].hasPrefix("\(name) version: \(name)/"))
        #expect(lines.contains { $0.contains("OpenSSL") })
        #expect(lines.last?.hasPrefix("configure arguments: ") == true)
        #expect(lines.last?.contains("--with-mail") == true)
    }

    @Test(arguments: ["-h", "-?"]) func `-h explains the options`(_ option: String) throws {
        let result = try program(option)
        #expect(result.status == .code(0))
        let lines = result.standardError.components(separatedBy: "\n")
        #expect(lines[0].hasPrefix("\(name) version: "))
        #expect(lines[1] == "Usage: \(name) [-?hvVtTq] [-s signal] [-p prefix]")
        #expect(lines[2] == "             [-e filename] [-c filename] [-g directives]")
        #expect(Array(lines[3...4]) == ["", "Options:"])
        #expect(lines[5] == "  -?,-h         : this help")
        let options = lines[5...].compactMap { $0.split(separator: " ").first }.map(String.init)
        #expect(options == ["-?,-h", "-v", "-V", "-t", "-T", "-q", "-s", "-p", "-e", "-c", "-g"])
        #expect(lines.suffix(2) == ["", ""])
    }

    static let good = "events {}\nmail { server { listen 127.0.0.1:PORT; protocol imap; auth_http 127.0.0.1:1; } }\n"

    private func goodFile() throws -> String {
        Self.good.replacingOccurrences(of: "PORT", with: "\(try Ports.free())")
    }

    @Test func `-t praises a good file`() throws {
        let result = try test(try goodFile())
        #expect(result.status == .code(0))
        #expect(result.standardOutput == "")
        #expect(result.standardError == """
            \(name): the configuration file \(try file) syntax is ok
            \(name): configuration file \(try file) test is successful

            """)
    }

    @Test func `-q keeps the praise back`() throws {
        for result in [try test(try goodFile(), "-q"), try test(try goodFile(), option: "-tq")] {
            #expect(result.status == .code(0))
            #expect(result.standardError == "")
        }
    }

    @Test func `-T prints every file once, after its name`() throws {
        let workspace = try Workspace.here()
        try workspace.write("timeout 5s;\n", to: "more.conf")
        let text = "events {}\nmail { include more.conf; server { include mo?e.conf; listen 127.0.0.1:\(try Ports.free()); protocol imap; auth_http 127.0.0.1:1; } }\n"
        let result = try test(text, option: "-T")
        #expect(result.status == .code(0))
        #expect(result.standardOutput == """
            # configuration file \(try file):
            \(ProgramUnderTest.preamble)\(text)
            # configuration file \(workspace.file("more.conf")):
            timeout 5s;


            """)
    }

    @Test func `-t leaves no files behind, and minds no port in use`() throws {
        let workspace = try Workspace.here()
        let port = try Ports.free()
        let taken = try Socket.listen(at: .port(port))
        let result = try test(
            "pid test.pid; error_log main.log;" + Self.good.replacingOccurrences(of: "PORT", with: "\(port)"))
        #expect(result.status == .code(0))
        for name in ["test.pid", "main.log"] { #expect(workspace.contents(name) == nil) }
        withExtendedLifetime(taken) {}
    }

    /// A broken file, and what is said of it; FILE is its path.
    static let broken: [(text: String, message: String)] = [
        ("events {}\nfoo bar;\n", "unknown directive \"foo\" in FILE:2"),
        ("events {}\ntimeout 1s;\n", "\"timeout\" directive is not allowed here in FILE:2"),
        ("events {}\nmail { timeout 1s;\ntimeout 2s; }\n", "\"timeout\" directive is duplicate in FILE:3"),
        ("events {}\nmail { timeout; }\n", "invalid number of arguments in \"timeout\" directive in FILE:2"),
        ("events {}\nmail { timeout 1x; }\n", "\"timeout\" directive invalid value in FILE:2"),
        ("events {}\nmail { proxy_buffer 1g; }\n", "\"proxy_buffer\" directive invalid value in FILE:2"),
        ("events {}\nmail { max_errors -1; }\n", "\"max_errors\" directive invalid number in FILE:2"),
        ("events {}\nmail { xclient maybe; }\n", "invalid value \"maybe\" in \"xclient\" directive, it must be \"on\" or \"off\" in FILE:2"),
        ("events {}\nmail { imap_auth apop; }\n", "invalid value \"apop\" in FILE:2"),
        ("events {}\nmail;\n", "directive \"mail\" has no opening \"{\" in FILE:2"),
        ("events {}\nmail { timeout 1s {} }\n", "directive \"timeout\" is not terminated by \";\" in FILE:2"),
        ("events {}\nmail {\n", "unexpected end of file, expecting \"}\" in FILE:3"),
        ("events {}\nuser root", "unexpected end of file, expecting \";\" or \"}\" in FILE:2"),
        ("events {}\n}\n", "unexpected \"}\" in FILE:2"),
        ("events {}\n;\n", "unexpected \";\" in FILE:2"),
        ("events {}\nmail { server {\n } }\n", "no \"listen\" is defined for server in FILE:2"),
        ("events {}\nmail {\nserver { listen 10143; auth_http 127.0.0.1:1; } }\n", "unknown mail protocol for server in FILE:3"),
        ("events {}\nmail {\nserver { listen 10143; protocol imap; } }\n", "no \"auth_http\" is defined for server in FILE:3"),
        ("events {}\nmail { server { protocol nntp; } }\n", "unknown protocol \"nntp\" in FILE:2"),
        ("events {}\nmail { server { listen 0; } }\n", "invalid port in \"0\" of the \"listen\" directive in FILE:2"),
        ("events {}\nmail { server { listen 10143 foo; } }\n", "the invalid \"foo\" parameter in FILE:2"),
        ("events {}\nmail { server { listen 10143; protocol imap; auth_http 127.0.0.1:1; }\nserver { listen 10143; protocol imap; auth_http 127.0.0.1:1; } }\n",
         "duplicate \"0.0.0.0:10143\" address and port pair in FILE:3"),
        ("events {}\nmail {}\nmail {}\n", "\"mail\" directive is duplicate in FILE:3"),
        ("events {}\ninclude missing.conf;\n", "open() \"DIR/missing.conf\" failed (2: No such file or directory) in FILE:2"),
        ("events {}\nerror_log x.log loud;\n", "invalid log level \"loud\" in FILE:2"),
    ]

    @Test(arguments: broken)
    func `-t says what is wrong with a file, and where`(_ case: (text: String, message: String)) throws {
        let result = try test(`case`.text)
        var message = `case`.message.replacingOccurrences(of: "FILE", with: try file)
            .replacingOccurrences(of: "DIR", with: try Workspace.here().path)
        // nginx 1.31's wording, which has changed since older ones.
        if name != "nginx" { message = message.replacingOccurrences(of: "the invalid \"foo\" parameter", with: "invalid parameter \"foo\"") }
        #expect(result.status == .code(1))
        #expect(result.standardError == """
            \(name): [emerg] \(message)
            \(name): configuration file \(try file) test failed

            """)
    }

    @Test func `faults that only the whole file shows come after the praise of its syntax`() throws {
        let result = try test("mail {}\n")
        #expect(result.status == .code(1))
        #expect(result.standardError == """
            \(name): the configuration file \(try file) syntax is ok
            \(name): [emerg] no "events" section in configuration
            \(name): configuration file \(try file) test failed

            """)
    }

    @Test func `a file that is not there`() throws {
        let path = try Workspace.here().path
        let result = try program("-t", "-p", path, "-c", "none.conf", "-e", "start.log")
        #expect(result.status == .code(1))
        #expect(result.standardError == """
            \(name): [emerg] open() "\(path)/none.conf" failed (2: No such file or directory)
            \(name): configuration file \(path)/none.conf test failed

            """)
    }

    @Test(arguments: [
        ("foo on;", "unknown directive \"foo\" in command line"), ("timeout 1s;", "\"timeout\" directive is not allowed here in command line"),
        ("pid x", "unexpected end of parameter, expecting \";\" in command line"),
        ("events {}", "block directives are not supported in -g option in command line"),
    ])
    func `-g is parsed like a file of its own`(_ text: String, _ message: String) throws {
        let result = try test(try goodFile(), "-g", text)
        #expect(result.status == .code(1))
        #expect(result.standardError.hasPrefix("\(name): [emerg] \(message)\n"))
    }

    @Test func `-g and the file must not say the same`() throws {
        let result = try test("pid a.pid;\n" + (try goodFile()), "-g", "pid b.pid;")
        #expect(result.status == .code(1))
        #expect(result.standardError.contains("[emerg] \"pid\" directive is duplicate in \(try file):1"))
    }

    /// A program that proxies mail alone reads past what a whole file also holds; its values are never in force unseen.
    @Test func `what is of http or stream is read past with a warning`() throws {
        let text = "http { server { listen 80; location / { root /x; } } }\nstream { server { listen 1; } }\n"
        let result = try test(text + (try goodFile()))
        #expect(result.status == .code(0))
        #expect(result.standardError.components(separatedBy: "[warn]").count - 1 == 2)
        #expect(result.standardError.contains("test is successful"))
    }

    @Test(arguments: [("starttls on;", "starttls"), ("listen 127.0.0.1:10993 ssl;", "listen ... ssl")])
    func `TLS without a certificate is refused, not ignored`(_ setting: String, _ mode: String) throws {
        let result = try test("events {}\nmail { server { listen 127.0.0.1:10143; protocol imap; auth_http 127.0.0.1:1; \(setting) } }\n")
        #expect(result.status == .code(1))
        #expect(result.standardError.contains("[emerg] no \"ssl_certificate\" is defined for the \"\(mode)\" directive in "))
    }

    @Test func `worker_processes 0 is an error`() throws {
        let result = try test("worker_processes 0;\n" + (try goodFile()))
        #expect(result.status == .code(1))
        #expect(result.standardError.contains("[emerg]"))
    }

    // MARK: -s

    @Test func `-s needs a pid file with a number in it`() throws {
        let workspace = try Workspace.here()
        let text = "pid test.pid;\n" + (try goodFile())
        try workspace.write(ProgramUnderTest.preamble + text, to: "test.conf")
        func stop() throws -> CommandResult {
            try program("-s", "stop", "-p", workspace.path, "-c", "test.conf", "-e", "start.log")
        }
        var result = try stop()
        #expect(result.status == .code(1))
        #expect(result.standardError == "\(name): [error] open() \"\(workspace.file("test.pid"))\" failed (2: No such file or directory)\n")
        try workspace.write("x\n", to: "test.pid")
        result = try stop()
        #expect(result.status == .code(1))
        #expect(result.standardError == "\(name): [error] invalid PID number \"x\" in \"\(workspace.file("test.pid"))\"\n")
        try workspace.write("4194300\n", to: "test.pid")
        result = try stop()
        #expect(result.status == .code(1))
        #expect(result.standardError == "\(name): [alert] kill(4194300, 15) failed (3: No such process)\n")
        #expect(workspace.contents("start.log")?.contains("[notice] ") == true)
        #expect(workspace.contents("start.log")?.contains("signal process started") == true)
    }

    @Test func `a port in use is tried five times and then given up`() throws {
        let port = try Ports.free()
        let taken = try Socket.listen(at: .port(port))
        let workspace = try Workspace.here()
        try workspace.write(
            ServerUnderTest.configuration(mail: "server { listen 127.0.0.1:\(port); protocol imap; auth_http 127.0.0.1:1; }"),
            to: "test.conf")
        let result = try program("-p", workspace.path, "-c", "test.conf", "-e", "start.log")
        #expect(result.status == .code(1))
        let line = "\(name): [emerg] bind() to 127.0.0.1:\(port) failed (98: Address already in use)\n"
        #expect(result.standardError == String(repeating: line, count: 5) + "\(name): [emerg] still could not bind()\n")
        withExtendedLifetime(taken) {}
    }
}
