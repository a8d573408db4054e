import Foundation
import Glibc
import TestSupport
import Testing

/// Where records go, in which form, and that nobody waits for them (`logging.md`).
@Suite(.ownWorkspace) struct LogTests {
    private func proxy(
        _ settings: String = "", main: String = "", events: String = "", workers: Int = 1
    ) throws -> MailServer {
        let proxy = try MailServer(.imap, accepting: try StubServer.imap(), settings, workers: workers, main: main, events: events)
        try proxy.server.awaitWorkers(workers)
        return proxy
    }

    private func unixReceiver(receiveBuffer: CInt? = nil) throws -> SyslogReceiver {
        try SyslogReceiver(at: .path(Workspace.here().file("log.sock")), receiveBuffer: receiveBuffer)
    }

    private var hostName: String {
        (try? String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8))?.trimmingCharacters(in: .newlines).lowercased() ?? ""
    }

    // MARK: syslog

    @Test func `a record goes to all syslog servers of its block, labelled as each asks for`() throws {
        let (one, other) = (try unixReceiver(), try SyslogReceiver())
        let proxy = try proxy("""
            error_log syslog:server=\(one.server),facility=mail,tag=mx info;
            error_log syslog:server=\(other.server),nohostname,severity=alert info;
            """, main: "user nobody nogroup;")
        _ = try proxy.loggedInClient(.imap)
        let worker = proxy.server.workers[0].pid
        let line = #"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[info\] \#(worker)#\#(worker): \*\d+ client logged in, client: 127\.0\.0\.1, server: 127\.0\.0\.1:\#(proxy.port), login: "user", upstream: 127\.0\.0\.1:\d+"#
        for (receiver, label) in [(one, #"<22>\w{3} [ \d]\d \d\d:\d\d:\d\d \#(hostName) mx: "#), (other, #"<190>\w{3} [ \d]\d \d\d:\d\d:\d\d martlet: "#)] {
            let datagram = try receiver.record(with: "client logged in")
            #expect(datagram.wholeMatch(of: try Regex(label + line)) != nil, "\(datagram)")
        }
        #expect(!proxy.server.log.contains("client logged in"))
    }

    @Test func `each process sends by a socket of its own`() throws {
        let receiver = try unixReceiver()
        let server = try proxy(main: "error_log syslog:server=\(receiver.server) notice;", workers: 2).server
        for worker in server.workers { _ = kill(worker.pid, SIGUSR1) }
        for _ in server.workers { _ = try receiver.record(with: ": reopening logs") }
        func sockets(_ process: ProcessView) -> Set<String> {
            let folder = "/proc/\(process.pid)/fd/"
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            return Set(names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: folder + $0) }.filter { $0.hasPrefix("socket:") })
        }
        // What they have in common is the listener, and what whoever started this test left open for all.
        let owned = ([server.master] + server.workers).map { sockets($0).subtracting(sockets(ProcessView(getpid()))) }
        for (one, other) in [(0, 1), (0, 2), (1, 2)] { #expect(owned[one].intersection(owned[other]).count == 1) }
    }

    @Test func `a receiver that takes nothing holds nobody up`() throws {
        let receiver = try unixReceiver()
        let proxy = try proxy("error_log syslog:server=\(receiver.server) debug;")
        // It takes some hundred datagrams, and then no more.
        for _ in 1...150 { _ = try proxy.loggedInClient(.imap) }
        var taken = 0
        while receiver.next() != nil { taken += 1 }
        #expect(taken < 150 * 5)
        // Who takes again what comes is told of the loss elsewhere.
        _ = try proxy.loggedInClient(.imap)
        _ = try receiver.record(with: "client logged in")
        try proxy.server.awaitLog("log messages were lost while logging to syslog, server: \(receiver.server)")
    }

    @Test func `a receiver that disappears is complained about, but not with each record, and found when it is back`() throws {
        let first = try unixReceiver()
        let proxy = try proxy("error_log syslog:server=\(first.server) info;", main: "user nobody nogroup;")
        _ = try proxy.loggedInClient(.imap)
        _ = try first.record(with: "client logged in")
        first.close()
        let start = ContinuousClock.now
        for _ in 1...30 { _ = try proxy.loggedInClient(.imap) }
        let complaint = "[alert] \(proxy.server.workers[0].pid)#\(proxy.server.workers[0].pid): connect() failed (2: No such file or directory) while logging to syslog, server: \(first.server)\n"
        try proxy.server.awaitLog(String(complaint.dropLast()))
        let seconds = Int((ContinuousClock.now - start).components.seconds)
        #expect(proxy.server.occurrences(of: complaint) <= seconds + 1)
        let second = try unixReceiver()
        try eventually("a record after the receiver's return") {
            _ = try proxy.loggedInClient(.imap)
            while let datagram = second.next() { if datagram.contains("client logged in") { return true } }
            return false
        }
    }

    @Test func `a log that is nothing but syslog keeps the standard file beside it`() throws {
        let receiver = try unixReceiver()
        let text = ServerUnderTest.configuration(mail: "auth_http 127.0.0.1:1; server { listen 127.0.0.1:\(try Ports.free()); protocol imap; }")
            .replacingOccurrences(of: "error_log error.log debug;", with: "error_log syslog:server=\(receiver.server) notice;")
        let server = try ServerUnderTest(configuration: text)
        _ = try receiver.record(with: "start worker processes")
        _ = kill(server.workers[0].pid, SIGKILL)
        _ = try receiver.record(with: "exited on signal 9")
        try server.awaitLog("[alert] \(server.pid)#\(server.pid): worker process ")
        #expect(!server.log.contains("[notice] \(server.pid)#\(server.pid): start worker process "))
    }

    // MARK: memory

    @Test func `a ring holds the last records of all processes, and root reads it in the master`() throws {
        let proxy = try proxy("error_log memory:4k debug;", main: "error_log memory:64k debug; user nobody nogroup;")
        func rings() -> [String] {
            let folder = "/proc/\(proxy.server.pid)/fd/"
            let all = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            return all.sorted().filter {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: folder + $0))?.hasPrefix("/memfd:martlet-error-log") == true
            }.compactMap { FileManager.default.contents(atPath: folder + $0) }.map { String(decoding: $0.filter { $0 != 0 }, as: UTF8.self) }
        }
        for _ in 1...20 { _ = try proxy.loggedInClient(.imap) }
        #expect(rings().map(\.utf8.count).max() ?? 0 <= 65536)
        let (main, mail) = (try #require(rings().first { $0.hasPrefix("MEMLOG 65536 ") }), try #require(rings().first { $0.hasPrefix("MEMLOG 4096 ") }))
        #expect(main.contains("start worker process "))
        #expect(main.prefix { $0 != "\n" }.hasSuffix("/server.conf:6"))
        #expect(mail.contains("client logged in") && mail.utf8.count == 4096)
        // A reload goes on with it, and a crash takes nothing away.
        _ = kill(proxy.server.workers[0].pid, SIGKILL)
        try eventually("the crash in the ring") { rings().contains { $0.contains("start worker process ") && $0.contains("exited on signal 9") } }
        proxy.server.signal(SIGHUP)
        try eventually("both generations in one ring") { rings().contains { $0.contains("exited on signal 9") && $0.contains("gracefully shutting down") } }
    }

    // MARK: Forms, filters, rates

    @Test func `hostile logins come out of JSON as they went in`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer { $0.number < 4 ? .headers(["Auth-Status: no \"quotes\"\u{1}"]) : .accept(upstream.address) }
        let proxy = try MailServer(.imap, asking: auth, "error_log json.log info format=json; error_log_user_tag blue;", workers: 1)
        let logins = ["a\"}\r\n{\"level\":\"emerg\"", "\u{1B}[2J\u{7F}\\", "åß\u{2028}🦜"]
        for login in logins {
            let client = try proxy.client()
            let bytes = Array(login.utf8)
            try client.converse("S: * OK IMAP4 ready")
            try client.send("a LOGIN {\(bytes.count)}\r\n")
            try client.expect("+ OK")
            try client.send(bytes + Array(" secret\r\n".utf8))
            try client.expect("a NO …")
        }
        _ = try proxy.loggedInClient(.imap)
        try proxy.server.awaitLog("client logged in", in: "json.log")
        let script = """
            import json, sys
            records = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8", newline="\\n")]
            assert all(r["tags"] == ["blue"] and r["pid"] == r["tid"] and r["time"][-1] == "Z" for r in records)
            for r in records:
                if r["message"].startswith("client login failed"): print(json.dumps(r["mail"]["login"]))
            assert records[-1]["mail"]["upstream"] == sys.argv[2], records[-1]
            """
        let result = try run(["python3", "-c", script, proxy.server.folder + "/json.log", "\(upstream.address)"])
        #expect(result.succeeded, "\(result.standardError)")
        let read = try result.standardOutput.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8), options: .fragmentsAllowed) as? String)
        }
        #expect(read == logins)
    }

    @Test func `a destination takes what its filters admit`() throws {
        let proxy = try proxy("""
            error_log one.log info filter=login:=user filter=message:logged;
            error_log none.log info filter=client:192.0.2.;
            error_log tag.log info 'filter=tag:~^(blue|red)$';
            error_log_user_tag red;
            """)
        _ = try proxy.loggedInClient(.imap)
        try proxy.server.awaitLog("client logged in", in: "tag.log")
        #expect(proxy.server.contents("one.log").split(separator: "\n").count == 1)
        #expect(proxy.server.contents("one.log").contains("client logged in"))
        #expect(proxy.server.contents("none.log") == "")
        #expect(proxy.server.contents("tag.log").contains("connected to"))
    }

    @Test func `a client in a loop cannot fill a log`() throws {
        let proxy = try proxy("error_log slow.log info rate=1; error_log all.log info rate=0;")
        for _ in 1...30 { _ = try proxy.loggedInClient(.imap) }
        try proxy.server.awaitLog("client logged in", count: 30, in: "all.log")
        let slow = proxy.server.contents("slow.log").split(separator: "\n")
        #expect(slow.count < 40 && slow.contains { $0.hasSuffix("too many log messages, limiting") })
        #expect(slow.first?.contains("[info]") == true)
    }

    // MARK: Levels

    @Test func `each server has its own log, each destination its level`() throws {
        let auth = try StubAuthServer(accepting: try StubServer.imap())
        let ports = try (0..<2).map { _ in try Ports.free() }
        let server = try ServerUnderTest(mail: """
            auth_http \(auth.url);
            server { listen 127.0.0.1:\(ports[0]); protocol imap; error_log a.log info; error_log a.errors; }
            server { listen 127.0.0.1:\(ports[1]); protocol imap; error_log b.log debug_mail; error_log b.event debug_event; }
            """)
        for port in ports { try LineClient(port).converse(Speech.imap.login() + Speech.imap.welcome) }
        try server.awaitLog("client logged in", in: "a.log")
        #expect(!server.contents("a.log").contains("[debug]") && server.contents("a.errors") == "")
        #expect(!server.contents("a.log").contains("127.0.0.1:\(ports[1])"))
        let asking = try server.awaitLog("mail auth http: asking \(auth.url.split(separator: "/")[1])", in: "b.log")
        #expect(asking.contains("[debug]") && !asking.contains(", client:"))
        try server.awaitLog("mail proxy: relaying", in: "b.log")
        #expect(!server.contents("b.log").contains("accept: ") && server.contents("b.event").contains("accept: 127.0.0.1:"))
        #expect(!server.contents("b.event").contains("mail auth http: ") && server.contents("b.event").contains("client logged in"))
        #expect(server.log.contains("start worker process") && !server.log.contains("client logged in"))
    }

    @Test(arguments: [("127.0.0.1", true), ("unix:", false), ("10.0.0.0/8", false), ("127.0.0.0/8", true)])
    func `debug_connection shows everything of some clients`(_ network: String, _ isDebugged: Bool) throws {
        let proxy = try proxy("error_log few.log crit;", events: "debug_connection \(network);")
        _ = try proxy.loggedInClient(.imap)
        if isDebugged {
            try proxy.server.awaitLog("mail proxy: relaying", in: "few.log")
            try proxy.server.awaitLog("client logged in", in: "few.log")
        } else {
            _ = try proxy.loggedInClient(.imap)
            #expect(proxy.server.contents("few.log") == "")
        }
    }

    @Test func `a password is in no log, at no level`() throws {
        let proxy = try proxy("error_log all.log debug; error_log json.log debug format=json;", events: "debug_connection 127.0.0.1;")
        _ = try proxy.loggedInClient(.imap)
        try proxy.server.awaitLog("mail proxy: relaying", in: "json.log")
        for name in ["all.log", "json.log", "error.log"] { #expect(!proxy.server.contents(name).contains("secret")) }
    }

    // MARK: Reopening

    /// Renames the log and has it opened again, until all processes have said so.
    private func rotate(_ server: ServerUnderTest, _ name: String, round: Int) throws {
        try FileManager.default.moveItem(atPath: "\(server.folder)/\(name)", toPath: "\(server.folder)/\(name).\(round)")
        server.signal(SIGUSR1)
    }

    @Test func `no line is lost while logs are opened again under load, also where workers are nobody`() throws {
        let proxy = try proxy("error_log mail.log info rate=0;", main: "user nobody nogroup;", workers: 2)
        let (stop, failures, logins, finished) = (Notes(), Notes(), Counter(), Counter())
        for _ in 1...4 {
            onNewThread {
                while stop["now"].isEmpty {
                    do {
                        _ = try proxy.loggedInClient(.imap)
                        _ = logins.next()
                    } catch { failures.add("\(error)", to: "login") }
                }
                _ = finished.next()
            }
        }
        for round in 1...5 {
            let reached = logins.count + 60
            try eventually("more logins in round \(round)") { logins.count >= reached || !failures["login"].isEmpty }
            try rotate(proxy.server, "mail.log", round: round)
            // Master and workers, and their files.
            try proxy.server.awaitLog("mail.log\" reopened", count: 3 * round)
        }
        stop.add("", to: "now")
        try eventually("the end of the login loops") { finished.count == 4 }
        #expect(failures["login"] == [])
        func lines(_ text: String) -> Int {
            (["mail.log"] + (1...5).map { "mail.log.\($0)" }).map { proxy.server.occurrences(of: text, in: $0) }.reduce(0, +)
        }
        try eventually("a line for each of \(logins.count) logins, has \(lines("client logged in"))") { lines("client logged in") == logins.count }
        // One more has looked whether the server is there.
        #expect(lines("connected to") == logins.count + 1)
        #expect(!proxy.server.log.contains("[emerg]"))
        let attributes = try FileManager.default.attributesOfItem(atPath: proxy.server.folder + "/mail.log")
        #expect(attributes[.ownerAccountID] as? Int == 65534 && attributes[.posixPermissions] as? Int == 0o644)
    }

    @Test func `a worker without descriptors opens its logs again when it has some`() throws {
        let proxy = try proxy("error_log mail.log info rate=0;", main: "worker_rlimit_nofile 40;")
        let (server, worker) = (proxy.server, proxy.server.workers[0].pid)
        var clients = try (0..<60).map { _ in try proxy.client() }
        try server.awaitLog("accept4() failed (24: Too many open files)", in: "mail.log")
        try rotate(server, "mail.log", round: 1)
        try server.awaitLog("\(worker)#\(worker): open() \"\(server.folder)/mail.log\" failed (24: Too many open files)")
        for client in clients { client.close() }
        clients = []
        try server.awaitLog("\(worker)#\(worker): log file \"\(server.folder)/mail.log\" reopened")
        _ = try proxy.loggedInClient(.imap)
        try server.awaitLog("client logged in", in: "mail.log")
        #expect(server.occurrences(of: "mail.log\" failed (24") == 1)
        #expect(server.occurrences(of: "connected to", in: "mail.log.1") + server.occurrences(of: "connected to", in: "mail.log") == 62)
    }

    /// A folder in which others may put what they like, with a log's name in it.
    private func sharedLog(_ plant: (String) throws -> Void) throws -> String {
        let folder = try Workspace.here().file("shared")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        try #require(chmod(folder, 0o777) == 0)
        try plant(folder + "/a.log")
        return folder + "/a.log"
    }

    @Test func `a start follows no link that others may have put in the place of a log`() throws {
        let victim = try Workspace.here().write("safe\n", to: "victim")
        let path = try sharedLog { try FileManager.default.createSymbolicLink(atPath: $0, withDestinationPath: victim) }
        let server = try ServerUnderTest(
            configuration: ServerUnderTest.configuration(main: "error_log \(path);", mail: ""), until: .nothing)
        #expect(try server.awaitExit() == .code(1))
        #expect(server.standardError.contains("[emerg] open() \"\(path)\" failed (40: Too many levels of symbolic links)\n"))
        #expect(try Workspace.here().contents("victim") == "safe\n")
    }

    @Test func `a reload waits for no pipe in the place of a log`() throws {
        let proxy = try proxy()
        let path = try sharedLog { try #require(mkfifo($0, 0o666) == 0) }
        let text = proxy.server.contents("server.conf")
        try proxy.server.rewrite("error_log \(path);\n" + text)
        proxy.server.signal(SIGHUP)
        try proxy.server.awaitLog("[emerg] \(proxy.server.pid)#\(proxy.server.pid): open() \"\(path)\" failed (6: No such device or address)")
        _ = try proxy.loggedInClient(.imap)
    }

    @Test func `a worker that is leaving opens its logs again too`() throws {
        let proxy = try proxy("error_log mail.log info;", main: "user nobody nogroup;")
        let client = try proxy.loggedInClient(.imap)
        let old = proxy.server.workers[0]
        proxy.server.signal(SIGHUP)
        try proxy.server.awaitLog("gracefully shutting down")
        try rotate(proxy.server, "mail.log", round: 1)
        try proxy.server.awaitLog("[debug] \(old.pid)#\(old.pid): log file \"\(proxy.server.folder)/mail.log\" reopened")
        client.finishSending()
        try client.expectEnd()
        try proxy.server.awaitLog("proxied session done", in: "mail.log")
    }

    @Test func `a log that has no path to be opened by stays open, and nothing is said`() throws {
        let port = try Ports.free()
        let text = ServerUnderTest.configuration(
            main: "user nobody nogroup;", mail: "auth_http 127.0.0.1:1; server { listen 127.0.0.1:\(port); protocol imap; }"
        ).replacingOccurrences(of: "error_log error.log debug;", with: "error_log /dev/stderr info;")
        let server = try ServerUnderTest(configuration: text)
        server.signal(SIGUSR1)
        func isTold(_ text: String, _ count: Int) -> Bool { server.standardError.components(separatedBy: text).count > count }
        try eventually("both processes") { isTold("reopening logs\n", 2) }
        try LineClient(port).expect("* OK IMAP4 ready")
        try eventually("one more client") { isTold("connected to 127.0.0.1:\(port)", 2) }
        #expect(!server.standardError.contains("[emerg]"))
    }

    @Test func `logrotate turns the logs as the file that comes with the program says`() throws {
        let proxy = try proxy("error_log mail.log info;", main: "user nobody nogroup;", workers: 2)
        let server = proxy.server
        let shipped = try Repository.text("etc/logrotate/martlet")
        let settings = try Workspace.here().write(
            shipped.replacingOccurrences(of: "/var/log/martlet", with: server.folder)
                .replacingOccurrences(of: "/run/martlet.pid", with: server.folder + "/server.pid")
                .replacingOccurrences(
                    of: "/usr/sbin/martlet", with: "\(ProgramUnderTest.path) -p \(server.folder) -c server.conf"), to: "logrotate.conf")
        for round in 1...2 {
            _ = try proxy.loggedInClient(.imap)
            try server.awaitLog("client logged in", in: "mail.log")
            let result = try run(["logrotate", "--force", "--state", Workspace.here().file("state"), settings])
            #expect(result.succeeded && result.standardError.isEmpty, "\(result)")
            try eventually("all processes at the new file") { server.occurrences(of: "mail.log\" reopened") >= 2 }
            #expect(server.contents("mail.log.1").contains("client logged in"))
            #expect(server.exists("mail.log.2.gz") == (round == 2))
        }
        let owner = try FileManager.default.attributesOfItem(atPath: server.folder + "/mail.log")[.ownerAccountID] as? Int
        #expect(owner == 65534)
    }
}
