import Foundation
import Glibc
public import Testing

/// Dovecot and Postfix of `scripts/mail-servers`, one instance for all tests of a suite.
public struct RealMailServers: Sendable {
    public static let user = "demo@example.org"
    public static let password = "martlet"

    /// The instance of the running suite, where it asks for one with `.realMailServers`.
    @TaskLocal fileprivate static var current: RealMailServers?

    public let imap: UInt16
    public let pop3: UInt16
    public let smtp: UInt16
    public let submission: UInt16
    /// The same with TLS at once. The others have STARTTLS. `Certificates` vouches for all of them.
    public let imaps: UInt16
    public let pop3s: UInt16
    public let smtps: UInt16
    /// The same as the first three behind a balancer: connections begin with a PROXY header.
    public let proxiedIMAP: UInt16
    public let proxiedPOP3: UInt16
    public let proxiedSMTP: UInt16
    private let workspace: Workspace

    private static let script = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("scripts/mail-servers").path

    public static func here() throws -> RealMailServers {
        guard let current else { throw TestFailure("this suite lacks the trait .realMailServers") }
        return current
    }

    fileprivate init() throws {
        workspace = try Workspace()
        (imap, pop3, smtp, submission) = (try Ports.free(), try Ports.free(), try Ports.free(), try Ports.free())
        (imaps, pop3s, smtps) = (try Ports.free(), try Ports.free(), try Ports.free())
        (proxiedIMAP, proxiedPOP3, proxiedSMTP) = (try Ports.free(), try Ports.free(), try Ports.free())
        let certificate = try Certificates.shared()[.ecdsa]
        let result = try run(
            [
                Self.script, "start", workspace.path, "--imap", "\(imap)", "--pop3", "\(pop3)", "--smtp", "\(smtp)",
                "--submission", "\(submission)", "--imaps", "\(imaps)", "--pop3s", "\(pop3s)", "--smtps", "\(smtps)",
                "--proxied-imap", "\(proxiedIMAP)", "--proxied-pop3", "\(proxiedPOP3)", "--proxied-smtp", "\(proxiedSMTP)",
                "--certificate", certificate.path, "--key", certificate.key,
            ], in: workspace)
        guard result.succeeded else { throw TestFailure("mail-servers: \(result.standardError)") }
    }

    /// Waits for the line of a log, `dovecot` or `postfix`, that has all of these in it.
    @discardableResult
    public func awaitLog(_ name: String, _ texts: String..., file: String = #fileID, line: Int = #line) throws -> String {
        try eventually("a line of \(name)'s log with \(texts)", file: file, line: line) {
            (workspace.contents("log/\(name).log") ?? "").split(separator: "\n").map(String.init)
                .last { line in texts.allSatisfy { line.contains($0) } }
        }
    }

    fileprivate func stop() {
        _ = try? run([Self.script, "stop", workspace.path], in: workspace)
        workspace.tearDown()
    }

    /// Runs a suite beside an instance.
    public struct Provider: SuiteTrait, TestScoping {
        public func provideScope(
            for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
        ) async throws {
            let servers = try RealMailServers()
            defer { servers.stop() }
            try await RealMailServers.$current.withValue(servers) { try await function() }
        }
    }
}

extension Trait where Self == RealMailServers.Provider {
    /// A real Dovecot and Postfix for the whole suite.
    public static var realMailServers: RealMailServers.Provider { RealMailServers.Provider() }
}
