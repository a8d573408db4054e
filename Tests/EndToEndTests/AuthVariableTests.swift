import TestSupport
import Testing

/// What headers of one's own may tell the auth server of the session.
@Suite(.ownWorkspace) struct AuthVariableTests {
    private static let header = #"auth_http_header X-Session "$protocol $remote_addr:$remote_port ${server_addr}:${server_port}";"#
    private static let tls = #"auth_http_header X-TLS "[$ssl_protocol $ssl_cipher $ssl_server_name]";"#
    private static let proxied = #"auth_http_header X-Proxy "[$proxy_protocol_addr$proxy_protocol_port$proxy_protocol_server_addr$proxy_protocol_server_port]";"#

    @Test func `variables are told where the file says so, and sent as they are written where it does not`() throws {
        for (settings, isOn) in [("", false), ("auth_http_variables off;", false), ("auth_http_variables on;", true)] {
            let auth = try StubAuthServer(accepting: try StubServer.imap())
            let proxy = try MailServer(.imap, asking: auth, Self.header + Self.tls + Self.proxied + settings)
            let client = try proxy.client()
            try client.converse(Speech.imap.login() + Speech.imap.welcome)
            let question = try auth.question()
            #expect(
                question["X-Session"]
                    == (isOn
                        ? "imap 127.0.0.1:\(client.socket.port) 127.0.0.1:\(proxy.port)"
                        : "$protocol $remote_addr:$remote_port ${server_addr}:${server_port}"))
            #expect(question["X-TLS"] == (isOn ? "[  ]" : "[$ssl_protocol $ssl_cipher $ssl_server_name]"))
            if isOn { #expect(question["X-Proxy"] == "[]") }
        }
    }

    @Test func `what the client has agreed upon by TLS is told, the name that it gave without a way to add a header`() throws {
        let proxy = try TLSServer(Self.tls + "auth_http_variables on;")
        _ = try proxy.loggedInClient(.imap, .implicit, TLSOrder(.tls13, serverName: "mail.example"))
        #expect(try proxy.auth.question()["X-TLS"] == "[TLSv1.3 TLS_AES_256_GCM_SHA384 mail.example]")
    }

    @Test func `what a PROXY header has told is told, and who the client is then`() throws {
        let upstream = try StubServer.smtp()
        let auth = try StubAuthServer(accepting: upstream)
        let names = try StubNameServer {
            switch $0.name {
            case "7.2.0.192.in-addr.arpa": .records([.pointer("mx.example")])
            default: $0.type == "A" ? .records([.address("192.0.2.7")]) : .hostNotFound
            }
        }
        let port = try Ports.free()
        let server = try ServerUnderTest(
            mail: """
                server {
                    listen 127.0.0.1:\(port) proxy_protocol;
                    protocol smtp;
                    set_real_ip_from 127.0.0.1;
                    resolver \(names.address);
                    auth_http \(auth.url);
                    auth_http_variables on;
                    \(Self.header)
                    auth_http_header X-Proxy "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";
                }
                """, until: .connects)
        defer { _ = server }
        let client = try LineClient(port)
        try client.send("PROXY TCP4 192.0.2.7 198.51.100.1 4321 25\r\n")
        try client.converse(Speech.smtp.login() + Speech.smtp.welcome)
        let question = try auth.question()
        #expect(question["X-Session"] == "smtp 192.0.2.7:4321 127.0.0.1:\(port)")
        #expect(question["X-Proxy"] == "192.0.2.7 4321 198.51.100.1 25")
        #expect(question["Client-Host"] == "mx.example")
        #expect(try upstream.session().notes["command"].contains { $0.contains("ADDR=192.0.2.7") && $0.contains("NAME=mx.example") })
    }
}
