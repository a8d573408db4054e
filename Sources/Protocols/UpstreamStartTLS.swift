/// What one protocol says at an upstream to have TLS begin. It ends in `.startTLS` or `.cannotStartTLS`.
protocol StartTLSPrelude: UpstreamDialogue {
    /// What the login takes for the upstream's greeting: none comes again under TLS, and what the one in
    /// the clear offered may have been anyone's word.
    var greetingUnderTLS: String { get }
}

/// A login that has TLS begin first, on a connection that is plain until then (`proxy_ssl starttls`). Nothing
/// that was heard in the clear is known to the login, and nothing of the login is said in the clear.
struct UpstreamStartTLS<Prelude: StartTLSPrelude>: UpstreamDialogue {
    private enum Stage: Sendable { case inTheClear, handshaking, underTLS }

    private var stage = Stage.inTheClear
    private var prelude: Prelude
    private var login: any UpstreamDialogue

    init(_ prelude: Prelude, before login: any UpstreamDialogue) {
        self.prelude = prelude
        self.login = login
    }

    var activity: StaticString { stage == .underTLS ? login.activity : prelude.activity }

    mutating func receive(_ input: Span<UInt8>) -> UpstreamStep {
        switch stage {
        case .inTheClear:
            let step = prelude.receive(input)
            guard step.action == .startTLS else { return step }
            // The upstream has to wait for our handshake. Whoever does not is somebody in between, who
            // would have his words taken for what is said under TLS (CVE-2021-33515 and its like).
            guard step.byteCount == input.count else {
                return UpstreamStep(byteCount: input.count, .cannotStartTLS(.saidMore))
            }
            stage = .handshaking
            return step
        case .handshaking:
            stage = .underTLS
            return UpstreamStep(byteCount: 0, login.receive(Array(prelude.greetingUnderTLS.utf8).span).action)
        case .underTLS:
            return login.receive(input)
        }
    }
}
