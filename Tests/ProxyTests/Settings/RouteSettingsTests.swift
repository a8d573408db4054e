import Configuration
import Kernel
import Protocols
import TestSupport
import Testing

@testable import Proxy

private let schema = Schema(groups: [ListenSettings.self, MailSettings.self, RouteSettings.self, ProxySettings.self])
private let listen = "listen 143; "

private func route(mail: String = "", server: String, listen: String = listen) throws -> Route? {
    try schema.settings(mail: mail, server: listen + server)[RouteSettings.self].route
}

/// What a question to this server begins with.
private func opening(_ host: String, _ uri: String) -> AuthRequest.Opening {
    AuthRequest.Opening(uri: Array(uri.utf8), host: Array(host.utf8))
}

@Suite struct RouteSettingsTests {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1:80", "127.0.0.1", "/"),
        ("127.0.0.1:9000", "127.0.0.1:9000", "127.0.0.1", "/"),
        ("127.0.0.1:9000/auth?x=1", "127.0.0.1:9000", "127.0.0.1", "/auth?x=1"),
        ("http://127.0.0.1/a/b", "127.0.0.1:80", "127.0.0.1", "/a/b"),
        ("http://127.0.0.1:81?q", "127.0.0.1:81", "127.0.0.1", "/?q"),
        ("127.0.0.1/a:b", "127.0.0.1:80", "127.0.0.1", "/a:b"),
        ("[::1]:8080/auth", "[::1]:8080", "[::1]", "/auth"),
        ("[::1]", "[::1]:80", "[::1]", "/"),
        ("unix:/run/auth", "unix:/run/auth", "localhost", "/"),
        ("unix:/run/auth:/check?a", "unix:/run/auth", "localhost", "/check?a"),
        ("http://unix:/run/auth:/check", "unix:/run/auth", "localhost", "/check"),
        ("unix:/run/auth:", "unix:/run/auth", "localhost", "/"),
    ])
    func `auth_http names an address, a host for the header and a URI`(_ text: String, _ address: String, _ host: String, _ uri: String) throws {
        let server = try only(try route(server: "auth_http \(text);"))
        #expect(server.host.addresses.map(\.description) == [address] && !server.usesTLS)
        #expect(server.opening == opening(host, uri))
    }

    @Test(arguments: [
        ("https://127.0.0.1", "127.0.0.1:443", "127.0.0.1", "127.0.0.1", "/"),
        ("https://localhost:8443/auth?x", "LOCALHOST:8443", "localhost", "localhost", "/auth?x"),
        ("https://[::1]/a", "[::1]:443", "[::1]", "::1", "/a"),
        ("https://unix:/run/auth:/check", "unix:/run/auth", "localhost", "localhost", "/check"),
    ])
    func `https has the auth server asked by TLS, under the name in its URL`(
        _ text: String, _ address: String, _ host: String, _ name: String, _ uri: String
    ) throws {
        let server = try only(try route(server: "auth_http \(text);"))
        let localhost = try #require(NameLookup.addresses(of: "localhost", port: 8443).first)
        #expect(server.host.addresses.first?.description == address.replacing("LOCALHOST:8443", with: localhost.description) && server.usesTLS)
        #expect(server.host.name == name && server.opening == opening(host, uri))
    }

    @Test(arguments: [
        ("127.0.0.1:1", "127.0.0.1"), ("[::1]:1", "::1"), ("localhost:1", "localhost"), ("unix:/run/imap", "localhost"),
    ])
    func `an upstream is called what proxy_pass calls it`(_ text: String, _ name: String) throws {
        guard case .upstream(let upstream) = try route(server: "proxy_pass \(text);") else { throw Missing() }
        #expect(upstream.name == name)
    }

    @Test(arguments: [
        ("listen 143;", "on", "127.0.0.1:993"), ("listen 110;", "on", "127.0.0.1:995"), ("listen 587;", "on", "127.0.0.1:465"),
        ("listen 143;", "starttls", "127.0.0.1:143"), ("listen 995;", "starttls", "127.0.0.1:110"),
        ("listen 25;", "starttls", "127.0.0.1:25"), ("listen 993;", "off", "127.0.0.1:143"),
    ])
    func `an upstream without a port has that of TLS where TLS begins at once`(_ listen: String, _ word: String, _ address: String) throws {
        guard case .upstream(let own) = try route(mail: "proxy_ssl \(word);", server: "proxy_pass 127.0.0.1;", listen: listen),
            case .upstream(let inherited) = try route(mail: "proxy_pass 127.0.0.1;", server: "proxy_ssl \(word);", listen: listen),
            case .upstream(let other) = try route(server: "proxy_pass 127.0.0.1:1; proxy_ssl \(word);", listen: listen)
        else { throw Missing() }
        #expect(own.addresses.map(\.description) == [address] && inherited == own)
        #expect(other.port == 1 && other.addresses.map(\.port) == [1])
    }

    @Test func `a name is all its addresses, and the hosts file's is no name server's`() throws {
        let all = NameLookup.addresses(of: "localhost", port: 8000)
        try #require(!all.isEmpty)
        let server = try only(try route(server: "auth_http localhost:8000/a;"))
        #expect(server.host.addresses == all && server.host.port == 8000 && !server.host.isInDNS && server.opening == opening("localhost", "/a"))
        #expect(try route(server: "proxy_pass localhost:8000;") == .upstream(server.host))
    }

    @Test(arguments: ["auth_http nowhere.invalid/a", "proxy_pass nowhere.invalid"])
    func `a name that nobody knows is a fault, unless there is a resolver to ask`(_ directive: String) throws {
        let (kind, name) = directive.hasPrefix("auth") ? ("auth_http", "nowhere.invalid/a") : ("upstream", "nowhere.invalid")
        #expect(schema.refusal(listen + directive + ";", in: .server) == "host not found in \(kind) \"\(name)\"")
        #expect(throws: ConfigurationError("host not found in \(kind) \"\(name)\" in /etc/martlet/m.conf:2")) {
            try schema.load("events {} mail {\n\(directive); server {\nlisten 143; } }")
        }
        for (mail, server) in [(directive + ";", "resolver 127.0.0.1;"), ("resolver 127.0.0.1;", directive + ";")] {
            let host = switch try route(mail: mail, server: server) {
            case .authServers(let servers)?: servers.first?.host
            case .upstream(let host)?: host
            case nil: nil as Host?
            }
            #expect(host?.name == "nowhere.invalid" && host?.addresses == [] && host?.isInDNS == true)
        }
        #expect(schema.refusal(listen + "resolver 127.0.0.1; resolver_timeout 1s; auth_http no..host/a;", in: .server) == "host not found in auth_http \"no..host/a\"")
    }

    @Test func `auth_http names as many servers as it has words, and as often as it is given`() throws {
        let words = try route(server: "auth_http 127.0.0.1/a https://127.0.0.2:444;")
        let twice = try route(mail: "auth_http 127.0.0.9;", server: "auth_http 127.0.0.1/a; auth_http https://127.0.0.2:444;")
        guard case .authServers(let servers)? = words else { throw Missing() }
        #expect(words == twice && servers.flatMap(\.host.addresses).map(\.description) == ["127.0.0.1:80", "127.0.0.2:444"])
        #expect(servers.map(\.usesTLS) == [false, true] && servers.map(\.opening) == [opening("127.0.0.1", "/a"), opening("127.0.0.2", "/")])
    }

    @Test(arguments: [
        ("auth_http no..host/a;", #"host not found in auth_http "no..host/a""#),
        ("auth_http http://127.0.0.1:0/;", #"invalid port in auth_http "127.0.0.1:0/""#),
        ("auth_http http:///a;", #"no host in auth_http "/a""#),
        ("auth_http HTTP://127.0.0.1/;", #"invalid port in auth_http "HTTP://127.0.0.1/""#),
        ("auth_http 127.0.0.1:80-81;", #"invalid port in auth_http "127.0.0.1:80-81""#),
        ("auth_http [::1/;", #"invalid host in auth_http "[::1/""#),
        ("auth_http [1]/;", #"invalid IPv6 address in auth_http "[1]/""#),
        ("auth_http unix:;", #"no path in the unix domain socket in auth_http "unix:""#),
        ("auth_http unix::/a;", #"no path in the unix domain socket in auth_http "unix::/a""#),
        (#"auth_http "127.0.0.1/a b";"#, #"invalid URI in auth_http "127.0.0.1/a b""#),
        ("auth_http https://;", #"no host in auth_http """#),
        ("auth_http https://no..host/a;", #"host not found in auth_http "no..host/a""#),
        ("auth_http HTTPS://127.0.0.1/;", #"invalid port in auth_http "HTTPS://127.0.0.1/""#),
        ("auth_http;", #"invalid number of arguments in "auth_http" directive"#),
        ("auth_http 127.0.0.1 no..host;", #"host not found in auth_http "no..host""#),
        ("proxy_pass no..host;", #"host not found in upstream "no..host""#),
        ("proxy_pass 127.0.0.1:65536;", #"invalid port in upstream "127.0.0.1:65536""#),
        ("proxy_pass 127.0.0.1/a;", #"invalid host in upstream "127.0.0.1/a""#),
        ("proxy_pass unix:;", #"no path in the unix domain socket in upstream "unix:""#),
        ("proxy_pass :143;", #"no host in upstream ":143""#),
        ("proxy_pass 127.0.0.1; proxy_pass 127.0.0.1;", #""proxy_pass" directive is duplicate"#),
        ("proxy_pass 127.0.0.1; auth_http 127.0.0.1;", #""auth_http" directive conflicts with "proxy_pass""#),
        ("auth_http 127.0.0.1; proxy_pass 127.0.0.1;", #""proxy_pass" directive conflicts with "auth_http""#),
    ])
    func `what leads nowhere is refused, in mail and in a server`(_ directives: String, _ message: String) {
        #expect(schema.refusal(directives, in: .mail) == message)
        #expect(schema.refusal(listen + directives, in: .server) == message)
    }

    @Test(arguments: [
        ("listen 143;", "127.0.0.1", "127.0.0.1:143"), ("listen 995;", "127.0.0.1", "127.0.0.1:110"),
        ("listen 587;", "127.0.0.1", "127.0.0.1:25"), ("listen 9; protocol pop3;", "[::1]", "[::1]:110"),
        ("listen 143;", "127.0.0.1:1143", "127.0.0.1:1143"), ("listen 143;", "unix:/run/imap", "unix:/run/imap"),
    ])
    func `an upstream without a port has that of the server's protocol`(_ listen: String, _ text: String, _ address: String) throws {
        guard case .upstream(let own) = try route(server: "proxy_pass \(text);", listen: listen),
            case .upstream(let inherited) = try route(mail: "proxy_pass \(text);", server: "", listen: listen)
        else { throw Missing() }
        #expect(own.addresses.map(\.description) == [address] && inherited == own)
    }

    @Test func `a server's own route takes the place of either kind that it would inherit`() throws {
        let upstream = Route.upstream(Host(at: .ipv4(0x7f00_0001, port: 1), name: "127.0.0.1"))
        let host = Host(at: .ipv4(0x7f00_0001, port: 80), name: "127.0.0.1")
        let authServer = Route.authServers([AuthServer(host: host, hostHeader: Array("127.0.0.1".utf8), uri: Array("/b".utf8))])
        #expect(try route(mail: "auth_http 127.0.0.2/a;", server: "proxy_pass 127.0.0.1:1;") == upstream)
        #expect(try route(mail: "proxy_pass 127.0.0.2;", server: "auth_http 127.0.0.1/b;") == authServer)
        #expect(try route(mail: "auth_http 127.0.0.1/b;", server: "") == authServer)
    }

    @Test func `a server without a route is refused where it opens`() {
        #expect(schema.refusal(listen, in: .server) == #"no "auth_http" is defined for server"#)
        #expect(throws: ConfigurationError(#"no "auth_http" is defined for server in /etc/martlet/m.conf:3"#)) {
            try schema.load("events {}\nmail {\nserver {\nlisten 143; } }")
        }
        #expect(schema.refusal("", in: .mail) == "ok")
    }

    /// The one auth server of a route.
    private func only(_ route: Route?) throws -> AuthServer {
        guard case .authServers(let servers)? = route, servers.count == 1 else { throw Missing() }
        return servers[0]
    }

    private struct Missing: Error {}
}
