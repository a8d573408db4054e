import Foundation
import Glibc
import TestSupport
import Testing

/// What an operation of `martlet-bench` costs the worker, in figures that hardly depend on the machine: the calls that
/// it makes, and the instructions that it runs.
///
/// A bound is what was counted when it was written, and a tenth more. Whatever makes a figure grow past it is to be
/// looked at. If it is worth its price, the failure says what to write here; if a figure has become much smaller, write
/// that, lest somebody loses it again.
@Suite(.ownWorkspace) struct EffortTests {
    @Test(arguments: [
        (Work.login, Speech.imap, 37.7),
        (.login, .pop3, 44),
        (.login, .smtp, 44.5),
        (.echo, .imap, 6.6),
    ])
    func `an operation makes few calls of the system`(_ work: Work, _ speech: Speech, _ bound: Double) throws {
        let count = try effort(of: work, speech, as: .calls)
        #expect(count <= bound, "\(count) calls for each \(work.rawValue), \(speech)")
    }

    @Test(arguments: [
        (Work.login, Speech.imap, 864_000),
        (.login, .smtp, 911_000),
        (.echo, .imap, 46_100),
    ])
    func `an operation runs few instructions of ours`(_ work: Work, _ speech: Speech, _ bound: Double) throws {
        let count = try effort(of: work, speech, as: .instructions)
        #expect(count <= bound, "\(count) instructions for each \(work.rawValue), \(speech)")
    }

    enum Work: String {
        case login, echo

        /// How often it is done in the shorter and in the longer run: what both have in common costs nothing.
        var counts: (short: Int, long: Int) {
            switch self {
            case .login: (10, 40)
            case .echo: (20, 220)
            }
        }
    }

    /// What is counted, and by whom.
    private enum Figure {
        case calls, instructions

        func tool(writingTo file: String) -> [String] {
            switch self {
            case .calls: ["strace", "-f", "-c", "-o", file]
            case .instructions: ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=\(file)"]
            }
        }

        /// Counts from here on: to count a whole start takes longer than all the rest.
        func begin(with process: pid_t) throws {
            if case .instructions = self { try succeed(["callgrind_control", "-i", "on", "\(process)"]) }
        }

        func total(in report: String) -> Int? {
            let rows = report.split(separator: "\n").map { $0.split(separator: " ") }
            switch self {
            case .calls:
                // Share, seconds, microseconds a call, calls, errors if there are any, name.
                let counts = rows.compactMap { $0.count >= 5 && $0.last != "total" ? Int($0[3]) : nil }
                return counts.isEmpty ? nil : counts.reduce(0, +)
            case .instructions:
                return rows.first { $0.first == "totals:" }.flatMap { Int($0[1]) }
            }
        }
    }

    private func effort(of work: Work, _ speech: Speech, as figure: Figure) throws -> Double {
        let short = try total(of: work, work.counts.short, speech, figure)
        let long = try total(of: work, work.counts.long, speech, figure)
        return Double(long.figure - short.figure) / Double(long.operations - short.operations)
    }

    /// Counts up to a server's end, while it serves so many operations and those that `martlet-bench` warms up with.
    private func total(
        of work: Work, _ count: Int, _ speech: Speech, _ figure: Figure
    ) throws -> (figure: Int, operations: Int) {
        let ports = try Ports.free(inARow: 3)
        let report = try Workspace.here().file("\(figure).\(ports)")
        let server = try ServerUnderTest(
            configuration: """
                daemon off; master_process off; pid server.pid; error_log error.log error;
                events { worker_connections 64; }
                mail {
                    server_name bench.test; auth_http 127.0.0.1:\(ports + 1)/auth;
                    server { listen 127.0.0.1:\(ports); protocol \(speech); smtp_auth plain login; xclient off; proxy_smtp_auth on; }
                }
                """,
            program: figure.tool(writingTo: report) + [ProgramUnderTest.path], until: .nothing)
        let pid = try eventually("a pid file", by: .after(.seconds(60))) {
            pid_t(server.contents("server.pid").trimmingCharacters(in: .whitespacesAndNewlines))
        }
        try figure.begin(with: pid)
        try succeed([
            ProgramUnderTest.sibling("martlet-bench"), "--server", "127.0.0.1:\(ports)", "--auth", "127.0.0.1:\(ports + 1)",
            "--upstream", "127.0.0.1:\(ports + 2)", "--work", work.rawValue, "--protocol", "\(speech)", "--operations", "\(count)",
        ])
        _ = kill(pid, SIGTERM)
        try server.awaitExit()
        let text = String(decoding: try #require(FileManager.default.contents(atPath: report)), as: UTF8.self)
        return (try #require(figure.total(in: text), "\(text)"), count + count / 10)
    }
}
