import Configuration
import Kernel
import TestSupport
import Testing

@testable import Proxy

private let schema = Schema(groups: [ListenSettings.self])

@Suite struct ListenSettingsTests {
    @Test(arguments: [
        ("143", ["0.0.0.0:143"]),
        ("*:143", ["0.0.0.0:143"]),
        ("143-145", ["0.0.0.0:143", "0.0.0.0:144", "0.0.0.0:145"]),
        ("127.0.0.2:143", ["127.0.0.2:143"]),
        ("127.0.0.2:143-144", ["127.0.0.2:143", "127.0.0.2:144"]),
        ("[::1]:143", ["[::1]:143"]),
        ("[::]:143-143", ["[::]:143"]),
        ("[::1]:65534-65535", ["[::1]:65534", "[::1]:65535"]),
        ("unix:/run/imap", ["unix:/run/imap"]),
        ("unix:/a:b", ["unix:/a:b"]),
    ])
    func `each form of address is one listener for each port`(_ text: String, _ addresses: [String]) throws {
        let settings = try schema.settings("protocol imap; listen \(text);", in: .server)[ListenSettings.self]
        #expect(settings.listens.map(\.address.description) == addresses)
        #expect(settings.listens.allSatisfy { $0.options == ListenOptions() })
    }

    @Test func `a name stands for all its addresses`() throws {
        let settings = try schema.settings("protocol imap; listen localhost:1430-1431;", in: .server)[ListenSettings.self]
        let expected = NameLookup.addresses(of: "localhost", port: 1430).flatMap { [$0, $0.with(port: 1431)] }
        #expect(!expected.isEmpty && settings.listens.map(\.address) == expected)
    }

    @Test(arguments: [
        ("0", "invalid port"), ("65536", "invalid port"), ("127.0.0.1:0", "invalid port"), ("127.0.0.1:x", "invalid port"),
        ("127.0.0.1:", "invalid port"), ("[::1]:65536", "invalid port"), ("1-65536", "invalid port"), ("1-x", "no port"),
        ("115-110", "invalid port range"), ("[::1]:2-1", "invalid port range"),
        ("127.0.0.1", "no port"), ("[::1]", "no port"), ("localhost", "no port"), ("*", "no port"),
        (":143", "no host"), ("\"\"", "no host"), ("[]:143", "no host"),
        ("a/b", "invalid host"), ("127.0.0.1:143/", "invalid host"), ("a?b:1", "invalid host"), ("[::1", "invalid host"),
        ("[::1]143", "invalid host"), ("\"a b:143\"", "invalid host"),
        ("[127.0.0.1]:143", "invalid IPv6 address"), ("[::g]:143", "invalid IPv6 address"),
        ("no..host:143", "host not found"),
        ("unix:", "no path in the unix domain socket"),
        ("unix:/" + String(repeating: "x", count: 107), "too long path in the unix domain socket"),
    ])
    func `an address that is none is refused in nginx's words`(_ text: String, _ fault: String) {
        let plain = text.filter { $0 != "\"" }
        #expect(
            schema.refusal("protocol imap; listen \(text);", in: .server)
                == "\(fault) in \"\(plain)\" of the \"listen\" directive")
    }

    @Test func `the longest path that a socket can have is taken`() {
        let path = "/" + String(repeating: "x", count: SocketAddress.maximumPathLength - 1)
        #expect(schema.refusal("protocol imap; listen unix:\(path);", in: .server) == "ok")
    }

    @Test(arguments: [
        ("listen 143;", "imap"), ("listen 993;", "imap"), ("listen 110;", "pop3"), ("listen 995;", "pop3"),
        ("listen 25;", "smtp"), ("listen 465;", "smtp"), ("listen 587;", "smtp"),
        ("listen 1025; listen 110; listen 143;", "pop3"),
        ("listen 143; protocol smtp;", "smtp"), ("protocol smtp; listen 143;", "smtp"),
        ("protocol smtp; protocol pop3; listen 1;", "pop3"),
        ("listen 110-143;", "pop3"),
    ])
    func `the protocol is what is said last, or what the first well-known port implies`(_ directives: String, _ name: String) throws {
        #expect(try schema.settings(directives, in: .server)[ListenSettings.self].protocolName == name)
    }

    @Test(arguments: [
        ("", #"no "listen" is defined for server"#),
        ("protocol imap;", #"no "listen" is defined for server"#),
        ("listen 1430;", "unknown mail protocol for server"),
        ("listen unix:/x;", "unknown mail protocol for server"),
        ("protocol IMAP; listen 143;", #"unknown protocol "IMAP""#),
        ("protocol nntp; listen 143;", #"unknown protocol "nntp""#),
        ("listen 143; listen 143;", #"duplicate "0.0.0.0:143" address and port pair"#),
        ("listen [::1]:143; listen [0:0::1]:140-150;", #"duplicate "[::1]:143" address and port pair"#),
    ])
    func `a server that cannot serve is refused`(_ directives: String, _ message: String) {
        #expect(schema.refusal(directives, in: .server) == message)
    }

    @Test func `an address that two servers listen on is refused where it is said again`() throws {
        let loaded = try schema.load("events {} mail {\nserver { listen 143; listen 144; }\nserver {\nlisten 1-200; protocol imap; } }")
        #expect(throws: ConfigurationError(#"duplicate "0.0.0.0:143" address and port pair in /etc/martlet/m.conf:4"#)) {
            try ListenSettings.refuseDuplicates(among: loaded.servers)
        }
        try ListenSettings.refuseDuplicates(among: [loaded.servers[0]])
    }
}

@Suite struct KeptAliveTests {
    private static let schema = Schema(groups: [ListenSettings.self, MailSettings.self])

    @Test(arguments: [
        ("on", "", ListeningSocket.KeepAlive.on), ("on", "so_keepalive=off", .off),
        ("on", "so_keepalive=5", .after(idle: .seconds(5), interval: nil, count: nil)), ("off", "", nil),
    ])
    func `so_keepalive as a directive is for every listen that does not say it itself`(
        _ directive: String, _ parameter: String, _ expected: ListeningSocket.KeepAlive?
    ) throws {
        let settings = try Self.schema.settings(mail: "so_keepalive \(directive);", server: "listen 143 \(parameter);")
        let options = settings[ListenSettings.self].listens.map(\.options)
        #expect(options.map(\.socket.keepAlive) == [expected])
        #expect(options.map(\.bind) == [expected != nil])
    }
}

@Suite struct ListenOptionsTests {
    private static func options(_ words: Word...) throws(DirectiveFault) -> ListenOptions { try ListenOptions(words[...]) }

    @Test func `parameters are taken in any order`() throws {
        let options = try Self.options(
            "sndbuf=1m", "ssl", "backlog=7", "proxy_protocol", "rcvbuf=32k", "ipv6only=off", "so_keepalive=on", "multipath",
            "reuseport")
        let socket = options.socket
        #expect(socket.backlog == 7 && socket.receiveBuffer == 32768 && socket.sendBuffer == 1 << 20)
        #expect(options.ssl && options.proxyProtocol && socket.isMultipath && options.reuseport)
        #expect(!socket.isIPv6Only && socket.keepAlive == .on)
        #expect(ListeningSocket.Options().backlog == 511 && ListeningSocket.Options().isIPv6Only)
    }

    @Test(arguments: [
        ("on", ListeningSocket.KeepAlive.on), ("off", .off),
        ("30m::10", .after(idle: .seconds(1800), interval: nil, count: 10)),
        (":5:", .after(idle: nil, interval: .seconds(5), count: nil)),
        ("1d", .after(idle: .seconds(86400), interval: nil, count: nil)),
        ("0:0:3", .after(idle: nil, interval: nil, count: 3)),
    ])
    func `so_keepalive has three figures, each of which may be left out`(_ text: String, _ expected: ListeningSocket.KeepAlive) throws {
        #expect(try Self.options(Word(Array("so_keepalive=\(text)".utf8))).socket.keepAlive == expected)
    }

    @Test(arguments: [
        "bind": true, "backlog=1": true, "rcvbuf=1": true, "sndbuf=1": true, "ipv6only=on": true, "multipath": true,
        "reuseport": true, "so_keepalive=off": true, "ssl": false, "proxy_protocol": false,
    ] as [Word: Bool])
    func `what is said of a socket gives the address one of its own`(_ word: Word, _ binds: Bool) throws {
        #expect(try Self.options(word).bind == binds)
    }

    @Test(arguments: [
        ("backlog=0", #"invalid backlog "backlog=0""#), ("backlog=x", #"invalid backlog "backlog=x""#),
        ("backlog=2147483648", #"invalid backlog "backlog=2147483648""#),
        ("rcvbuf=", #"invalid rcvbuf "rcvbuf=""#), ("rcvbuf=2g", #"invalid rcvbuf "rcvbuf=2g""#),
        ("sndbuf=2048m", #"invalid sndbuf "sndbuf=2048m""#),
        ("ipv6only=of", #"invalid ipv6only flags "of""#), ("ipv6only=yes", #"invalid parameter "ipv6only=yes""#),
        ("so_keepalive=", #"invalid so_keepalive value: """#), ("so_keepalive=::", #"invalid so_keepalive value: "::""#),
        ("so_keepalive=0:0:0", #"invalid so_keepalive value: "0:0:0""#), ("so_keepalive=1:2:3:4", #"invalid so_keepalive value: "1:2:3:4""#),
        ("so_keepalive=1ms", #"invalid so_keepalive value: "1ms""#), ("so_keepalive=::-1", #"invalid so_keepalive value: "::-1""#),
        ("SSL", #"invalid parameter "SSL""#), ("default", #"invalid parameter "default""#), ("fastopen=1", #"invalid parameter "fastopen=1""#),
    ])
    func `a parameter that is none is refused in nginx's words`(_ word: String, _ message: String) {
        #expect(schema.refusal("listen 143 \(word);", in: .server) == message)
    }

    @Test(arguments: [
        "backlog=5", "bind", "ipv6only=off", "so_keepalive=on", "so_keepalive=1", "rcvbuf=1k sndbuf=1k", "multipath", "reuseport bind",
        "proxy_protocol", "ssl proxy_protocol",
    ])
    func `a parameter that can be acted on is taken`(_ words: String) {
        #expect(schema.refusal("listen 143 \(words);", in: .server) == "ok")
    }
}
