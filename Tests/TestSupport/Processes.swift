import Foundation
import Glibc

/// What `/proc` tells of a process.
package struct ProcessView: Sendable, Hashable {
    package let pid: pid_t

    package init(_ pid: pid_t) { self.pid = pid }

    /// The fields of `stat` after the name, which may itself hold blanks and parentheses.
    private var fields: [Substring]? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        return text[text.index(after: end)...].split(separator: " ")
    }

    /// Whether it still does anything; one that waits only to be reaped does not.
    package var isAlive: Bool { fields.map { $0[0] != "Z" && $0[0] != "X" } ?? false }

    package var parent: pid_t? { fields.flatMap { pid_t($0[1]) } }

    /// The command line as `ps` shows it.
    package var title: String {
        let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
        return String(decoding: bytes.map { $0 == 0 ? 0x20 : $0 }, as: UTF8.self)
            .trimmingCharacters(in: .whitespaces)
    }

    package var threadCount: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task"))?.count ?? 0
    }

    package var descriptorCount: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd"))?.count ?? 0
    }

    /// A field of `status`, such as `VmRSS` or `Uid`.
    package func status(_ field: String) -> String? {
        let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        return text?.split(separator: "\n").first { $0.hasPrefix(field + ":") }
            .map { $0.dropFirst(field.count + 1).trimmingCharacters(in: .whitespaces) }
    }

    /// Resident memory in KiB.
    package var residentSize: Int { status("VmRSS").flatMap { Int($0.prefix { $0.isNumber }) } ?? 0 }

    package var children: [ProcessView] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return all.compactMap { pid_t($0) }.map { ProcessView($0) }.filter { $0.parent == pid && $0.isAlive }
            .sorted { $0.pid < $1.pid }
    }
}
