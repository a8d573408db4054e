import Foundation
import TestSupport
import Testing

/// The load generator before the real server: that both get along, not how fast.
@Suite(.ownWorkspace) struct BenchTests {
    /// The `martlet-bench` built beside the test bundle.
    private static let generator = ProgramUnderTest.sibling("martlet-bench")

    /// A server with a server block of these settings, and a generator that plays all who are around it.
    private func measure(_ settings: String, _ options: [String]) throws -> CommandResult {
        let settings = settings.replacing("CERTIFICATE", with: try Certificates.shared()[.ecdsa].directives)
        let ports = try Ports.free(inARow: 3)
        let (auth, upstream) = (ports + 1, ports + 2)
        let server = try ServerUnderTest(
            mail: "server { listen 127.0.0.1:\(ports)\(settings) server_name bench.test; auth_http 127.0.0.1:\(auth)/auth; }",
            until: .connects)
        let worker = try server.awaitWorkers(1)[0]
        return try run([
            Self.generator, "--server", "127.0.0.1:\(ports)", "--auth", "127.0.0.1:\(auth)", "--upstream", "127.0.0.1:\(upstream)",
            "--workers", "\(worker.pid)", "--sessions", "2", "--operations", "5",
        ] + options)
    }

    private func figures(_ result: CommandResult) throws -> [String: Double] {
        guard result.succeeded else { throw TestFailure("martlet-bench: \(result.standardError)") }
        let lines = result.standardOutput.split(separator: "\n")
        try #require(lines.count == 2 && lines[0] == "measuring")
        return try JSONDecoder().decode([String: Double].self, from: Data(lines[1].utf8))
    }

    private static let startTLS = "; CERTIFICATE starttls on; protocol "
    private static let tls = " ssl; protocol imap; CERTIFICATE"

    @Test(arguments: [
        ("; protocol imap;", ["--work", "login"]),
        ("; protocol pop3;", ["--work", "login", "--protocol", "pop3"]),
        ("; protocol smtp; xclient off; proxy_smtp_auth on;", ["--work", "login", "--protocol", "smtp"]),
        ("; protocol smtp;", ["--work", "login", "--protocol", "xclient"]),
        ("; protocol smtp; proxy_smtp_auth on;", ["--work", "login", "--protocol", "xclient-auth"]),
        ("; protocol smtp; smtp_auth none;", ["--work", "login", "--protocol", "xclient-mx"]),
        (startTLS + "imap;", ["--work", "login", "--tls", "starttls"]),
        (startTLS + "pop3;", ["--work", "login", "--tls", "starttls", "--protocol", "pop3"]),
        (startTLS + "smtp; xclient off; proxy_smtp_auth on;", ["--work", "login", "--tls", "starttls", "--protocol", "smtp"]),
        ("; protocol imap;", ["--work", "login", "--rate", "200"]),
        ("; protocol imap;", ["--work", "login", "--bystanders", "3", "--failures", "count"]),
        (tls, ["--work", "login", "--tls", "full"]),
        (tls, ["--work", "login", "--tls", "resumed"]),
        ("; protocol imap;", ["--work", "echo"]),
        ("; protocol imap;", ["--work", "down", "--size", "300000"]),
        ("; protocol imap;", ["--work", "up", "--size", "300000"]),
        (tls, ["--work", "down", "--size", "300000", "--tls", "full"]),
        (tls, ["--work", "up", "--size", "300000", "--tls", "full"]),
    ])
    func `each kind of work is done and measured`(_ settings: String, _ options: [String]) throws {
        let figures = try figures(try measure(settings, options))
        #expect(figures["operations"] == 5)
        #expect(figures["seconds"]! > 0 && figures["worker_cpu_seconds"]! > 0 && figures["p50"]! > 0)
        #expect(figures["failures"] == 0 && figures["sessions_lost"] == 0)
        #expect((figures["delay_p99"] != nil) == options.contains("--rate"))
        #expect(figures["bytes"] == (options.contains("300000") ? 1_500_000 : 0))
    }

    @Test func `bystanders that are cut off are counted`() throws {
        let figures = try figures(
            try measure(
                "; protocol imap; proxy_timeout 100ms;",
                ["--operations", "10", "--rate", "20", "--bystanders", "3", "--failures", "count"]))
        #expect(figures["sessions_lost"] == 3)
    }

    @Test func `what idle sessions cost is measured`() throws {
        let figures = try figures(try measure("; protocol imap;", ["--work", "idle", "--sessions", "20"]))
        #expect(figures["operations"] == 20 && figures["bytes_per_session"] != nil)
        #expect(figures["kernel_bytes_per_session"] != nil)
    }

    @Test(arguments: [
        ("; protocol pop3;", [], "client: heard \"+OK POP3 ready"),
        ("; protocol smtp; xclient off; proxy_smtp_auth on;", ["--protocol", "xclient"], "upstream: heard \"AUTH PLAIN "),
        (tls + " ssl_session_tickets off;", ["--tls", "resumed"], "client: the handshake was a full one"),
    ])
    func `what is not as it must be ends it with a message`(_ settings: String, _ options: [String], _ message: String) throws {
        let result = try measure(settings, options)
        #expect(result.status == .code(1) && result.standardError.hasPrefix("martlet-bench: \(message)"), "\(result.standardError)")
    }

    @Test func `help says what an operation is`() throws {
        let result = try run([Self.generator, "--help"])
        #expect(result.succeeded && result.standardOutput.hasPrefix("Usage: martlet-bench "))
        let mistaken = try run([Self.generator, "--work", "play"])
        #expect(mistaken.status == .code(1) && mistaken.standardError.hasPrefix("martlet-bench: --work takes "))
    }
}
