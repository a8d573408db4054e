import Configuration
import TestSupport
import Testing

@testable import TLS

private let schema = Schema(groups: [TLSSettings.self])

@Suite struct TLSSettingsTests {
    @Test func `TLS with clients has nginx's defaults`() throws {
        let settings = try schema.settings("", in: .server)[TLSSettings.self]
        #expect(settings.protocols == [.tls12, .tls13] && settings.ciphers == "HIGH:!aNULL:!MD5" && settings.curves == "auto")
        #expect(settings.builtinSessionCache == .pretended && settings.sessionZone == nil && settings.sessionTimeout == .seconds(300))
        #expect(settings.sendsSessionTickets && settings.clientVerification == .off && settings.verificationDepth == 1)
        #expect(settings.certificates.isEmpty && !settings.prefersServerCiphers)
    }

    @Test func `files are beside the main file, and certificates may stand in it`() throws {
        let settings = try schema.settings(
            """
            ssl_certificate a.pem; ssl_certificate /b.pem; ssl_certificate data:PEM; ssl_certificate_key k; \
            ssl_dhparam d; ssl_client_certificate c; ssl_trusted_certificate /t; ssl_crl r; \
            ssl_session_ticket_key x; ssl_session_ticket_key /y;
            """, in: .mail)[TLSSettings.self]
        #expect(settings.certificates == [.file("/etc/martlet/a.pem"), .file("/b.pem"), .data(Array("PEM".utf8))])
        #expect(settings.certificateKeys == [.file("/etc/martlet/k")])
        #expect(settings.dhParametersFile == "/etc/martlet/d" && settings.clientCertificateFile == "/etc/martlet/c")
        #expect(settings.trustedCertificateFile == "/t" && settings.revocationFile == "/etc/martlet/r")
        #expect(settings.sessionTicketKeyFiles == ["/etc/martlet/x", "/y"])
    }

    @Test func `the other directives set their properties`() throws {
        let settings = try schema.settings(
            """
            ssl_protocols TLSv1.3 tlsv1; ssl_ciphers X; ssl_ecdh_curve X25519:prime256v1; ssl_prefer_server_ciphers on; \
            ssl_session_timeout 1d; ssl_session_tickets off; ssl_verify_client optional_no_ca; ssl_verify_depth 3; \
            ssl_certificate_compression on; ssl_conf_command Options A; ssl_conf_command B C; ssl off;
            """, in: .mail)[TLSSettings.self]
        #expect(settings.protocols == [.tls1, .tls13] && settings.ciphers == "X" && settings.curves == "X25519:prime256v1")
        #expect(settings.prefersServerCiphers && settings.sessionTimeout == .seconds(86400) && !settings.sendsSessionTickets)
        #expect(settings.clientVerification == .optionalWithoutAuthority && settings.verificationDepth == 3)
        #expect(settings.openSSLCommands == [NamedValue(name: "Options", value: "A"), NamedValue(name: "B", value: "C")])
    }

    @Test func `certificates and keys are inherited each by itself`() throws {
        let settings = try schema.settings(
            mail: "ssl_certificate /a; ssl_certificate_key /k;", server: "ssl_certificate /b; ssl_certificate /c;")[TLSSettings.self]
        #expect(settings.certificates == [.file("/b"), .file("/c")] && settings.certificateKeys == [.file("/k")])
    }

    @Test(arguments: [
        ("ssl_certificate engine:e:1;", #""ssl_certificate engine:e:1" is not supported by this version of martlet"#),
        ("ssl_certificate_key store:u;", #""ssl_certificate_key store:u" is not supported by this version of martlet"#),
        ("ssl_password_file /dev/null; ssl_password_file /dev/null;", #""ssl_password_file" directive is duplicate"#),
        ("ssl_password_file a;", #"open() "/etc/martlet/a" failed (2: No such file or directory)"#),
        ("ssl_protocols TLSv1.4;", #"invalid value "TLSv1.4""#),
        ("ssl_prefer_server_ciphers 1;", #"invalid value "1" in "ssl_prefer_server_ciphers" directive, it must be "on" or "off""#),
        ("ssl_session_timeout 1ms;", #""ssl_session_timeout" directive invalid value"#),
        ("ssl_session_tickets 1;", #"invalid value "1" in "ssl_session_tickets" directive, it must be "on" or "off""#),
        ("ssl_verify_client maybe;", #"invalid value "maybe""#),
        ("ssl_verify_depth x;", #""ssl_verify_depth" directive invalid number"#),
        ("ssl_conf_command A;", #"invalid number of arguments in "ssl_conf_command" directive"#),
        ("ssl_ciphers a; ssl_ciphers b;", #""ssl_ciphers" directive is duplicate"#),
        ("ssl maybe;", #"invalid value "maybe" in "ssl" directive, it must be "on" or "off""#),
    ])
    func `what is no value, or has no effect yet, is refused`(_ directives: String, _ message: String) {
        #expect(schema.refusal(directives, in: .mail) == message)
        #expect(schema.refusal(directives, in: .server) == message)
    }

    @Test func `a protocol given twice and ssl as a directive are warned of`() {
        #expect(schema.warnings("ssl_protocols TLSv1.2 TLSv1.2;", in: .mail) == [#"duplicate value "TLSv1.2""#])
        #expect(
            schema.warnings("ssl off;", in: .mail)
                == [#"the "ssl" directive is deprecated, use the "listen ... ssl" directive instead"#])
    }
}

@Suite struct SessionCacheTests {
    @Test(arguments: [
        ("none", BuiltinSessionCache.pretended, SessionZone?.none),
        ("off", .off, nil),
        ("builtin", .sessions(nil), nil),
        ("builtin:1000", .sessions(1000), nil),
        ("shared:SSL:10m", .replacedByZone, SessionZone(name: "SSL", byteCount: 10 << 20)),
        ("shared:S:32768", .replacedByZone, SessionZone(name: "S", byteCount: 32768)),
        ("builtin:5 shared:S:1m", .sessions(5), SessionZone(name: "S", byteCount: 1 << 20)),
        ("shared:S:1m builtin", .sessions(nil), SessionZone(name: "S", byteCount: 1 << 20)),
    ])
    func `sessions are kept in each worker, in a zone of all, or in neither`(
        _ words: String, _ builtin: BuiltinSessionCache, _ zone: SessionZone?
    ) throws {
        let settings = try schema.settings("ssl_session_cache \(words);", in: .server)[TLSSettings.self]
        #expect(settings.builtinSessionCache == builtin && settings.sessionZone == zone)
    }

    @Test func `the two parts are inherited each by itself`() throws {
        let mail = "ssl_session_cache shared:S:1m;"
        let settings = try schema.settings(mail: mail, server: "ssl_session_cache builtin:3;")[TLSSettings.self]
        #expect(settings.builtinSessionCache == .sessions(3) && settings.sessionZone == SessionZone(name: "S", byteCount: 1 << 20))
        let inherited = try schema.settings(mail: mail, server: "")[TLSSettings.self]
        #expect(inherited.builtinSessionCache == .replacedByZone && inherited.sessionZone?.name == "S")
    }

    @Test(arguments: [
        ("on", #"invalid session cache "on""#), ("OFF", #"invalid session cache "OFF""#),
        ("builtin:x", #"invalid session cache "builtin:x""#),
        ("shared:S", #"invalid session cache "shared:S""#), ("shared::1m", #"invalid session cache "shared::1m""#),
        ("shared:S:", #"invalid session cache "shared:S:""#), ("shared:S:1g", #"invalid session cache "shared:S:1g""#),
        ("shared:S:32767", #"session cache "shared:S:32767" is too small"#),
        ("off none off", #"invalid number of arguments in "ssl_session_cache" directive"#),
    ])
    func `what is no cache is refused in nginx's words`(_ words: String, _ message: String) {
        #expect(schema.refusal("ssl_session_cache \(words);", in: .server) == message)
    }
}

@Suite struct TLSClientSettingsTests {
    private static let legs = Schema(groups: [TLSClientSettings<UpstreamLeg>.self, TLSClientSettings<AuthServerLeg>.self])

    @Test func `each leg has the same directives under its own word`() throws {
        func file(_ leg: String) -> String {
            """
            \(leg)_verify on; \(leg)_verify_depth 2; \(leg)_trusted_certificate t; \(leg)_crl /r; \(leg)_name n; \
            \(leg)_server_name on; \(leg)_certificate c; \(leg)_certificate_key data:K; \(leg)_password_file p; \
            \(leg)_protocols TLSv1.3; \(leg)_ciphers A; \(leg)_conf_command B C; \(leg)_session_reuse off;
            """
        }
        let settings = try Self.legs.settings(file("proxy_ssl") + file("auth_http_ssl"), in: .server)
        check(settings[TLSClientSettings<UpstreamLeg>.self])
        check(settings[TLSClientSettings<AuthServerLeg>.self])
    }

    private func check<Leg>(_ settings: TLSClientSettings<Leg>) {
        #expect(settings.verifies && settings.verificationDepth == 2 && settings.sendsName == true && settings.name == "n")
        #expect(settings.trustedCertificateFile == "/etc/martlet/t" && settings.revocationFile == "/r")
        #expect(settings.certificate == .file("/etc/martlet/c") && settings.certificateKey == .data(Array("K".utf8)))
        #expect(settings.passwordFile == "/etc/martlet/p" && settings.protocols == [.tls13] && settings.ciphers == "A")
        #expect(settings.openSSLCommands == [NamedValue(name: "B", value: "C")] && !settings.resumesSessions)
    }

    @Test func `one leg's settings are not the other's, and a server inherits them`() throws {
        let settings = try Self.legs.settings(mail: "proxy_ssl_name outer;", server: "proxy_ssl_verify on;")
        let upstream = settings[TLSClientSettings<UpstreamLeg>.self]
        #expect(upstream.name == "outer" && upstream.verifies)
        let authServer = settings[TLSClientSettings<AuthServerLeg>.self]
        #expect(authServer.name == nil && !authServer.verifies && authServer.resumesSessions)
    }

    @Test(arguments: [
        ("proxy_ssl_verify maybe;", #"invalid value "maybe" in "proxy_ssl_verify" directive, it must be "on" or "off""#),
        ("auth_http_ssl_verify_depth x;", #""auth_http_ssl_verify_depth" directive invalid number"#),
        ("proxy_ssl_protocols TLS;", #"invalid value "TLS""#),
        ("proxy_ssl_certificate a; proxy_ssl_certificate b;", #""proxy_ssl_certificate" directive is duplicate"#),
        ("proxy_ssl_session_reuse 1;", #"invalid value "1" in "proxy_ssl_session_reuse" directive, it must be "on" or "off""#),
    ])
    func `what is no value is refused`(_ directives: String, _ message: String) {
        #expect(Self.legs.refusal(directives, in: .server) == message)
    }
}
