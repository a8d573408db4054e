import Configuration
import TestSupport
import Testing

@testable import Proxy

@Suite struct LimitSettingsTests {
    private static let schema = Schema(groups: [LimitSettings.self])

    @Test func `a zone has a name, a key and a size`() throws {
        let zones = "limit_conn_zone $binary_remote_addr zone=one:32k; limit_conn_zone $remote_addr zone=two:1m; limit_conn_zone $remote_user zone=three:10m;"
        let settings = try Self.schema.settings(zones, in: .mail)[LimitSettings.self]
        #expect(settings.zones.map(\.name) == ["one", "two", "three"])
        #expect(settings.zones.map(\.key) == [.binaryRemoteAddress, .remoteAddress, .remoteUser])
        #expect(settings.zones.map(\.byteCount) == [32 << 10, 1 << 20, 10 << 20])
    }

    @Test func `limits add up within a block, and replace those of the outer one`() throws {
        let mail = "limit_conn one 5; limit_conn two 65535; limit_conn_log_level info; limit_conn_dry_run on;"
        let inherited = try Self.schema.settings(mail: mail, server: "")[LimitSettings.self]
        #expect(inherited.limits.map(\.zone) == ["one", "two"] && inherited.limits.map(\.count) == [5, 65535])
        #expect(inherited.logLevel == .info && inherited.isDryRun)
        let own = try Self.schema.settings(mail: mail, server: "limit_conn two 1; limit_conn_log_level WARN; limit_conn_dry_run off;")[LimitSettings.self]
        #expect(own.limits.map(\.zone) == ["two"] && own.limits.map(\.count) == [1])
        #expect(own.logLevel == .warn && !own.isDryRun)
        #expect(LimitSettings().logLevel == .error && !LimitSettings().isDryRun)
    }

    @Test(arguments: [
        ("limit_conn_zone $remote_addr zone=one;", #"invalid zone size "zone=one""#),
        ("limit_conn_zone $remote_addr zone=one:x;", #"invalid zone size "zone=one:x""#),
        ("limit_conn_zone $remote_addr zone=one:31k;", #"zone "zone=one:31k" is too small"#),
        ("limit_conn_zone $remote_addr zone=:1m;", #""limit_conn_zone" must have "zone" parameter"#),
        ("limit_conn_zone $remote_addr size=1m;", #"invalid parameter "size=1m""#),
        ("limit_conn_zone $remote_addr;", #"invalid number of arguments in "limit_conn_zone" directive"#),
        ("limit_conn_zone $server_name zone=one:1m;", #"unknown "server_name" variable"#),
        ("limit_conn_zone address zone=one:1m;", #"invalid key "address""#),
        ("limit_conn_zone $remote_addr zone=one:1m; limit_conn_zone $remote_user zone=one:1m;",
            #"limit_conn_zone "one" is already bound to key "$remote_addr""#),
        ("limit_conn one 0;", #"invalid number of connections "0""#), ("limit_conn one -1;", #"invalid number of connections "-1""#),
        ("limit_conn one 65536;", "connection limit must be less 65536"),
        ("limit_conn one 1; limit_conn one 2;", #""limit_conn" directive is duplicate"#),
        ("limit_conn_log_level crit;", #"invalid value "crit""#),
        ("limit_conn_dry_run 1;", #"invalid value "1" in "limit_conn_dry_run" directive, it must be "on" or "off""#),
    ])
    func `what is no limit is refused in nginx's words`(_ directives: String, _ message: String) {
        #expect(Self.schema.refusal(directives, in: .mail) == message)
    }

    @Test func `zones are for all servers`() {
        let refusal = Self.schema.refusal("limit_conn_zone $remote_addr zone=one:1m;", in: .server)
        #expect(refusal == #""limit_conn_zone" directive is not allowed here"#)
    }
}
