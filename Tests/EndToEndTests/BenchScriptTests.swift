import Foundation
import TestSupport
import Testing

/// `scripts/bench`: that it measures and tells the truth of what it has measured, not what that is.
@Suite(.ownWorkspace) struct BenchScriptTests {
    private func bench(_ options: String...) throws -> CommandResult {
        try run([Repository.root.appendingPathComponent("scripts/bench").path] + options, by: .after(.seconds(180)))
    }

    @Test func `each kind of work has a figure`() throws {
        let whole = try bench("--list").standardOutput.split(separator: "\n")
        let quick = try bench("--list", "--quick").standardOutput.split(separator: "\n")
        #expect(whole.count > 40 && quick.count > 20 && Set(quick).isSubset(of: whole))
        #expect(whole.allSatisfy { $0.contains("  ") })
        #expect(whole.contains { $0.hasPrefix("login-pop3  ") && $0.hasSuffix(" CPU per 1,000 logins, POP3 ≤ 0.70") })
    }

    @Test func `a kind that there is not is refused`() throws {
        let result = try bench("--only", "login-*,play")
        #expect(result.status == .code(1))
        #expect(result.standardError == "bench: there is no kind \"play\"; --list shows them\n")
    }

    /// Three rounds of logins and of reloads, as `--json` writes them.
    private static let document = """
        {
          "date": "2026-01-02", "machine": "a machine", "rounds": null, "quick": true, "used_by_others": 0.5,
          "versions": {"nginx": "nginx/1.22.1", "martlet": "martlet/0.1.0"},
          "left_out": {"down-1m-1500": "a network namespace needs root"},
          "results": {
            "login-imap": {"nginx": [LOGIN(0.10, 0.008), LOGIN(0.12, 0.008), LOGIN(0.14, 0.004)],
                           "martlet": [LOGIN(0.08, 0.006), LOGIN(0.06, 0.006), LOGIN(0.07, 0.002)]},
            "reload": {"nginx": [RELOAD(0), RELOAD(0), RELOAD(0)], "martlet": [RELOAD(0), RELOAD(1), RELOAD(0)]}
          }
        }
        """
        .replacing(#/LOGIN\((.+?), (.+?)\)/#) {
            """
            {"operations": 1000, "worker_cpu_seconds": \($0.1), "p50": \($0.2), "p99": 0.01, "p999": 0.01, \
            "seconds": 1, "generator_cpu_seconds": 0.25, "events": 0}
            """
        }
        .replacing(#/RELOAD\((.)\)/#) {
            #"{"failures": \#($0.1), "p50": 0.001, "p99": 0.002, "delay_p99": 0.0001, "delay_max": 0.003, "events": 9}"#
        }

    @Test func `an earlier run is shown with its ratios, what they were to be, and what others did meanwhile`() throws {
        let workspace = try Workspace.here()
        let (document, picture) = (workspace.path + "/bench.json", workspace.path + "/bench.svg")
        try Self.document.write(toFile: document, atomically: true, encoding: .utf8)
        let result = try bench("--show", document, "--svg", picture)
        #expect(result.succeeded, "\(result.standardError)")
        let lines = result.standardOutput.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(
            lines.first
                == "martlet/0.1.0 beside nginx/1.22.1; 2026-01-02, a machine; medians of three short rounds")
        for line in [
            "CPU per 1,000 logins, IMAP 0.12 0.07 s 0.58 0.50– 0.80 ≤ 0.70 met 25% busy",
            "login p50 under load, IMAP 8 6 ms 0.75 0.50– 0.75 ≤ 0.50 missed 25% busy",
            // One failure of three rounds is a failure.
            "logins failed over reloads 0 1 ≤ 0 itself missed 0.1/3 ms late",
            "down-1m-1500 left out: a network namespace needs root",
            "Other processes used 50% of the processors meanwhile: these figures are worth little.",
        ] { #expect(lines.contains(line), "\(line)") }

        let page = try bench("--show", document, "--markdown").standardOutput
        #expect(page.contains("\n| login p50 under load, IMAP | 0.75 (missed) | ≤ 0.50 |\n| logins failed over reloads | 1 (missed) |"))

        let drawing = try String(contentsOfFile: picture, encoding: .utf8)
        #expect(drawing.hasPrefix("<svg ") && drawing.hasSuffix("</svg>\n"))
        for word in ["CPU per 1,000 logins, IMAP", "0.58", "0.75", "logins failed over reloads", "≤ 0 is the goal; nginx: 0"] {
            #expect(drawing.contains(">\(word)</text>"), "\(word)")
        }
    }

    @Test func `logins and upgrades are measured beside another Martlet`() throws {
        let document = try Workspace.here().path + "/bench.json"
        let result = try bench(
            "--rounds", "1", "--operations", "300", "--only", "login-alone,upgrade", "--beside", ProgramUnderTest.path,
            "--martlet", ProgramUnderTest.path, "--generator", ProgramUnderTest.sibling("martlet-bench"), "--json", document)
        #expect(result.succeeded, "\(result.standardError)")
        let figures = try JSONDecoder().decode(Document.self, from: Data(contentsOf: URL(fileURLWithPath: document))).figures
        let failed = try #require(figures.first { $0.label == "logins failed over upgrades" })
        #expect(failed.theirs == 0 && failed.ours == 0 && failed.is_met == true)
        let alone = try #require(figures.first { $0.label == "login p50 alone, IMAP" })
        #expect(alone.theirs > 0 && alone.ours > 0 && alone.is_met == nil)
    }

    private struct Document: Decodable {
        struct Figure: Decodable {
            let label: String
            let theirs: Double
            let ours: Double
            let is_met: Bool?
        }

        let figures: [Figure]
    }
}
