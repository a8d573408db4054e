import Kernel

/// What a process has used, as `/proc` tells it.
enum ProcessUse {
    /// The time on a processor, in nanoseconds, of the process's only thread.
    static func processorTime(of id: Int32) throws(Fault) -> Int {
        let text = try read("/proc/\(id)/schedstat")
        guard let time = text.split(separator: " ").first.flatMap({ Int($0) }) else {
            throw Fault("/proc/\(id)/schedstat says \(text)")
        }
        return time
    }

    /// The memory in bytes, of which what is shared counts in parts (PSS).
    static func memory(of id: Int32) throws(Fault) -> Int {
        let path = "/proc/\(id)/smaps_rollup"
        guard let size = proportionalSize(in: try read(path)) else { throw Fault("\(path) has no Pss") }
        return size
    }

    static func proportionalSize(in text: String) -> Int? {
        for line in text.split(separator: "\n") where line.hasPrefix("Pss:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
        }
        return nil
    }

    private static func read(_ path: String) throws(Fault) -> String {
        do {
            return String(decoding: try Files.start(of: path, byteCount: 4096), as: UTF8.self)
        } catch {
            throw Fault("\(path): \(error)")
        }
    }
}
