import Foundation
import TestSupport
import Testing

/// How TLS begins with an upstream: the words of `proxy_ssl` that have it.
enum UpstreamWay: String, CaseIterable, Sendable {
    case on, starttls

    func tls(_ order: TLSOrder) -> UpstreamTLS { self == .on ? .implicit(order) : .startTLS(order) }
}

/// A certificate that a server shows, what the proxy is told to demand of it, and what the log says of that.
struct Showing: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let certificate: Certificates.Name
    /// As `verify` makes them, and these. LEG is the word that the leg's directives begin with.
    var settings = ""
    /// Or another authority is trusted than the certificate's.
    var isAuthorityKnown = true
    /// How the reason in the log ends; nil where the certificate is good.
    var fault: String?

    func directives(_ leg: String) throws -> String {
        let certificates = try Certificates.shared()
        let authority = isAuthorityKnown ? certificates.authority : certificates[.stranger].path
        return "LEG_verify on; LEG_trusted_certificate \(authority); \(settings)"
            .replacingOccurrences(of: "CRL", with: certificates.revocations).replacingOccurrences(of: "LEG", with: leg)
    }

    static let all = [
        Showing(testDescription: "good", certificate: .ecdsa),
        Showing(testDescription: "good for a name that is set", certificate: .other, settings: "LEG_name other.test;"),
        Showing(testDescription: "good by the list of revoked ones", certificate: .rsa, settings: "LEG_crl CRL;"),
        Showing(
            testDescription: "expired", certificate: .outdated,
            fault: "SSL certificate verify error: (10:certificate has expired)"),
        Showing(
            testDescription: "for another name", certificate: .other, fault: "SSL certificate does not match \"127.0.0.1\""),
        Showing(
            testDescription: "not for the name that is set", certificate: .ecdsa, settings: "LEG_name other.test;",
            fault: "SSL certificate does not match \"other.test\""),
        Showing(
            testDescription: "of an unknown authority", certificate: .ecdsa, isAuthorityKnown: false,
            fault: "SSL certificate verify error: (20:unable to get local issuer certificate)"),
        Showing(
            testDescription: "of nobody", certificate: .stranger, settings: "LEG_name stranger;",
            fault: "SSL certificate verify error: (18:self-signed certificate)"),
        Showing(
            testDescription: "revoked", certificate: .revokedClient, settings: "LEG_name revoked; LEG_crl CRL;",
            fault: "SSL certificate verify error: (23:certificate revoked)"),
    ]
}

/// TLS with upstreams (`proxy_ssl`), which nginx's mail proxy lacks.
@Suite(.ownWorkspace) struct TLSUpstreamTests {
    private static func order(_ name: Certificates.Name = .ecdsa) throws -> TLSOrder { .server(try Certificates.shared()[name]) }

    private static func upstream(
        _ speech: Speech, _ way: UpstreamWay, _ order: TLSOrder? = nil, _ replies: [UpstreamStep: UpstreamReply] = [:],
        delivery: Delivery = .whole
    ) throws -> StubServer {
        try speech.upstream(UpstreamManner(replies, delivery: delivery, tls: way.tls(try order ?? Self.order())))
    }

    private static let verify = Showing.all[0]

    /// Makes AUTH follow where the client's protocol would else say nothing secret.
    private static func settings(_ speech: Speech) -> String { speech == .smtp ? "proxy_smtp_auth on; xclient off;" : "" }

    // MARK: Logins

    @Test(arguments: Speech.allCases, UpstreamWay.allCases)
    func `a login goes through TLS, and bytes after it`(_ speech: Speech, _ way: UpstreamWay) throws {
        let upstream = try Self.upstream(speech, way)
        let settings = try "proxy_ssl \(way); \(Self.verify.directives("proxy_ssl")) \(Self.settings(speech))"
        let proxy = try MailServer(speech, accepting: upstream, settings)
        try proxy.client().converse(speech.login() + speech.welcome + UpstreamTests.afterLogin)
        let session = try upstream.session()
        #expect(session.notes["TLS"].count == 1 && session.notes["TLS"][0].hasPrefix("TLSv1.3, "))
        #expect(session.receivedText.contains(speech == .smtp ? "\0user\0secret".base64 : "secret"))
        try proxy.server.awaitLog("client logged in")
    }

    @Test(arguments: Speech.allCases, UpstreamWay.allCases)
    func `proxy_pass goes through TLS too, and a refused client may try again`(_ speech: Speech, _ way: UpstreamWay) throws {
        let upstream = try speech.upstream(UpstreamManner(
            [.login: .text(["imap": "TAG NO", "pop3": "-ERR", "smtp": "535"][speech.rawValue]! + " wrong\r\n")],
            tls: way.tls(try Self.order())))
        let settings = try "proxy_pass 127.0.0.1:\(upstream.port); proxy_ssl \(way); \(Self.verify.directives("proxy_ssl"))"
        let client = try MailServer(speech, settings).client()
        try client.converse(speech.login() + speech.refusal("Authentication failed"))
        let again = speech.login().split(separator: "\n").dropFirst().joined(separator: "\n")
        try client.converse(again + "\n" + speech.refusal("Authentication failed"))
        #expect(upstream.sessions.count == 2)
    }

    @Test func `a name in proxy_pass is what the certificate is held to`() throws {
        let upstream = try Self.upstream(.imap, .on)
        let proxy = try MailServer(
            .imap, "proxy_pass localhost:\(upstream.port); proxy_ssl on; \(try Self.verify.directives("proxy_ssl"))")
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        try proxy.server.awaitLog("upstream SSL certificate does not match \"localhost\"")
    }

    @Test(arguments: Speech.allCases)
    func `replies under TLS may come byte by byte`(_ speech: Speech) throws {
        let upstream = try Self.upstream(speech, .starttls, delivery: .byteByByte)
        try MailServer(speech, accepting: upstream, "proxy_ssl starttls;").client()
            .converse(speech.login() + speech.welcome + UpstreamTests.afterLogin)
    }

    // MARK: Certificates

    @Test(arguments: Showing.all, UpstreamWay.allCases)
    func `a login is made where the certificate is good, and nowhere else`(_ showing: Showing, _ way: UpstreamWay) throws {
        for speech in Speech.allCases {
            let upstream = try Self.upstream(speech, way, try Self.order(showing.certificate))
            let proxy = try MailServer(
                speech, accepting: upstream,
                "proxy_ssl \(way); \(showing.directives("proxy_ssl")) \(Self.settings(speech)) proxy_pass_error_message on;")
            let client = try proxy.client()
            guard let fault = showing.fault else {
                try client.converse(speech.login() + speech.welcome)
                continue
            }
            try client.converse(speech.login() + "S: \(speech.internalError)\nS.")
            let line = try proxy.server.awaitLog("upstream " + fault)
            #expect(line.contains("[error]") && line.contains(" while SSL handshaking to upstream, "))
            let session = try upstream.session()
            try session.awaitEnd()
            #expect(!session.receivedText.contains("secret") && !session.receivedText.contains("\0user\0secret".base64))
        }
    }

    @Test(arguments: UpstreamWay.allCases) func `without proxy_ssl_verify any certificate will do`(_ way: UpstreamWay) throws {
        let upstream = try Self.upstream(.imap, way, try Self.order(.outdated))
        try MailServer(.imap, accepting: upstream, "proxy_ssl \(way);").client().converse(Speech.imap.login() + Speech.imap.welcome)
    }

    @Test func `an upstream may ask for our certificate`() throws {
        let certificates = try Certificates.shared()
        let order = TLSOrder.server(certificates[.ecdsa], clientAuthority: certificates.authority)
        let own = "proxy_ssl_certificate \(certificates[.ecdsa].path); proxy_ssl_certificate_key \(certificates.lockedKey); proxy_ssl_password_file \(certificates.passphrases);"
        try MailServer(.imap, accepting: try Self.upstream(.imap, .on, order), "proxy_ssl on; \(own)").client()
            .converse(Speech.imap.login() + Speech.imap.welcome)
        let proxy = try MailServer(.imap, accepting: try Self.upstream(.imap, .on, order), "proxy_ssl on;")
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        try proxy.server.awaitLog("certificate required")
    }

    @Test func `the upstream is told a name where it shall, and the protocol`() throws {
        func noted(_ settings: String) throws -> (name: [String], tls: String) {
            let upstream = try Self.upstream(.imap, .on, .server(try Certificates.shared()[.ecdsa], applicationProtocols: ["imap"]))
            try MailServer(.imap, accepting: upstream, "proxy_ssl on; \(settings)").client()
                .converse(Speech.imap.login() + Speech.imap.welcome)
            let notes = try upstream.session().notes
            return (notes["server name"], notes["TLS"].joined())
        }
        #expect(try noted("").name == [""])
        #expect(try noted("proxy_ssl_server_name on;").name == [""])
        #expect(try noted("proxy_ssl_name mail.test;").name == [""])
        #expect(try noted("proxy_ssl_server_name on; proxy_ssl_name mail.test;").name == ["mail.test"])
        #expect(try noted("").tls.contains(", imap"))
    }

    @Test(arguments: [
        ("proxy_ssl_protocols TLSv1.2;", "TLSv1.2, "), ("proxy_ssl_conf_command MaxProtocol TLSv1.2;", "TLSv1.2, "),
        ("proxy_ssl_protocols TLSv1.2; proxy_ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;", "TLSv1.2, ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;", "TLSv1.3, TLS_AES_128_GCM_SHA256"),
    ])
    func `versions and ciphers are those of the directives`(_ settings: String, _ start: String) throws {
        let upstream = try Self.upstream(.imap, .on)
        try MailServer(.imap, accepting: upstream, "proxy_ssl on; \(settings)").client()
            .converse(Speech.imap.login() + Speech.imap.welcome)
        #expect(try upstream.session().notes["TLS"].joined().hasPrefix(start))
    }

    // MARK: Auth-SSL

    static let words: [(said: String?, configured: String, way: UpstreamWay?)] = [
        (nil, "on", .on), (nil, "starttls", .starttls), (nil, "off", nil), ("on", "off", .on), ("starttls", "off", .starttls),
        ("on", "starttls", .on), ("off", "on", nil), ("off", "starttls", nil),
    ]

    @Test(arguments: words)
    func `the auth server may say for a login whether TLS is spoken`(_ case: (said: String?, configured: String, way: UpstreamWay?)) throws {
        for speech in Speech.allCases {
            let upstream = try speech.upstream(UpstreamManner(tls: try `case`.way.map { $0.tls(try Self.order()) }))
            let auth = try StubAuthServer { _ in
                .headers(
                    ["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: \(upstream.port)"]
                        + (`case`.said.map { ["Auth-SSL: \($0)"] } ?? []))
            }
            try MailServer(speech, asking: auth, "proxy_ssl \(`case`.configured);").client()
                .converse(speech.login() + speech.welcome)
            #expect(try upstream.session().notes["TLS"].count == (`case`.way == nil ? 0 : 1))
        }
    }

    @Test func `a word that is none is the auth server's failure`() throws {
        let upstream = try StubServer.imap()
        let auth = try StubAuthServer(accepting: upstream, "Auth-SSL: maybe")
        let proxy = try MailServer(.imap, asking: auth)
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        try proxy.server.awaitLog("sent invalid upstream security:\"maybe\"")
        #expect(upstream.sessions.isEmpty)
    }

    // MARK: Sessions

    @Test(arguments: [("", [false, true, true]), ("proxy_ssl_session_reuse off;", [false, false, false])])
    func `an upstream that is known is spoken to by the session of before`(_ settings: String, _ resumed: [Bool]) throws {
        for version in [TLSOrder.Version.tls12, .tls13] {
            let upstream = try Self.upstream(.imap, .on, .server(try Certificates.shared()[.ecdsa], version))
            let proxy = try MailServer(
                .imap, accepting: upstream, "proxy_ssl on; \(try Self.verify.directives("proxy_ssl")) \(settings)")
            for _ in resumed { try proxy.client().converse(Speech.imap.login() + Speech.imap.welcome) }
            #expect(upstream.sessions.map { $0.notes["TLS"].joined().hasSuffix("resumed") } == resumed, "\(version)")
        }
    }

    // MARK: The relay

    @Test(arguments: UpstreamWay.allCases) func `25 MB flow both ways at once, byte for byte`(_ way: UpstreamWay) throws {
        var random = SeededBytes(seed: 3)
        let block = random.bytes(count: 64 * 1024 + 7)
        var cargo: [UInt8] = []
        for _ in 0..<400 { cargo += block }
        let all = cargo
        let upstream = try StubServer.imap(UpstreamManner(tls: way.tls(try Self.order()), afterLogin: { session in
            onNewThread { try? session.send(all) }
            try session.hang()
        }))
        let proxy = try MailServer(.imap, accepting: upstream, "proxy_ssl \(way);")
        let client = try proxy.loggedInClient(.imap)
        onNewThread { try? client.socket.send(all, by: .after(.seconds(60))) }
        let received = try client.bytes(all.count, by: .after(.seconds(60)))
        #expect(Data(received) == Data(all))
        let session = try upstream.session()
        try session.awaitReceived(count: all.count, by: .after(.seconds(60)))
        try eventually("all that the client sent", by: .after(.seconds(60))) { Data(session.received.suffix(all.count)) == Data(all) }
    }

    @Test func `what the upstream has said before it goes is delivered`() throws {
        let cargo = [UInt8](repeating: 0x79, count: 1 << 20)
        let upstream = try StubServer.imap(UpstreamManner(tls: .implicit(try Self.order()), afterLogin: { session in
            _ = try session.line()
            try session.send(cargo)
        }))
        let client = try MailServer(.imap, accepting: upstream, "proxy_ssl on;").loggedInClient(.imap)
        try client.send("go\r\n")
        let rest = try client.rest()
        #expect(rest == cargo)
    }

    // MARK: Faults

    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let speech: Speech
        let replies: [UpstreamStep: UpstreamReply]
        let log: String
    }

    static let faults: [Fault] = [
        Fault(
            testDescription: "IMAP: not offered", speech: .imap,
            replies: [.greeting: .text("* OK [CAPABILITY IMAP4rev1] hi\r\n")], log: "upstream does not offer STARTTLS"),
        Fault(
            testDescription: "SMTP: not offered", speech: .smtp, replies: [.hello: .text("250-upstream\r\n250 AUTH PLAIN\r\n")],
            log: "upstream does not offer STARTTLS"),
        Fault(
            testDescription: "IMAP: refused", speech: .imap, replies: [.startTLS: .text("TAG NO sorry\r\n")],
            log: "upstream refused STARTTLS: \"aS NO sorry\""),
        Fault(
            testDescription: "POP3: refused", speech: .pop3, replies: [.startTLS: .text("-ERR sorry\r\n")],
            log: "upstream refused STARTTLS: \"-ERR sorry\""),
        Fault(
            testDescription: "SMTP: refused", speech: .smtp, replies: [.startTLS: .text("454 4.7.0 sorry\r\n")],
            log: "upstream refused STARTTLS: \"454 4.7.0 sorry\""),
        Fault(
            testDescription: "IMAP: authenticated already", speech: .imap, replies: [.greeting: .text("* PREAUTH hi\r\n")],
            log: "upstream sent invalid response before STARTTLS: \"* PREAUTH hi\""),
        Fault(
            testDescription: "POP3: no greeting", speech: .pop3, replies: [.greeting: .text("-ERR go away\r\n")],
            log: "upstream sent invalid response before STARTTLS: \"-ERR go away\""),
    ]

    /// Never plaintext instead, and never a word from the clear to the client.
    @Test(arguments: faults) func `an upstream with which TLS cannot begin is an internal error`(_ fault: Fault) throws {
        let upstream = try Self.upstream(fault.speech, .starttls, nil, fault.replies)
        let proxy = try MailServer(
            fault.speech, accepting: upstream, "proxy_ssl starttls; proxy_pass_error_message on; \(Self.settings(fault.speech))")
        try proxy.client().converse(fault.speech.login() + "S: \(fault.speech.internalError)\nS.")
        #expect(try proxy.server.awaitLog(fault.log).contains("[error]"))
        let session = try upstream.session()
        try session.awaitEnd()
        #expect(!session.receivedText.contains("secret") && !session.receivedText.contains("AUTH"))
    }

    /// What is put behind the reply would be taken for the upstream's word if it outlived the switch.
    static let injections: [(speech: Speech, reply: String, injected: String)] = [
        (.imap, "TAG OK begin\r\n", "a OK [INJECTED] logged in\r\n"), (.pop3, "+OK begin\r\n", "+OK injected\r\n+OK injected\r\n"),
        (.smtp, "220 begin\r\n", "250 injected\r\n235 injected\r\n"),
    ]

    @Test(arguments: injections)
    func `what is injected behind the reply to STARTTLS is obeyed at no split of the bytes`(
        _ case: (speech: Speech, reply: String, injected: String)
    ) throws {
        let speech = `case`.speech
        let text = `case`.reply + `case`.injected
        let cuts = [Delivery.whole, .byteByByte] + (1..<text.utf8.count).map { Delivery.splitAt($0) }
        let next = Counter()
        let upstreams = try cuts.map { try Self.upstream(speech, .starttls, nil, [.startTLS: .text(text)], delivery: $0) }
        let auth = try StubAuthServer { _ in .accept(.port(upstreams[Int(next.next()) - 1].port)) }
        let proxy = try MailServer(speech, asking: auth, "proxy_ssl starttls; \(Self.settings(speech))")
        for _ in cuts { try proxy.client().converse(speech.login() + "S: \(speech.internalError)\nS.") }
        for upstream in upstreams { #expect(try !upstream.session().receivedText.contains("secret")) }
        #expect(proxy.server.log.contains("upstream sent plaintext after its reply to STARTTLS"))
        #expect(!proxy.server.log.contains("client logged in"))
    }

    /// What comes instead of a server's part in the handshake.
    static let misplaced: [(String, [UInt8])] = [
        ("IMAP", Array("* OK IMAP4 ready\r\n".utf8)), ("HTTP", Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8)),
        ("zeros", [UInt8](repeating: 0, count: 100)), ("an alert", [0x15, 3, 3, 0, 2, 2, 40]),
        ("a record too long", [0x16, 3, 3, 0xff, 0xff] + [UInt8](repeating: 1, count: 300)),
        ("a message of a wrong type", [0x16, 3, 3, 0, 8, 9, 0, 0, 4, 1, 2, 3, 4]),
        ("half a message and the end", [0x16, 3, 3, 0, 100, 2, 0, 0, 96, 3, 3]), ("nothing but the end", []),
    ]

    /// An upstream that lets TLS begin, and then does this.
    private func brokenUpstream(_ way: UpstreamWay, _ body: @escaping StubServer.Script) throws -> StubServer {
        try StubServer { session in
            if way == .starttls {
                try session.send("* OK ready\r\n")
                let tag = try session.text()?.split(separator: " ").first ?? ""
                try session.send("\(tag) OK begin\r\n")
            }
            _ = try session.some()
            try body(session)
        }
    }

    @Test(arguments: misplaced, UpstreamWay.allCases)
    func `what is no handshake is an internal error`(_ case: (name: String, bytes: [UInt8]), _ way: UpstreamWay) throws {
        let upstream = try brokenUpstream(way) { try $0.send(`case`.bytes) }
        let proxy = try MailServer(.imap, accepting: upstream, "proxy_ssl \(way);")
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        let line = try proxy.server.awaitLog(" while SSL handshaking to upstream, client: 127.0.0.1")
        #expect(line.contains("[error]"), "\(line)")
        #expect(line.contains("SSL_do_handshake() failed (SSL: ") || line.contains("peer closed connection in SSL handshake"), "\(line)")
    }

    @Test(arguments: [[], [0x16], [0x16, 3, 3, 0, 100, 2, 0, 0, 96, 3, 3]] as [[UInt8]], UpstreamWay.allCases)
    func `an upstream that is silent in the handshake is an internal error after timeout`(_ bytes: [UInt8], _ way: UpstreamWay) throws {
        let upstream = try brokenUpstream(way) {
            try $0.send(bytes)
            try $0.hang()
        }
        // Long enough for a busy machine to come as far as the handshake.
        let proxy = try MailServer(.imap, accepting: upstream, "proxy_ssl \(way); timeout 3s;")
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        try proxy.server.awaitLog("upstream timed out (110: Connection timed out) while SSL handshaking to upstream")
    }

    @Test func `an upstream that speaks in the clear where TLS is due is not spoken to in the clear`() throws {
        let upstream = try StubServer.imap()
        let proxy = try MailServer(.imap, accepting: upstream, "proxy_ssl on;")
        try proxy.client().converse(Speech.imap.login() + "S: * BAD internal server error\nS.")
        try proxy.server.awaitLog("wrong version number")
        #expect(try !upstream.session().receivedText.contains("secret"))
    }

    // MARK: Configuration

    @Test(arguments: [
        ("proxy_ssl_verify on;", "no proxy_ssl_trusted_certificate for proxy_ssl_verify"),
        ("proxy_ssl_certificate /nowhere;", "no \"proxy_ssl_certificate_key\" is defined for certificate \"/nowhere\""),
        ("proxy_ssl_verify on; proxy_ssl_trusted_certificate nowhere;", "nowhere\": BIO_new_file() failed"),
        ("proxy_ssl maybe;", "invalid value \"maybe\""),
    ])
    func `what is missing stops the start`(_ settings: String, _ message: String) throws {
        let workspace = try Workspace.here()
        try workspace.write(
            ServerUnderTest.configuration(
                mail: "server { listen 127.0.0.1:\(try Ports.free()); protocol imap; auth_http 127.0.0.1:1; \(settings) }"),
            to: "server.conf")
        let result = try run([ProgramUnderTest.path, "-t", "-p", workspace.path, "-c", "server.conf", "-e", "error.log"])
        #expect(result.status == .code(1))
        #expect(result.standardError.contains("[emerg]") && result.standardError.contains(message), "\(result.standardError)")
    }
}
