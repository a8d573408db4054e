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
    /// Who the auth server is told that wants to come in, as whole header lines.
    var authFacts = "Auth-Method: plain\r\nAuth-User: bench\r\nAuth-Pass: secret\r\n"
    /// What a client hears first.
    let greeting: [UInt8]
    /// What it says to begin TLS.
    let startTLS: [Exchange]
    /// How it logs in.
    let login: [Exchange]
    /// What upstreams say first.
    let upstreamGreeting: [UInt8]
    /// What upstreams answer to the proxy, in whatever words it logs in.
    let upstreamLogin: [Exchange]
    /// What a client that is logged in asks its upstream.
    let noop: Exchange
    /// The last that it asks: the upstream closes then.
    let logout: Exchange

    static let all = [imap, pop3, smtp, xclient, xclientAuth, xclientMX]

    static let imap = Speech(
        name: "imap", authName: "imap",
        greeting: Array("* OK IMAP4 ready\r\n".utf8),
        startTLS: [Exchange("a0 STARTTLS", "a0 OK completed")],
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
        startTLS: [Exchange("STLS", "+OK")],
        login: [Exchange("USER bench", "+OK"), Exchange("PASS secret", "+OK logged in")],
        upstreamGreeting: Array("+OK here\r\n".utf8),
        upstreamLogin: [Exchange("USER bench", "+OK go on"), Exchange("PASS secret", "+OK logged in")],
        noop: Exchange("NOOP", "+OK done"),
        logout: Exchange("QUIT", "+OK"))
}
