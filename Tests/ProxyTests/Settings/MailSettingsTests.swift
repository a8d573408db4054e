import Configuration
import TestSupport
import Testing

@testable import Proxy

@Suite struct MailSettingsTests {
    private static let schema = Schema(groups: [MailSettings.self])

    @Test func `sessions have a minute to log in, and nobody is asked for names`() throws {
        let settings = try Self.schema.settings("", in: .server)[MailSettings.self]
        #expect(settings.timeout == .seconds(60) && settings.resolver == nil && settings.resolverTimeout == .seconds(30))
    }

    @Test func `a server inherits what it does not say`() throws {
        let settings = try Self.schema.settings(mail: "timeout 5; resolver_timeout 1500ms;", server: "timeout 2m;")[MailSettings.self]
        #expect(settings.timeout == .seconds(120) && settings.resolverTimeout == .milliseconds(1500))
    }

    @Test(arguments: [
        ("timeout x;", #""timeout" directive invalid value"#),
        ("timeout 1y;", #""timeout" directive invalid value"#),
        ("resolver_timeout x;", #""resolver_timeout" directive invalid value"#),
        ("resolver;", #"invalid number of arguments in "resolver" directive"#),
        ("resolver valid=x 127.0.0.1;", "invalid parameter: valid=x"),
        ("resolver 127.0.0.1 valid=1ms;", "invalid parameter: valid=1ms"),
        ("resolver 127.0.0.1 ipv4=maybe;", "invalid parameter: ipv4=maybe"),
        ("resolver 127.0.0.1 ipv6=;", "invalid parameter: ipv6="),
        ("resolver 127.0.0.1 status_zone=;", "invalid parameter: status_zone="),
        ("resolver 127.0.0.1:0;", #"invalid port in resolver "127.0.0.1:0""#),
        ("resolver no..host;", #"host not found in resolver "no..host""#),
        ("resolver valid=30s;", "no name servers defined"),
        ("resolver 127.0.0.1 ipv4=off ipv6=off;", #""ipv4" and "ipv6" cannot both be "off""#),
        ("resolver off; resolver off;", #""resolver" directive is duplicate"#),
        ("resolver 127.0.0.1 valid=30s;", "ok"),
        ("so_keepalive yes;", #"invalid value "yes" in "so_keepalive" directive, it must be "on" or "off""#),
        ("resolver off; so_keepalive off;", "ok"), ("so_keepalive on;", "ok"),
    ])
    func `what is no value is refused`(_ directives: String, _ message: String) {
        #expect(Self.schema.refusal(directives, in: .mail) == message)
        #expect(Self.schema.refusal(directives, in: .server) == message)
    }

    @Test func `so_keepalive as a directive has had its day`() {
        #expect(
            Self.schema.warnings("so_keepalive off;", in: .mail) == [
                #"the "so_keepalive" directive is deprecated, use the "so_keepalive" parameter of the "listen" directive instead"#
            ])
    }
}

@Suite struct ResolverTests {
    private static let schema = Schema(groups: [MailSettings.self])

    private static func resolver(_ words: String) throws -> Resolver {
        try #require(try schema.settings("resolver \(words);", in: .server)[MailSettings.self].resolver)
    }

    @Test func `each directive is a resolver of its own, which servers that inherit it share`() throws {
        let servers = try Self.schema.load(
            """
            events {}
            mail {
                resolver 127.0.0.1;
                server {}
                server {}
                server { resolver off; }
                server {
                    resolver 127.0.0.1;
                }
            }
            """
        ).servers.map { $0.settings[MailSettings.self].resolver }
        #expect(servers[0] != nil && servers[0] == servers[1] && servers[2] == nil && servers[3] != servers[0])
    }

    @Test func `name servers have a port of their own or the usual one`() throws {
        let resolver = try Self.resolver("127.0.0.1 [::1]:5353 valid=1M ipv6=off status_zone=z")
        #expect(resolver.servers.map(\.description) == ["127.0.0.1:53", "[::1]:5353"])
        #expect(resolver.validity == .seconds(30 * 86_400) && resolver.asksForIPv4 && !resolver.asksForIPv6)
    }

    @Test func `answers are kept as long as they say, unless the file says`() throws {
        let resolver = try Self.resolver("127.0.0.1 ipv4=OFF")
        #expect(resolver.validity == nil && !resolver.asksForIPv4 && resolver.asksForIPv6)
    }
}
