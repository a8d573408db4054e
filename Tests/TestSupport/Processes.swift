import Foundation
import Glibc

/// What `/proc` tells of a process.
public struct ProcessView: Sendable, Hashable {
    public let pid: pid_t

    public init(_ pid: pid_t) { self.pid = pid }

    /// The fields of `stat` after the name, which may itself hold blanks and parentheses.
    private var fields: [Substring]? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        return text[text.index(after: end)...].split(separator: " ")
    }

    /// Whether it still does anything; one that waits only to be reaped does not.
    public var isAlive: Bool { fields.map { $0[0] != "Z" && $0[0] != "X" } ?? false }

    public var parent: pid_t? { fields.flatMap { pid_t($0[1]) } }

    /// The command line as `ps` shows it.
    public var title: String {
        let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
        return String(decoding: bytes.map { $0 == 0 ? 0x20 : $0 }, as: UTF8.self)
            .trimmingCharacters(in: .whitespaces)
    }

    public var threadCount: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task"))?.count ?? 0
    }

    public var descriptorCount: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd"))?.count ?? 0
    }

    /// A field of `status`, such as `VmRSS` or `Uid`.
    public func status(_ field: String) -> String? {
        let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        return text?.split(separator: "\n").first { $0.hasPrefix(field + ":") }
            .map { $0.dropFirst(field.count + 1).trimmingCharacters(in: .whitespaces) }
    }

    /// Resident memory in KiB.
    public var residentSize: Int { status("VmRSS").flatMap { Int($0.prefix { $0.isNumber }) } ?? 0 }

    /// The owner of its files under `/proc`: root's, whoever it runs as, where it is not dumpable.
    public var procOwner: uid_t? {
        var status = stat()
        return stat("/proc/\(pid)/environ", &status) == 0 ? status.st_uid : nil
    }

    public var workingDirectory: String? { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd") }

    /// The nice value.
    public var priority: Int? { fields.flatMap { Int($0[16]) } }

    /// A row of `limits`, such as `Max core file size`: the soft and the hard one.
    public func limit(_ name: String) -> String? {
        let text = try? String(contentsOfFile: "/proc/\(pid)/limits", encoding: .utf8)
        return text?.split(separator: "\n").first { $0.hasPrefix(name) }
            .map { $0.dropFirst(name.count).split(separator: " ").prefix(2).joined(separator: " ") }
    }

    /// How often `bytes` are in its writable memory.
    public func occurrencesInMemory(of bytes: [UInt8]) -> Int {
        guard let maps = try? String(contentsOfFile: "/proc/\(pid)/maps", encoding: .utf8) else { return 0 }
        let memory = open("/proc/\(pid)/mem", O_RDONLY | O_CLOEXEC)
        defer { _ = close(memory) }
        var count = 0
        for line in maps.split(separator: "\n") where line.contains(" rw") && !line.contains("[vvar") {
            let bounds = line.prefix { $0 != " " }.split(separator: "-").compactMap { Int($0, radix: 16) }
            guard bounds.count == 2, bounds[1] - bounds[0] < 1 << 28 else { continue }
            var region = Data(count: bounds[1] - bounds[0])
            let read = region.withUnsafeMutableBytes { pread(memory, $0.baseAddress, $0.count, bounds[0]) }
            guard read > 0 else { continue }
            var start = 0
            while let found = region.range(of: Data(bytes), in: start..<read) {
                count += 1
                start = found.upperBound
            }
        }
        return count
    }

    public var workers: [ProcessView] { children.filter { $0.title.contains(": worker process") } }

    public func signal(_ number: CInt) { _ = kill(pid, number) }

    /// What its open descriptors lead to.
    public var openFiles: [String] {
        let folder = "/proc/\(pid)/fd/"
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
            .compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: folder + $0) }.sorted()
    }

    public var children: [ProcessView] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return all.compactMap { pid_t($0) }.map { ProcessView($0) }.filter { $0.parent == pid && $0.isAlive }
            .sorted { $0.pid < $1.pid }
    }
}
