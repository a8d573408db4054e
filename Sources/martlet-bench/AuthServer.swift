import Kernel

/// Plays the auth server: lets everybody in, and sends them to the one upstream.
@LoopActor final class AuthServer {
    private let facts: [UInt8]
    private let keptAnswer: [UInt8]
    private let lastAnswer: [UInt8]
    /// The request that was looked at closely. All logins are alike, and so must be what is asked about them.
    private var approved: [UInt8]?
    private var keepsConnections = false

    private static let blankLine = Array("\r\n\r\n".utf8)

    init(for speech: Speech, sendingTo upstream: SocketAddress) {
        facts = Array(
            """
            \(speech.authFacts)\
            Auth-Protocol: \(speech.authName)\r\nAuth-Login-Attempt: 1\r\nClient-IP: 127.0.0.1\r\n
            """.utf8)
        let verdict = "Auth-Status: OK\r\nAuth-Server: \(upstream.host)\r\nAuth-Port: \(upstream.port)\r\n\r\n"
        keptAnswer = Array("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\(verdict)".utf8)
        lastAnswer = Array("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\(verdict)".utf8)
    }

    func serve(_ wire: Wire) async throws(Fault) {
        while let request = try await wire.take(through: Self.blankLine) {
            if request != approved { try approve(request) }
            try await wire.send(keepsConnections ? keptAnswer : lastAnswer)
            if !keepsConnections { break }
        }
        wire.close()
    }

    private func approve(_ request: [UInt8]) throws(Fault) {
        guard approved == nil, request.starts(with: Array("GET /auth HTTP/1.".utf8)), request.holds(facts) else {
            throw Fault(.authServer, "was asked \(String(decoding: request, as: UTF8.self).debugDescription)")
        }
        approved = request
        keepsConnections = request.holds(Array("\r\nConnection: keep-alive\r\n".utf8))
    }
}

extension [UInt8] {
    fileprivate func holds(_ part: [UInt8]) -> Bool {
        indices.contains { self[$0...].starts(with: part) }
    }
}
