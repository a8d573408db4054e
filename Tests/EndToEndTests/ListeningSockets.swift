import Foundation
import TestSupport

/// What the system tells of the sockets that listen at a port.
struct ListeningSockets {
    struct Entry {
        let inode: UInt64
        let backlog, receiveBuffer, sendBuffer: Int
    }

    let all: [Entry]

    init(_ port: UInt16) throws {
        let text = try run(["ss", "-tlnmeHO", "sport = :\(port)"]).standardOutput
        all = try text.split(separator: "\n").map { line in
            guard let entry = Entry(line) else { throw TestFailure("not a line of ss: \(line)") }
            return entry
        }
    }

    /// The one that there is.
    var only: Entry? { all.count == 1 ? all[0] : nil }
}

extension ListeningSockets.Entry {
    /// `LISTEN 0 5 127.0.0.1:20000 0.0.0.0:* ino:77 … skmem:(r0,rb131072,t0,tb16384,…)`
    fileprivate init?(_ line: Substring) {
        let words = line.split { " (),".contains($0) }
        func number(_ prefix: String) -> Int? {
            words.first { $0.hasPrefix(prefix) }.flatMap { Int($0.dropFirst(prefix.count)) }
        }
        guard words.count > 3, let backlog = Int(words[2]), let inode = number("ino:"), let receive = number("rb"),
            let send = number("tb")
        else { return nil }
        self.init(inode: UInt64(inode), backlog: backlog, receiveBuffer: receive, sendBuffer: send)
    }
}

extension ProcessView {
    /// A socket that a process waits for with epoll.
    struct Watched {
        let inode: UInt64
        /// Whether others that wait for it too are left asleep.
        let isExclusive: Bool
    }

    /// Which of those sockets the process waits for.
    func watched(among sockets: ListeningSockets) -> [Watched] {
        let folder = "/proc/\(pid)/"
        let numbers = (try? FileManager.default.contentsOfDirectory(atPath: folder + "fd")) ?? []
        let pollers = numbers.filter {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "fd/\($0)")) == "anon_inode:[eventpoll]"
        }
        let lines = pollers.flatMap { number in
            ((try? String(contentsOfFile: folder + "fdinfo/\(number)", encoding: .utf8)) ?? "").split(separator: "\n")
        }
        return lines.compactMap(Watched.init).filter { watched in sockets.all.contains { $0.inode == watched.inode } }
    }

    /// The processors that the process may use.
    var processors: [Int] {
        (status("Cpus_allowed_list") ?? "").split(separator: ",").flatMap { range in
            let ends = range.split(separator: "-").compactMap { Int($0) }
            return ends.isEmpty ? [] : Array(ends[0]...ends[ends.count - 1])
        }
    }
}

extension ProcessView.Watched {
    /// `tfd: 7 events: 10000001 data: 7f… pos:0 ino:4d sdev:8`, both numbers in hexadecimal.
    fileprivate init?(_ line: Substring) {
        let words = line.split(separator: " ")
        guard let place = words.firstIndex(of: "events:"), place + 1 < words.count, let events = UInt64(words[place + 1], radix: 16),
            let inode = words.first(where: { $0.hasPrefix("ino:") }).flatMap({ UInt64($0.dropFirst(4), radix: 16) })
        else { return nil }
        self.init(inode: inode, isExclusive: events & 1 << 28 != 0)
    }
}
