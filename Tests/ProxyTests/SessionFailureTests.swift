import Configuration
import Glibc
import Kernel
import Protocols
import Telemetry
import Testing

@testable import Proxy

@Suite struct SessionFailureTests {
    private static let refused = KernelError("recv()", ECONNREFUSED)

    /// A failure, its record as the log has it, and what clients of IMAP, POP3 and SMTP hear.
    private static let table: [(failure: SessionFailure, record: String?, farewells: [String])] = [
        (.finished(farewell: Array("bye\r\n".utf8)), nil, ["bye\r\n", "bye\r\n", "bye\r\n"]),
        (.clientGone, nil, ["", "", ""]),
        (.clientBroken(text: "SSL_read() failed", nil), "info: SSL_read() failed", ["", "", ""]),
        (.clientBroken(text: "recv() failed", KernelError("recv()", ECONNRESET)), "info: recv() failed (104: Connection reset by peer)", ["", "", ""]),
        (
            .clientTimedOut, "info: client timed out (110: Connection timed out)",
            ["* BYE Login timed out\r\n", "-ERR Login took too long\r\n", "421 4.4.2 mx.example Login took too long\r\n"]
        ),
        (
            .clientSpokeTooSoon(text: "HELO x__"), "info: client was rejected before greeting: \"HELO x__\"",
            [
                "* BYE Commands sent before the greeting\r\n", "-ERR invalid command\r\n",
                "503 5.5.0 Improper use of SMTP command pipelining\r\n",
            ]
        ),
        (.authServer(text: "recv() failed", refused), "error: recv() failed (111: Connection refused)", internalError),
        (.authServer(text: "auth http server x timed out", nil), "error: auth http server x timed out", internalError),
        (.upstream(level: .crit, text: "connect() to x failed", refused), "crit: connect() to x failed (111: Connection refused)", internalError),
        (.upstreamReply(Array("-ERR no\r\n".utf8), text: "upstream sent x"), "info: upstream sent x", ["-ERR no\r\n", "-ERR no\r\n", "-ERR no\r\n"]),
        (.upstreamTimedOut, "info: upstream timed out (110: Connection timed out)", internalError),
        (
            .shuttingDown, "info: shutdown timeout",
            [
                "* BYE Server shutting down\r\n", "-ERR Server is shutting down, try again later\r\n",
                "421 4.3.2 mx.example Server is shutting down, try again later\r\n",
            ]
        ),
        (.ours(level: .alert, text: "1 worker_connections are not enough", nil), "alert: 1 worker_connections are not enough", internalError),
    ]

    /// What is nobody's business but the operator's (`mail-proxy.md`, section 1).
    private static let internalError = [
        "* BAD internal server error\r\n", "-ERR internal server error\r\n", "451 4.3.2 Internal server error\r\n",
    ]

    @Test(arguments: table.indices)
    func `each failure has its record and, in each protocol, its farewell`(_ index: Int) {
        let row = Self.table[index]
        let record = row.failure.record.map { "\($0.level): \($0.message)" + ($0.reason.map { " (\($0))" } ?? "") }
        #expect(record == row.record)
        let policy = DialoguePolicy(serverName: Array("mx.example".utf8))
        let farewells = mailProtocols.map { type in
            let dialogue = type.init(Settings(), policy: policy).makeClientDialogue(DialogueStart(challenge: 0, time: 0))
            return String(decoding: row.failure.farewell(in: dialogue), as: UTF8.self)
        }
        #expect(farewells == row.farewells)
    }
}
