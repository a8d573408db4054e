import Foundation
import TestSupport
import Testing

extension RealServerTests {
    /// Programs of others reach real mailboxes over TLS.
    @Suite struct TLSProgramTests {
        private let user = RealMailServers.user
        private let password = RealMailServers.password

        /// In front of Dovecot and Postfix.
        private func proxy() throws -> TLSServer {
            let real = try RealMailServers.here()
            return try TLSServer(starttls: "only", to: [.imap: real.imap, .pop3: real.pop3, .smtp: real.submission]) {
                $0 == .smtp ? "proxy_smtp_auth on; xclient off;" : ""
            }
        }

        private func message(_ subject: String) throws -> String {
            try Workspace.here().write("From: a@example.org\r\nTo: \(user)\r\nSubject: \(subject)\r\n\r\nhello\r\n", to: "message.eml")
        }

        @Test(arguments: TLSRoute.all)
        func `openssl s_client logs in, and is content with the certificate`(_ route: TLSRoute) throws {
            let proxy = try proxy()
            let goodbye: [Speech: (commands: String, reply: String)] = [
                .imap: ("a LOGIN \(user) \(password)\nb LOGOUT\n", "b OK"), .pop3: ("USER \(user)\nPASS \(password)\nQUIT\n", "Logging out"),
                .smtp: ("AUTH PLAIN \("\0\(user)\0\(password)".base64)\nQUIT\n", "221 2.0.0 Bye"),
            ]
            let (commands, reply) = try #require(goodbye[route.speech])
            let output = try succeed(
                ["openssl", "s_client", "-quiet", "-crlf", "-connect", "127.0.0.1:\(proxy.port(route.speech, route.way))"]
                    + ["-CAfile", try Certificates.shared().authority, "-verify_return_error", "-verify_hostname", "mail.test"]
                    + (route.way == .starttls ? ["-starttls", route.speech.rawValue] : []), input: commands)
            #expect(output.contains(reply), "\(output)")
        }

        @Test(arguments: TLSWay.allCases) func `curl lists, fetches and submits`(_ way: TLSWay) throws {
            let proxy = try proxy()
            func curl(_ speech: Speech, _ path: String, _ more: String...) throws -> String {
                let (port, scheme) = (proxy.port(speech, way), way == .implicit ? "\(speech)s" : "\(speech)")
                return try succeed(
                    ["curl", "-sS", "--ssl-reqd", "--cacert", try Certificates.shared().authority, "--resolve", "mail.test:\(port):127.0.0.1"]
                        + ["-u", "\(user):\(password)"] + more + ["\(scheme)://mail.test:\(port)/\(path)"])
            }
            #expect(try curl(.imap, "").contains("INBOX"))
            _ = try curl(.pop3, "")
            _ = try curl(.smtp, "me", "--mail-from", "a@example.org", "--mail-rcpt", user, "-T", try message("curl \(way)"))
        }

        /// The auth server knows the password of whom the certificate lets in.
        @Test func `curl logs in with its certificate`() throws {
            let (real, certificates) = (try RealMailServers.here(), try Certificates.shared())
            let proxy = try TLSServer(
                "ssl_verify_client on; ssl_client_certificate \(certificates.authority);", starttls: "only",
                to: [.imap: real.imap, .pop3: real.pop3, .smtp: real.submission], accepting: ["Auth-User: \(user)", "Auth-Pass: \(password)"]
            ) { "\($0)_auth external; " + ($0 == .smtp ? "proxy_smtp_auth on; xclient off;" : "") }
            let client = certificates[.client]
            for (index, speech) in Speech.allCases.enumerated() {
                let port = proxy.port(speech, .implicit)
                try succeed(
                    ["curl", "-sS", "--cacert", certificates.authority, "--resolve", "mail.test:\(port):127.0.0.1"]
                        + ["--cert", client.path, "--key", client.key, "-u", "anyone:", "--login-options", "AUTH=EXTERNAL"]
                        + (speech == .smtp ? ["--mail-from", "a@example.org", "--mail-rcpt", user, "-T", try message("external")] : [])
                        + ["\(speech)s://mail.test:\(port)/"])
                let question = try proxy.auth.question(index)
                #expect(question["Auth-Method"] == "external")
                #expect(question["Auth-User"] == "anyone")
                #expect(question["Auth-SSL-Subject"] == "CN=cli ent,O=A B\\, Inc,C=DE")
            }
        }

        @Test(arguments: TLSWay.allCases) func `Python's libraries log in`(_ way: TLSWay) throws {
            let proxy = try proxy()
            let preface = """
                import imaplib, poplib, smtplib, ssl
                context = ssl.create_default_context(cafile="\(try Certificates.shared().authority)")
                user, password, host = "\(user)", "\(password)", "127.0.0.1"
                imap, pop3, smtp = \(Speech.allCases.map { "\(proxy.port($0, way))" }.joined(separator: ", "))

                """
            let program = way == .implicit ? """
                i = imaplib.IMAP4_SSL(host, imap, ssl_context=context)
                p = poplib.POP3_SSL(host, pop3, context=context)
                s = smtplib.SMTP_SSL(host, smtp, context=context)

                """ : """
                i = imaplib.IMAP4(host, imap); i.starttls(context)
                p = poplib.POP3(host, pop3); p.stls(context)
                s = smtplib.SMTP(host, smtp); s.starttls(context=context)

                """
            #expect(try succeed(["python3", "-c", preface + program + """
                print(i.login(user, password)[0], i.select()[0], i.logout()[0])
                print(p.user(user)[:3], p.pass_(password)[:3], p.quit()[:3])
                print(s.login(user, password)[0], s.sendmail("a@example.org", [user], "Subject: python\\r\\n\\r\\nhello\\r\\n"), s.quit()[0])
                """]) == "OK OK BYE\nb'+OK' b'+OK' b'+OK'\n235 {} 221\n")
        }

        @Test(arguments: TLSWay.allCases) func `msmtp submits`(_ way: TLSWay) throws {
            let proxy = try proxy()
            try succeed(
                [
                    "msmtp", "--host=127.0.0.1", "--port=\(proxy.port(.smtp, way))", "--tls=on", "--tls-starttls=\(way == .starttls ? "on" : "off")",
                    "--tls-trust-file=\(try Certificates.shared().authority)", "--tls-host-override=mail.test", "--auth=plain", "--user=\(user)",
                    "--passwordeval=echo \(password)", "--from=a@example.org", user,
                ], input: "Subject: msmtp \(way)\n\nhello\n")
        }

        @Test(arguments: TLSWay.allCases) func `mbsync brings a mailbox home`(_ way: TLSWay) throws {
            let (proxy, workspace, box) = (try proxy(), try Workspace.here(), "mbsync-\(way)-tls")
            let client = try proxy.client(.imap, way)
            try client.converse("C: a LOGIN \(user) \(password)\nS: a OK …\nC: b CREATE \(box)\nS: b OK …")
            try client.send("c APPEND \(box) {30+}\r\nSubject: there\r\n\r\nfrom there\r\n\r\n")
            try client.expect("c OK …")
            try FileManager.default.createDirectory(atPath: workspace.file("mail"), withIntermediateDirectories: true)
            let security = "SSLType \(way == .implicit ? "IMAPS" : "STARTTLS")\nCertificateFile \(try Certificates.shared()[.ecdsa].path)"
            try workspace.writeMbsyncConfiguration(port: proxy.port(.imap, way), security: security, box: box)
            try succeed(["mbsync", "-c", workspace.file("mbsyncrc"), "-a"])
            try succeed(["grep", "-rl", "from there", workspace.file("mail/\(box)")])
        }
    }
}
