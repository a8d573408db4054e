import Configuration
import Kernel
import TestSupport
import Testing

@testable import Telemetry

@Suite(.ownWorkspace) struct SyslogSocketTests {
    /// A socket whose complaints go to a file.
    @LoopActor private func socket(to receiver: SyslogReceiver) throws -> SyslogSocket {
        let server = try SyslogServer(Word(Array("server=\(receiver.server),tag=mx,nohostname".utf8)))
        let socket = SyslogSocket(server)
        socket.complaints = ErrorLog([.init(file: try LogFile.open(Workspace.here().file("main.log")), level: .info)])
        return socket
    }

    private func receiver(_ receiveBuffer: CInt? = nil) throws -> SyslogReceiver {
        try SyslogReceiver(at: .path(Workspace.here().file("log.sock")), receiveBuffer: receiveBuffer)
    }

    /// What the main log was told, without time and process.
    private func complaints() throws -> [String] {
        (try Workspace.here().contents("main.log") ?? "").split(separator: "\n").map { line in
            line.split(separator: " ", maxSplits: 4).enumerated().filter { [2, 4].contains($0.offset) }.map { String($0.element) }.joined(separator: " ")
        }
    }

    @Test func `records arrive one by one, on either kind of socket`() throws {
        for receiver in [try receiver(), try SyslogReceiver()] {
            try onLoop {
                let socket = try socket(to: receiver)
                socket.write(ArraySlice("one".utf8), .info, at: 0)
                socket.write(ArraySlice("two".utf8), .emerg, at: 0)
            }
            #expect(try receiver.record(with: "one").hasSuffix(" mx: one"))
            #expect(try receiver.record(with: "two").hasPrefix("<184>"))
        }
        #expect(try complaints() == [])
    }

    @Test func `nobody to send to is complained about once a second, elsewhere`() throws {
        let receiver = try receiver()
        receiver.close()
        try onLoop {
            let socket = try socket(to: receiver)
            for moment in [0, 1, 999, 1000, 1500, 2100] { socket.write(ArraySlice("x".utf8), .info, at: moment) }
        }
        let complaint = "[alert] connect() failed (2: No such file or directory) while logging to syslog, server: \(receiver.server)"
        #expect(try complaints() == [complaint, complaint, complaint])
    }

    @Test func `a port that nobody listens at is complained about too, and its return is seen`() throws {
        let first = try SyslogReceiver()
        first.close()
        try onLoop {
            let socket = try socket(to: first)
            for moment in [0, 1, 2, 1500] { socket.write(ArraySlice("x".utf8), .info, at: moment) }
            let second = try SyslogReceiver(at: first.address)
            for moment in [3000, 4500] { socket.write(ArraySlice("found".utf8), .info, at: moment) }
            #expect(second.next()?.hasSuffix(" mx: found") == true)
        }
        let complaint = "[alert] send() failed (111: Connection refused) while logging to syslog, server: \(first.server)"
        #expect(try complaints() == [complaint, complaint, complaint, "[warn] 4 log messages were lost while logging to syslog, server: \(first.server)"])
    }

    @Test func `a receiver that is replaced loses nothing of what comes after`() throws {
        let first = try receiver()
        try onLoop {
            let socket = try socket(to: first)
            socket.write(ArraySlice("one".utf8), .info, at: 0)
            first.close()
            let second = try receiver()
            socket.write(ArraySlice("two".utf8), .info, at: 0)
            #expect(second.next()?.hasSuffix(" mx: two") == true)
        }
        #expect(try complaints() == [])
    }

    @Test func `a receiver that comes back is told how much it has missed`() throws {
        let first = try receiver()
        try onLoop {
            let socket = try socket(to: first)
            first.close()
            let start = WallClock.millisecondsSinceEpoch
            for moment in [0, 10, 20] { socket.write(ArraySlice("lost".utf8), .info, at: start + moment) }
            let second = try receiver()
            // Nothing is tried again before a second is over.
            socket.write(ArraySlice("lost".utf8), .info, at: start + 900)
            socket.write(ArraySlice("found".utf8), .info, at: start + 2500)
            #expect(second.next()?.hasSuffix(" mx: found") == true && second.next() == nil)
        }
        #expect(try complaints().map { $0.prefix(60) } == [
            "[alert] connect() failed (2: No such file or directory) while logging".prefix(60),
            "[warn] 4 log messages were lost while logging to syslog, server".prefix(60),
        ])
    }

    @Test func `a receiver that takes nothing costs no time, and hears the number of what it missed`() throws {
        let receiver = try receiver()
        let line = ArraySlice(repeating: UInt8(ascii: "x"), count: 1000)
        try onLoop {
            let socket = try socket(to: receiver)
            for _ in 0..<5000 { socket.write(line, .info, at: 0) }
            var taken = 0
            while receiver.next() != nil { taken += 1 }
            #expect(taken > 0 && taken < 5000)
            socket.write(line, .info, at: 0)
            #expect(try complaints() == ["[warn] \(5000 - taken) log messages were lost while logging to syslog, server: \(receiver.server)"])
        }
    }

    @Test func `a record too long for the socket is no reason to stop`() throws {
        let receiver = try SyslogReceiver()
        try onLoop {
            let socket = try socket(to: receiver)
            socket.write(ArraySlice(repeating: 0x78, count: 100_000), .info, at: 0)
            socket.write(ArraySlice("short".utf8), .info, at: 0)
        }
        _ = try receiver.record(with: "short")
        #expect(try complaints().map { $0.prefix(44) } == ["[alert] send() failed (90: Message too long)"])
    }
}
