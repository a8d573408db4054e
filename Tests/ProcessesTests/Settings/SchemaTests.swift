import Configuration
import Protocols
import Proxy
import TestSupport
import Testing

@testable import Processes

@Suite struct MartletSchemaTests {
    /// Each directive by its name, with the blocks it may stand in.
    private static let blocks = Dictionary(
        martletSchema.directives.map { ($0.name, Set($0.blocks)) }, uniquingKeysWith: { $0.union($1) })

    @Test func `no two rows have the same name in the same block`() {
        for block in Block.allCases {
            let names = martletSchema.directives.filter { $0.blocks.contains(block) }.map(\.name)
            #expect(Set(names).count == names.count)
        }
    }

    @Test func `every mail protocol's directives are known`() {
        #expect(!mailProtocols.isEmpty)
        for settings in mailProtocols.map({ $0.settings }) {
            for name in names(of: settings) { #expect(Self.blocks[name] == [.mail, .server]) }
        }
    }

    private func names<Group: SettingsGroup>(of type: Group.Type) -> [String] { type.directives.map(\.name) }

    @Test func `a whole nginx is read past what a mail proxy has no use for, with a warning each`() throws {
        let loaded = try martletSchema.load(
            """
            load_module "modules/ngx_mail_module.so";
            pcre_jit on;
            events { worker_connections 1024; multi_accept on; }
            http { server { listen 80; location / { if ($x) { return 403; } } } }
            mail {
                server_name mail.example;
                auth_http http://127.0.0.1:8000/auth/email;
                proxy on;
                ssl_certificate /certs/fullchain.pem;
                ssl_certificate_key /certs/privkey.pem;
                ssl_session_cache shared:SSLMAIL:3m;
                ssl_protocols TLSv1.2 TLSv1.3;
                set_real_ip_from 10.0.0.0/8;
                smtp_capabilities PIPELINING "SIZE 50000000" ETRN;
                server { listen 10025; protocol smtp; smtp_auth none; auth_http_header Auth-Port 10025; starttls off; }
                server { listen 143; imap_auth plain; proxy_protocol off; auth_http_header Client-Port $remote_port; }
            }
            stream { server { listen 4190; proxy_pass 127.0.0.1:4190; } }
            """)
        #expect(loaded.servers.map { $0.settings[ListenSettings.self].protocolName } == ["smtp", "imap"])
        #expect(
            loaded.warnings == [
                #""load_module" directive has nothing to load, it is read past in /etc/martlet/m.conf:1"#,
                #""http" block is not for a mail proxy, it is read past in /etc/martlet/m.conf:4"#,
                #""stream" block is not for a mail proxy, it is read past in /etc/martlet/m.conf:18"#,
            ])
    }

    /// nginx finishes all servers' listening before it looks at any server's route.
    @Test func `a fault of an earlier group in a later server comes first`() {
        let text = "events {} mail { server { listen 143; } server { listen 1; auth_http 127.0.0.1; } }"
        #expect(martletSchema.refusal(of: text) == "unknown mail protocol for server")
    }

    @Test(arguments: [
        ("mail { server { listen 143; } }", #"no "auth_http" is defined for server"#),
        ("mail { }", #"no "events" section in configuration"#),
        ("mail { events { } }", #""events" directive is not allowed here"#),
        ("mail { worker_processes 1; }", #""worker_processes" directive is not allowed here"#),
        ("listen 143;", #""listen" directive is not allowed here"#),
        ("mail { listen 143; }", #""listen" directive is not allowed here"#),
        ("events { } mail { } mail { }", #""mail" directive is duplicate"#),
        ("zm_lookup { }", #"unknown directive "zm_lookup""#),
        ("events { } mail { imap_id a; }", #"unknown directive "imap_id""#),
    ])
    func `a file that is none is refused in nginx's words`(_ text: String, _ message: String) {
        #expect(martletSchema.refusal(of: text) == message)
    }

    /// OpenSSL's engines and stores have no part in this: a key that is there is not looked for elsewhere.
    @Test(arguments: ["engine:pkcs11:key", "store:pkcs11:key"])
    func `a key that is in no file stops the start`(_ key: String) {
        #expect(
            martletSchema.refusal(of: "events {} mail { auth_http 127.0.0.1; ssl_certificate_key \(key); server { listen 25; } }")
                == "\"ssl_certificate_key \(key)\" is not supported by this version of martlet")
    }
}
