import TestSupport

extension UpstreamManner {
    /// Answers each line with itself, and half a line not at all.
    static let echoesLines = UpstreamManner(afterLogin: { session in
        while let line = try session.line() { try session.send(line) }
    })
}

extension LineClient {
    /// Whether a second half of a line passes without delay of which the upstream has the first half.
    ///
    /// Nagle's algorithm holds each second half up until the first is acknowledged, and that takes 40 ms where there is no
    /// answer to go with it. A busy machine holds up some, but not all.
    func hasPromptEcho(by upstream: StubSession) throws -> Bool {
        for number in 1...200 {
            let start = ContinuousClock.now
            try send("\(number) NOOP")
            try upstream.awaitReceived("\(number) NOOP")
            try send(" twice\r\n")
            try expect("\(number) NOOP twice")
            // What comes first on a connection is acknowledged at once.
            if number > 20 && ContinuousClock.now - start < .milliseconds(30) { return true }
        }
        return false
    }
}
