import Configuration
import Kernel
import TLS

/// Plays the clients: what one does from its connection to its end.
@LoopActor final class Clients {
    private let server: SocketAddress
    private let speech: Speech
    private let tls: TLSClientContext?
    /// Whether handshakes must be resumed; nil where that does not matter.
    var mustResume: Bool?

    init(of server: SocketAddress, speaking speech: Speech, _ tls: TLSUse) throws(Fault) {
        self.server = server
        self.speech = speech
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
        if let tls {
            try await wire.begin(tls, with: server)
            if let mustResume, wire.isResumed != mustResume {
                throw Fault(.client, "the handshake was \(mustResume ? "a full one" : "resumed")")
            }
        }
        try await wire.expect(speech.greeting)
        for exchange in speech.login { try await wire.ask(exchange) }
        return wire
    }

    func logOut(_ wire: Wire) async throws(Fault) {
        try await wire.ask(speech.logout)
        try await wire.expectEnd()
        wire.close()
    }

    /// A whole session.
    func visit() async throws(Fault) {
        let wire = try await logIn()
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
