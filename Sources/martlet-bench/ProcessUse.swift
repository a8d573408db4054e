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
        1024 * (try number("Pss:", ofFile: "/proc/\(id)/smaps_rollup"))
    }

    /// What the kernel holds, in bytes, for all processes together: its objects, and what waits in TCP sockets.
    static func kernelMemory() throws(Fault) -> Int {
        let objects = try number("Slab:", ofFile: "/proc/meminfo")
        let queued = try number("mem", ofFile: "/proc/net/sockstat", ofLine: "TCP:")
        return 1024 * objects + OwnProcess.pageSize * queued
    }

    private static func number(_ name: String, ofFile path: String, ofLine start: String = "") throws(Fault) -> Int {
        guard let number = number(name, in: try read(path), ofLine: start) else { throw Fault("\(path) has no \(name)") }
        return number
    }

    /// The number behind the word `name`, in the first line that has it, of those that begin with `start`.
    static func number(_ name: String, in text: String, ofLine start: String = "") -> Int? {
        for line in text.split(separator: "\n") where line.hasPrefix(start) {
            let words = line.split(separator: " ")
            if let index = words.firstIndex(where: { $0 == name }), index + 1 < words.count { return Int(words[index + 1]) }
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
