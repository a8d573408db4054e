import Configuration
import Kernel
import TestSupport
import Testing

@testable import Telemetry

@Suite struct SyslogServerTests {
    private func server(_ parameters: String) throws -> SyslogServer { try SyslogServer(Word(Array(parameters.utf8))) }

    private func refusal(_ parameters: String) -> String {
        do throws(DirectiveFault) {
            _ = try SyslogServer(Word(Array(parameters.utf8)))
            return "ok"
        } catch {
            if case .message(let text) = error { return text }
            return "\(error)"
        }
    }

    @Test(arguments: [
        ("server=127.0.0.1", SocketAddress.ipv4(0x7F00_0001, port: 514)), ("server=127.0.0.1:1514", .ipv4(0x7F00_0001, port: 1514)),
        ("server=[::1]:5", .ipv6(0, 1, port: 5)), ("server=[::1]", .ipv6(0, 1, port: 514)), ("server=unix:/dev/log", .unix("/dev/log")),
    ])
    func `the server's address may lack its port`(_ parameters: String, _ address: SocketAddress) throws {
        #expect(try server(parameters).address == address)
    }

    @Test(arguments: [
        ("", "unknown syslog parameter \"\""), ("facility=mail", "no syslog server specified"), ("server=a,server=b", "duplicate syslog \"server\""),
        ("server=127.0.0.1,facility=mail,facility=mail", "duplicate syslog \"facility\""), ("server=127.0.0.1,tag=a,tag=b", "duplicate syslog \"tag\""),
        ("server=127.0.0.1,severity=info,severity=info", "duplicate syslog \"severity\""),
        ("server=127.0.0.1,facility=post", "unknown syslog facility \"post\""), ("server=127.0.0.1,severity=bad", "unknown syslog severity \"bad\""),
        ("server=127.0.0.1,", "unknown syslog parameter \"\""), ("server=127.0.0.1, tag=a", "unknown syslog parameter \" tag=a\""),
        ("server=127.0.0.1,tag=a-b", "syslog \"tag\" only allows alphanumeric characters and underscore"),
        ("server=127.0.0.1,tag=123456789012345678901234567890123", "syslog tag length exceeds 32"),
        ("server=", "no host in syslog server \"\""), ("server=127.0.0.1:x", "invalid port in syslog server \"127.0.0.1:x\""),
        ("server=127.0.0.1/x", "invalid host in syslog server \"127.0.0.1/x\""), ("server=no..host", "host not found in syslog server \"no..host\""),
        ("server=unix:", "no path in the unix domain socket in syslog server \"unix:\""),
    ])
    func `what is wrong is said in nginx's words`(_ parameters: String, _ message: String) {
        #expect(refusal(parameters) == message)
    }

    @Test func `a path that no socket address holds is refused`() {
        let path = "unix:/" + String(repeating: "x", count: 107)
        #expect(refusal("server=\(path)") == "too long path in the unix domain socket in syslog server \"\(path)\"")
    }

    private func datagram(_ parameters: String, _ level: LogLevel, _ line: String = "line") throws -> String {
        let time = WallClock(universalSecondsSinceEpoch: 1_791_522_304)
        return String(decoding: try server(parameters).datagram(ArraySlice(line.utf8), level, at: time), as: UTF8.self)
    }

    @Test(arguments: [
        ("", LogLevel.error, "<187>Oct  9 05:05:04 HOST martlet: line"), (",nohostname", .emerg, "<184>Oct  9 05:05:04 martlet: line"),
        (",facility=kern,tag=mx,nohostname", .debug, "<7>Oct  9 05:05:04 mx: line"), (",facility=mail,severity=alert,tag=", .info, "<22>Oct  9 05:05:04 HOST : line"),
    ])
    func `a datagram has facility and level as one number, the time, the machine and the tag`(
        _ parameters: String, _ level: LogLevel, _ text: String
    ) throws {
        #expect(try datagram("server=127.0.0.1" + parameters, level) == text.replacing("HOST", with: NameLookup.hostName))
    }

    @Test func `every facility has its number`() throws {
        for (number, name) in SyslogServer.facilities.enumerated() {
            #expect(try datagram("server=127.0.0.1,facility=\(name)", .emerg).hasPrefix("<\(number * 8)>"))
        }
        #expect(SyslogServer.facilities.count == 24 && SyslogServer.facilities[2] == "mail" && SyslogServer.facilities[16] == "local0")
    }
}
