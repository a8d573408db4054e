import Configuration
import Protocols
import Testing

@Suite struct IMAPTests {
    private func server(startTLS: StartTLS = .off, _ change: (inout IMAPSettings) -> Void = { _ in }) -> IMAP {
        IMAP(imap: change, policy: DialoguePolicy(serverName: Array("mx.test".utf8), startTLS: startTLS))
    }

    private func capabilities(_ server: IMAP, overTLS: Bool) -> String {
        var dialogue = server.makeClientDialogue(DialogueStart(challenge: 1, time: 2))
        let bytes = Array("a CAPABILITY\r\n".utf8)
        guard case .reply(let lines) = dialogue.receive(bytes.span, overTLS: overTLS).action else { return "" }
        return String(decoding: lines, as: UTF8.self)
    }

    @Test(arguments: [
        (StartTLS.off, false, "IMAP4 IMAP4rev1 UIDPLUS AUTH=PLAIN"),
        (.off, true, "IMAP4 IMAP4rev1 UIDPLUS AUTH=PLAIN"),
        (.on, false, "IMAP4 IMAP4rev1 UIDPLUS AUTH=PLAIN STARTTLS"),
        (.on, true, "IMAP4 IMAP4rev1 UIDPLUS AUTH=PLAIN"),
        (.only, false, "IMAP4 IMAP4rev1 UIDPLUS STARTTLS LOGINDISABLED"),
        (.only, true, "IMAP4 IMAP4rev1 UIDPLUS AUTH=PLAIN"),
    ])
    func `capabilities depend on TLS and starttls`(_ startTLS: StartTLS, _ overTLS: Bool, _ words: String) {
        let line = capabilities(server(startTLS: startTLS), overTLS: overTLS)
        #expect(line == "* CAPABILITY \(words)\r\na OK completed\r\n")
    }

    @Test func `mechanisms are shown in a fixed order behind the words of imap_capabilities`() {
        let server = server {
            $0.auth = ["oauthbearer", "xoauth2", "external", "cram-md5", "login"]
            $0.capabilities = ["IMAP4rev1", "LITERAL+"].map { Array($0.utf8) }
        }
        let words = "IMAP4rev1 LITERAL+ AUTH=LOGIN AUTH=CRAM-MD5 AUTH=EXTERNAL AUTH=XOAUTH2 AUTH=OAUTHBEARER"
        #expect(capabilities(server, overTLS: false) == "* CAPABILITY \(words)\r\na OK completed\r\n")
    }

    @Test func `a server tells what its mechanisms ask of a session`() {
        let plain = server()
        #expect(!plain.usesChallenge)
        #expect(plain.needsAuthServer == [])
        #expect(plain.clientBufferSize == 4096)
        let full = server {
            $0.auth = ["plain", "external", "cram-md5", "xoauth2"]
            $0.clientBuffer = 512
        }
        #expect(full.usesChallenge)
        #expect(full.needsAuthServer == ["imap_auth cram-md5", "imap_auth external"])
        #expect(full.clientBufferSize == 512)
    }

    @Test func `IMAP is known by its word and its ports`() {
        #expect(IMAP.name == "imap")
        #expect(IMAP.wellKnownPorts == [143, 993])
        #expect(mailProtocols.contains { $0.name == "imap" })
    }
}

extension IMAP {
    /// A server of defaults but for what a test changes.
    convenience init(imap change: (inout IMAPSettings) -> Void = { _ in }, policy: DialoguePolicy) {
        var imap = IMAPSettings()
        change(&imap)
        var settings = Settings()
        settings[IMAPSettings.self] = imap
        self.init(settings, policy: policy)
    }
}
