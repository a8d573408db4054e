/// SMTP, by what the upstream is to know of the client.
extension Speech {
    /// The proxy logs in with the client's password: `proxy_smtp_auth on`.
    static let smtp = submission("smtp", upstreamLogin: [upstreamAuth])

    /// The upstream trusts the proxy, which tells it of the client: `xclient on`.
    static let xclient = submission("xclient", upstreamLogin: xclientNaming("LOGIN=bench "))

    /// Both at once: told of the client's address, the upstream still asks for the password.
    static let xclientAuth = submission("xclient-auth", upstreamLogin: xclientNaming("") + [upstreamAuth])

    /// Mail from elsewhere, for which nobody logs in: `smtp_auth none`.
    static let xclientMX = speech(
        "xclient-mx",
        authFacts: "Auth-Method: none\r\nAuth-User: \r\nAuth-Pass: \r\n",
        offers: [],
        login: [Exchange("MAIL FROM:<a@client.test>", "250 2.0.0 OK"), Exchange("RCPT TO:<b@bench.test>", "250 2.1.5 welcome")],
        upstreamLogin: xclientNaming("") + [
            Exchange("MAIL FROM:<a@client.test>", "250 2.1.0 go on"), Exchange("RCPT TO:<b@bench.test>", "250 2.1.5 welcome"),
        ])

    private static let upstreamAuth = Exchange("AUTH PLAIN AGJlbmNoAHNlY3JldA==", "235 2.7.0 logged in")

    private static func xclientNaming(_ login: String) -> [Exchange] {
        [
            Exchange("XCLIENT ADDR=127.0.0.1 \(login)NAME=[UNAVAILABLE]", "220 here.test ESMTP"),
            Exchange("EHLO client.test", "250 here.test"),
        ]
    }

    private static func submission(_ name: String, upstreamLogin: [Exchange]) -> Speech {
        speech(
            name, authFacts: "Auth-Method: plain\r\nAuth-User: bench\r\nAuth-Pass: secret\r\n",
            offers: ["AUTH PLAIN LOGIN"],
            login: [Exchange("AUTH PLAIN AGJlbmNoAHNlY3JldA==", "235 2.0.0 OK")],
            upstreamLogin: upstreamLogin)
    }

    private static func speech(
        _ name: String, authFacts: String, offers: [String], login: [Exchange], upstreamLogin: [Exchange]
    ) -> Speech {
        Speech(
            name: name, authName: "smtp", authFacts: authFacts,
            greeting: Array("220 bench.test ESMTP ready\r\n".utf8),
            startTLS: [hello(offers + ["STARTTLS"]), Exchange("STARTTLS", "220 2.0.0 Start TLS")],
            login: [hello(offers)] + login,
            upstreamGreeting: Array("220 here.test ESMTP\r\n".utf8),
            upstreamLogin: [Exchange("EHLO bench.test", "250-here.test\r\n250-XCLIENT ADDR LOGIN NAME\r\n250 AUTH PLAIN")]
                + upstreamLogin,
            noop: Exchange("NOOP", "250 2.0.0 done"),
            logout: Exchange("QUIT", "221 2.0.0 Bye"))
    }

    /// A client's EHLO, and the proxy's name with what it offers.
    private static func hello(_ offers: [String]) -> Exchange {
        let lines = ["bench.test"] + offers
        return Exchange(
            "EHLO client.test", (lines.dropLast().map { "250-\($0)\r\n" } + ["250 \(lines.last!)"]).joined())
    }
}
