import Configuration
import Kernel
import Protocols
import TLS
import Telemetry
import TestSupport
import Testing

@testable import Proxy

@Suite struct EntranceTests {
    private static let schema = Schema(groups: [
        ListenSettings.self, RouteSettings.self, TLSSettings.self, DialogueSettings.self, MailSettings.self, ProxySettings.self,
        AuthHTTPSettings.self, EventsSettings.self,
    ])

    /// The servers of a file, each with the `listen` directives given.
    @LoopActor private func entrances(_ servers: [String]) throws -> [Entrance] {
        let blocks = servers.map { "server { protocol imap; auth_http 127.0.0.1; \($0) }" }.joined()
        let loaded = try Self.schema.load("events {} mail { \(blocks) }")
        return Entrance.entrances(of: try MailServer.servers(of: loaded, resumption: TLSResumption()) { _ in ErrorLog([]) })
    }

    @Test(arguments: [
        (["listen 127.0.0.1:143; listen 127.0.0.2:143;"], ["127.0.0.1:143", "127.0.0.2:143"]),
        (["listen 127.0.0.1:143;", "listen *:143;"], ["0.0.0.0:143"]),
        (["listen *:143;", "listen 127.0.0.1:144; listen [::1]:143;"], ["0.0.0.0:143", "127.0.0.1:144", "[::1]:143"]),
        (["listen [::]:143; listen [::1]:143; listen 127.0.0.1:143;"], ["[::]:143", "127.0.0.1:143"]),
        (
            ["listen *:143; listen 127.0.0.1:143 bind;", "listen 127.0.0.2:143 backlog=5;"],
            ["0.0.0.0:143", "127.0.0.1:143", "127.0.0.2:143"]
        ),
        (["listen unix:/run/a;", "listen unix:/run/b;"], ["unix:/run/a", "unix:/run/b"]),
    ])
    func `a port's wildcard is bound once, for all that listen on the port and say nothing of their socket`(_ servers: [String], _ bound: [String]) throws {
        try onLoop {
            let found = try entrances(servers).map(\.address.description)
            #expect(found == bound)
        }
    }

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1:143"), ("127.0.0.2", "127.0.0.2:143"), ("127.0.0.3", "0.0.0.0:143"),
    ])
    func `whose client it is depends on the address it connected to`(_ local: String, _ listen: String) throws {
        try onLoop {
            let entrance = try #require(try entrances(["listen *:143;", "listen 127.0.0.1:143;", "listen 127.0.0.2:143;"]).first)
            #expect(entrance.host(of: SocketAddress(literal: local, port: 143)).listen.address.description == listen)
        }
    }

    @Test(arguments: [("listen 127.0.0.1:143; listen *:143 backlog=7;", 7), ("listen *:143; listen 127.0.0.1:143;", 511)])
    func `a socket is what the listen of its own address makes it`(_ listens: String, _ backlog: Int) throws {
        try onLoop {
            let entrance = try #require(try entrances([listens]).first)
            #expect(entrance.options.socket.backlog == backlog)
        }
    }

    @Test(arguments: [
        ("listen 143 reuseport;", true), ("listen 143;", false), ("listen unix:/run/a reuseport;", false),
        ("listen *:143; listen 127.0.0.1:143 reuseport;", false), ("listen 127.0.0.1:143; listen *:143 reuseport;", true),
    ])
    func `workers have a socket each with reuseport, but not in the file system`(_ listens: String, _ has: Bool) throws {
        try onLoop {
            let entrance = try #require(try entrances([listens]).first)
            #expect(entrance.hasSocketPerWorker == has)
        }
    }
}
