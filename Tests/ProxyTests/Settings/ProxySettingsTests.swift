import Configuration
import Kernel
import Protocols
import TestSupport
import Testing

@testable import Proxy

@Suite struct ProxySettingsTests {
    private static let schema = Schema(groups: [ProxySettings.self])

    @Test func `a relay has a page to buffer in and a day to be silent`() throws {
        let settings = try Self.schema.settings("", in: .server)[ProxySettings.self]
        #expect(settings.bufferSize == OwnProcess.pageSize && settings.timeout == .seconds(86400))
        #expect(!settings.passesErrorMessage && !settings.authenticatesSMTP && settings.sendsXCLIENT == nil)
    }

    @Test func `each directive sets its property`() throws {
        let settings = try Self.schema.settings(
            "proxy_buffer 8k; proxy_timeout 2100; proxy_pass_error_message on; proxy_smtp_auth ON; xclient off; proxy on;",
            in: .server)[ProxySettings.self]
        #expect(settings.bufferSize == 8192 && settings.timeout == .seconds(2100) && settings.passesErrorMessage)
        #expect(settings.authenticatesSMTP && settings.sendsXCLIENT == false)
    }

    @Test func `a server inherits what it does not say`() throws {
        let settings = try Self.schema.settings(
            mail: "proxy_timeout 5; xclient on; proxy_smtp_auth on;", server: "proxy_smtp_auth off;")[ProxySettings.self]
        #expect(settings.timeout == .seconds(5) && settings.sendsXCLIENT == true && !settings.authenticatesSMTP)
    }

    @Test(arguments: [("", UpstreamSecurity.off), ("proxy_ssl off;", .off), ("proxy_ssl on;", .on), ("proxy_ssl STARTTLS;", .startTLS)])
    func `proxy_ssl says whether upstreams are spoken to by TLS, and from when on`(_ text: String, _ security: UpstreamSecurity) throws {
        #expect(try Self.schema.settings(text, in: .server)[ProxySettings.self].security == security)
        #expect(try Self.schema.settings(mail: text, server: "")[ProxySettings.self].security == security)
    }

    @Test func `what is off needs nothing, and an old proxy on says nothing`() {
        let directives = "proxy on; proxy_protocol off; proxy_ssl off; proxy_client_id off;"
        #expect(Self.schema.refusal(directives, in: .server) == "ok")
        #expect(Self.schema.warnings(directives, in: .server).isEmpty)
    }

    @Test(arguments: [
        ("proxy_buffer 0;", "value must be between 1 and 1073741824"),
        ("proxy_buffer 2g;", #""proxy_buffer" directive invalid value"#),
        ("proxy_buffer 1025m;", "value must be between 1 and 1073741824"),
        ("proxy_timeout 1M;", #""proxy_timeout" directive invalid value"#),
        ("proxy_smtp_auth 1;", #"invalid value "1" in "proxy_smtp_auth" directive, it must be "on" or "off""#),
        ("xclient yes;", #"invalid value "yes" in "xclient" directive, it must be "on" or "off""#),
        ("proxy maybe;", #"invalid value "maybe" in "proxy" directive, it must be "on" or "off""#),
        ("proxy_pass_error_message;", #"invalid number of arguments in "proxy_pass_error_message" directive"#),
        ("proxy_protocol v1;", #"invalid value "v1""#),
        ("proxy_protocol on;", "ok"), ("proxy_protocol v2;", "ok"), ("proxy_protocol off;", "ok"),
        ("proxy_ssl yes;", #"invalid value "yes""#),
        ("proxy_ssl on; proxy_ssl on;", #""proxy_ssl" directive is duplicate"#),
        ("proxy_client_id on;", "ok"),
        ("xclient on; xclient on;", #""xclient" directive is duplicate"#),
    ])
    func `what is no value, or has no effect yet, is refused`(_ directives: String, _ message: String) {
        #expect(Self.schema.refusal(directives, in: .mail) == message)
        #expect(Self.schema.refusal(directives, in: .server) == message)
    }
}

@Suite struct AuthHTTPSettingsTests {
    private static let schema = Schema(groups: [AuthHTTPSettings.self])

    @Test func `the auth server has a minute, and is told no more than it needs`() throws {
        let settings = try Self.schema.settings("", in: .server)[AuthHTTPSettings.self]
        #expect(settings.timeout == .seconds(60) && settings.headers.isEmpty && !settings.passesClientCertificate)
    }

    @Test func `headers add up within a block, and replace those of the outer one`() throws {
        let mail = "auth_http_header A 1; auth_http_header B $remote_addr; auth_http_timeout 5;"
        let inherited = try Self.schema.settings(mail: mail, server: "")[AuthHTTPSettings.self]
        #expect(inherited.headers.map { String(decoding: $0.name, as: UTF8.self) } == ["A", "B"])
        #expect(inherited.headers.map(\.value) == [VariableText(literally: Array("1".utf8)), VariableText(literally: Array("$remote_addr".utf8))])
        #expect(inherited.timeout == .seconds(5))
        let own = try Self.schema.settings(mail: mail, server: "auth_http_header C \"\";")[AuthHTTPSettings.self]
        #expect(own.headers.map(\.name) == [Array("C".utf8)])
    }

    @Test func `variables stand for something only where a file says so, wherever it says it`() throws {
        let on = [VariableText.Part.text(Array("a ".utf8)), .variable(.clientAddress), .variable(.serverPort), .text(Array(".".utf8))]
        let header = #"auth_http_header A "a $remote_addr${server_port}.";"#
        for (mail, server) in [
            ("", header + "auth_http_variables on;"), ("auth_http_variables on;", header), (header, "auth_http_variables on;"),
        ] {
            #expect(try Self.schema.settings(mail: mail, server: server)[AuthHTTPSettings.self].headers.map(\.value.parts) == [on])
        }
        let off = try Self.schema.settings(mail: header + "auth_http_variables on;", server: "auth_http_variables off;")[AuthHTTPSettings.self]
        #expect(off.headers.map(\.value) == [VariableText(literally: Array("a $remote_addr${server_port}.".utf8))])
    }

    @Test func `an unknown variable is a fault of its header's line`() {
        #expect(throws: ConfigurationError("unknown \"nothing\" variable in /etc/martlet/m.conf:2")) {
            try Self.schema.load("events {} mail { auth_http_variables on;\nauth_http_header A $nothing;\nserver {} }")
        }
    }

    @Test(arguments: [
        ("auth_http_timeout -1;", #""auth_http_timeout" directive invalid value"#),
        ("auth_http_timeout 1; auth_http_timeout 1;", #""auth_http_timeout" directive is duplicate"#),
        ("auth_http_header A;", #"invalid number of arguments in "auth_http_header" directive"#),
        ("auth_http_pass_client_cert 1;", #"invalid value "1" in "auth_http_pass_client_cert" directive, it must be "on" or "off""#),
        ("auth_http_pass_client_cert on; auth_http_variables off;", "ok"),
        ("auth_http_variables on;", "ok"), ("auth_http_header A $nothing;", "ok"), ("auth_http_fail_timeout 5s;", "ok"),
        ("auth_http_fail_timeout x;", #""auth_http_fail_timeout" directive invalid value"#),
        ("auth_http_variables on; auth_http_header A $nothing;", #"unknown "nothing" variable"#),
        ("auth_http_variables on; auth_http_header A a$;", "invalid variable name"),
        ("auth_http_variables on; auth_http_header A ${};", "invalid variable name"),
        ("auth_http_variables on; auth_http_header A ${remote_addr;", #"the closing bracket in "remote_addr" variable is missing"#),
        ("auth_http_variables on; auth_http_header A $remote_addrs;", #"unknown "remote_addrs" variable"#),
    ])
    func `what is no value is refused`(_ directives: String, _ message: String) {
        #expect(Self.schema.refusal(directives, in: .mail) == message)
        #expect(Self.schema.refusal(directives, in: .server) == message)
    }
}
