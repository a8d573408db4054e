import Configuration
import Kernel
import TLS

/// Plays the clients: what one does from its connection to its end.
@LoopActor final class Clients {
    private let server: SocketAddress
    private let speech: Speech
    private let tls: TLSClientContext?
    private let usesStartTLS: Bool
    /// Whether handshakes must be resumed; nil where that does not matter.
    var mustResume: Bool?

    init(of server: SocketAddress, speaking speech: Speech, _ tls: TLSUse) throws(Fault) {
        self.server = server
        self.speech = speech
        usesStartTLS = tls == .starttls
        guard tls != .none else {
            self.tls = nil
            return
        }
        var settings = TLSClientSettings<UpstreamLeg>()
        settings.resumesSessions = tls == .resumed
        do {
            self.tls = try TLSClientContext(settings, protocolName: speech.authName)
        } catch {
            throw Fault(.client, "\(error)")
        }
    }

    /// Connects and logs in.
    func logIn() async throws(Fault) -> Wire {
        let wire = try await Wire.connect(to: server)
        do throws(Fault) {
            if let tls, !usesStartTLS { try await shakeHands(wire, tls) }
            try await wire.expect(speech.greeting)
            if let tls, usesStartTLS {
                for exchange in speech.startTLS { try await wire.ask(exchange) }
                try await shakeHands(wire, tls)
            }
            for exchange in speech.login { try await wire.ask(exchange) }
        } catch {
            wire.close()
            throw error
        }
        return wire
    }

    private func shakeHands(_ wire: Wire, _ tls: TLSClientContext) async throws(Fault) {
        try await wire.begin(tls, with: server)
        if let mustResume, wire.isResumed != mustResume {
            throw Fault(.client, "the handshake was \(mustResume ? "a full one" : "resumed")")
        }
    }

    private func logOut(_ wire: Wire) async throws(Fault) {
        try await wire.ask(speech.logout)
        try await wire.expectEnd()
    }

    /// A whole session.
    func visit() async throws(Fault) {
        let wire = try await logIn()
        defer { wire.close() }
        try await wire.ask(speech.noop)
        try await logOut(wire)
    }
}

extension Wire {
    /// Says a line and hears the reply.
    func ask(_ exchange: Exchange) async throws(Fault) {
        try await send(exchange.line)
        try await expect(exchange.reply)
    }
}
