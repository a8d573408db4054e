/// A line, and what it is answered with.
struct Exchange: Equatable {
    let line: [UInt8]
    let reply: [UInt8]

    /// - Parameters: both without their last line end.
    init(_ line: String, _ reply: String) {
        self.line = Array("\(line)\r\n".utf8)
        self.reply = Array("\(reply)\r\n".utf8)
    }
}

/// One protocol, as client and upstream speak it: all that is said in a session, word for word.
struct Speech {
    /// As `--protocol` names it.
    let name: String
    /// As the auth server is told it.
    let authName: String
    /// What a client hears first.
    let greeting: [UInt8]
    /// How a client logs in.
    let login: [Exchange]
    /// What upstreams say first.
    let upstreamGreeting: [UInt8]
    /// What upstreams answer to the proxy, in whatever words it logs in.
    let upstreamLogin: [Exchange]
    /// What a client that is logged in asks its upstream.
    let noop: Exchange
    /// The last that it asks: the upstream closes then.
    let logout: Exchange

    static let all = [imap, pop3, smtp, xclient]

    static let imap = Speech(
        name: "imap", authName: "imap",
        greeting: Array("* OK IMAP4 ready\r\n".utf8),
        login: [Exchange("a1 LOGIN bench secret", "a1 OK logged in")],
        upstreamGreeting: Array("* OK IMAP4rev1 here\r\n".utf8),
        upstreamLogin: [
            Exchange(#"a1 LOGIN "bench" "secret""#, "a1 OK logged in"),
            Exchange("a1 LOGIN {5}", "+ go on"), Exchange("bench {6}", "+ go on"), Exchange("secret", "a1 OK logged in"),
        ],
        noop: Exchange("a2 NOOP", "a2 OK done"),
        logout: Exchange("a3 LOGOUT", "* BYE\r\na3 OK done"))

    static let pop3 = Speech(
        name: "pop3", authName: "pop3",
        greeting: Array("+OK POP3 ready\r\n".utf8),
        login: [Exchange("USER bench", "+OK"), Exchange("PASS secret", "+OK logged in")],
        upstreamGreeting: Array("+OK here\r\n".utf8),
        upstreamLogin: [Exchange("USER bench", "+OK go on"), Exchange("PASS secret", "+OK logged in")],
        noop: Exchange("NOOP", "+OK done"),
        logout: Exchange("QUIT", "+OK"))

    /// The proxy logs in with the client's password: `proxy_smtp_auth on`.
    static let smtp = submission(
        "smtp", upstreamLogin: [Exchange("AUTH PLAIN AGJlbmNoAHNlY3JldA==", "235 2.7.0 logged in")])

    /// The upstream trusts the proxy, which tells it of the client: `xclient on`.
    static let xclient = submission(
        "xclient",
        upstreamLogin: [
            Exchange("XCLIENT ADDR=127.0.0.1 LOGIN=bench NAME=[UNAVAILABLE]", "220 here.test ESMTP"),
            Exchange("EHLO client.test", "250 here.test"),
        ])

    private static func submission(_ name: String, upstreamLogin: [Exchange]) -> Speech {
        Speech(
            name: name, authName: "smtp",
            greeting: Array("220 bench.test ESMTP ready\r\n".utf8),
            login: [
                Exchange("EHLO client.test", "250-bench.test\r\n250 AUTH PLAIN LOGIN"),
                Exchange("AUTH PLAIN AGJlbmNoAHNlY3JldA==", "235 2.0.0 OK"),
            ],
            upstreamGreeting: Array("220 here.test ESMTP\r\n".utf8),
            upstreamLogin: [Exchange("EHLO bench.test", "250-here.test\r\n250-XCLIENT ADDR LOGIN NAME\r\n250 AUTH PLAIN")]
                + upstreamLogin,
            noop: Exchange("NOOP", "250 2.0.0 done"),
            logout: Exchange("QUIT", "221 2.0.0 Bye"))
    }
}
