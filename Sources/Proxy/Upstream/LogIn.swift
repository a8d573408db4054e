import Kernel
import Protocols
import TLS
import Telemetry

enum LoginOutcome {
    /// The upstream, logged in, and the first thing the client hears of it.
    case accepted(Connection, reply: [UInt8])
    /// The upstream that had to decide has refused the credentials.
    indirect case refused(Refusal)
}

/// What a login waits for, or what has come of it.
private enum LoginProgress {
    case awaitsReply
    /// The upstream has yet to take what has been said.
    case awaitsRoom
    case awaitsTLS
    case isOver(LoginOutcome)
}

extension Session {
    /// Connects to the upstream and logs in there for the client.
    @inline(__always) func logIn(to destination: Destination) async throws(SessionFailure) -> LoginOutcome {
        guard identity.hopsLeft > 1 else {
            throw .upstream(level: .error, text: "TTL of the client's session reached zero, proxies appear to be looping", nil)
        }
        setDeadline(server.timeout, else: .upstreamTimedOut)
        let (upstream, address) = try await connect(
            to: destination.upstream, peerSpeaksFirst: destination.security != .on && server.proxy.header == .none)
        if server.proxy.header != .none { try await sendProxyHeader(to: upstream) }
        if destination.security == .on { try await handshake(over: upstream, to: address, as: destination.upstream.name) }
        var dialogue = beginDialogue(about: destination)
        while true {
            switch try proceed(in: &dialogue, with: upstream, about: destination) {
            case .awaitsReply:
                try await wait { upstream.isReadable || upstream.isAtEnd || upstream.isBroken }
                try readReply(from: upstream)
            case .awaitsRoom: try await flush(upstream)
            case .awaitsTLS: try await handshake(over: upstream, to: address, as: destination.upstream.name)
            case .isOver(let outcome): return outcome
            }
        }
    }

    private func beginDialogue(about destination: Destination) -> any UpstreamDialogue {
        dialogue.makeUpstreamDialogue(
            with: destination.credentials,
            to: UpstreamTerms(
                client: clientFacts, upstreamDecides: destination.upstreamDecides, startsTLS: destination.security == .startTLS))
    }

    /// Goes on with the login until there is something to wait for.
    private func proceed(
        in dialogue: inout any UpstreamDialogue, with upstream: Connection, about destination: Destination
    ) throws(SessionFailure) -> LoginProgress {
        while true {
            context.activity = dialogue.activity
            let step = upstream.input.withSpan { dialogue.receive($0) }
            upstream.consume(step.byteCount)
            switch step.action {
            case .skip: continue
            case .awaitInput:
                guard upstream.input.count < server.proxy.bufferSize else {
                    let text = upstream.input.withSpan { bytes in bytes.indices.map { bytes[$0] } }
                    throw failure("upstream sent too long response line: \"\(printed(text))\"", nil)
                }
                return .awaitsReply
            case .send(let line):
                upstream.say(line.span)
                if upstream.hasOutput { return .awaitsRoom }
            case .startTLS:
                return .awaitsTLS
            case .cannotStartTLS(let fault):
                throw .upstream(level: .error, text: text(of: fault), nil)
            case .accepted(let reply):
                return .isOver(.accepted(upstream, reply: reply))
            case .refused(let reply, let saslError) where destination.upstreamDecides:
                closeUpstream()
                return .isOver(.refused(refusal(reply, saslError)))
            case .refused(let reply, _), .failed(let reply):
                throw failure("upstream sent invalid response: \"\(printed(reply))\"", reply)
            case .noPassword:
                throw noPassword(for: destination)
            case .unspeakable:
                closeUpstream()
                log.write(.info, "login or password cannot be sent to the upstream", context: context)
                return .isOver(.refused(Self.authenticationFailed))
            case .tooLong:
                throw .upstream(level: .error, text: "upstream sent too long response", nil)
            }
        }
    }

    /// How long a connection may take where the upstream can be tried at another address.
    private static let connectPatience = Duration.seconds(3)

    /// Connects to the first of the upstream's addresses that can be reached.
    @inline(__always) private func connect(to upstream: Host, peerSpeaksFirst: Bool) async throws(SessionFailure) -> (Connection, SocketAddress) {
        context.activity = "connecting to upstream"
        let fixed = fixedAddresses(of: upstream)
        var addresses = if let fixed { fixed } else { try await find(upstream) }
        // A name of several addresses means all of them to be used.
        if upstream.isInDNS && addresses.count > 1 { addresses.shuffle() }
        for (index, address) in addresses.enumerated() {
            let isLast = index == addresses.count - 1
            do throws(SessionFailure) {
                let upstream = try await connect(
                    to: address, within: isLast ? nil : Self.connectPatience, peerSpeaksFirst: isLast && peerSpeaksFirst)
                return (upstream, address)
            } catch {
                guard !isLast, case .upstream = error else { throw error }
                note(error)
                closeUpstream()
            }
        }
        throw .upstream(level: .error, text: "no address of the upstream", nil)
    }

    /// Has name servers tell where the upstream is.
    @inline(never) private func find(_ upstream: Host) async throws(SessionFailure) -> [SocketAddress] {
        switch try await addresses(of: upstream) {
        case .success(let found): return found
        case .failure(let fault):
            throw .upstream(level: .error, text: "\"\(upstream.name)\" could not be resolved (\(fault.text))", nil)
        }
    }

    /// - Parameter patience: nil where only the login's deadline bounds it.
    @inline(__always) private func connect(
        to address: SocketAddress, within patience: Duration?, peerSpeaksFirst: Bool
    ) async throws(SessionFailure) -> Connection {
        let upstream = try beginConnection(to: address, peerSpeaksFirst: peerSpeaksFirst)
        if let patience {
            try await pause(for: patience) { upstream.isWritable }
            if !upstream.isWritable {
                throw .upstream(level: .error, text: "upstream timed out", KernelError("connect()", KernelError.timedOut))
            }
        } else {
            try await wait { upstream.isWritable }
        }
        try confirmConnection(upstream, to: address)
        return upstream
    }

    private func beginConnection(to address: SocketAddress, peerSpeaksFirst: Bool) throws(SessionFailure) -> Connection {
        context.upstream = address
        context.activity = "connecting to upstream"
        guard worker.takeConnection() else { throw .ours(level: .alert, text: worker.connectionsExhausted, nil) }
        do throws(KernelError) {
            let source = try EventSource.connect(to: address, peerSpeaksFirst: peerSpeaksFirst)
            let upstream = Connection(source)
            self.upstream = upstream
            try LoopActor.loop.watch(source, waiter)
            return upstream
        } catch {
            if self.upstream == nil { worker.giveBackConnection() }
            throw connectFailure(error, to: address)
        }
    }

    private func confirmConnection(_ upstream: Connection, to address: SocketAddress) throws(SessionFailure) {
        if let error = upstream.connectFault() {
            context.activity = "reading response from upstream"
            throw .upstream(
                level: error.isOrdinaryConnectionFault ? .error : .crit, text: "recv() failed",
                KernelError("recv()", error.number))
        }
        log.debug(.mail, "mail proxy: connected to \(address), fd:\(upstream.source.number)", context: context)
    }

    /// Agrees upon TLS with the upstream, which has to show a good certificate where it is verified. Without
    /// TLS nothing is said to it.
    private func handshake(
        over connection: Connection, to address: SocketAddress, as name: String
    ) async throws(SessionFailure) {
        guard let settings = server.upstreamTLS else { throw .ours(level: .alert, text: "TLS without its settings", nil) }
        context.activity = "SSL handshaking to upstream"
        do throws(TLSError) {
            connection.begin(
                try TLSClientConnection(settings, over: connection.source, to: address, host: name))
        } catch {
            throw .ours(level: .alert, text: error.text, nil)
        }
        if let error = try await handshake(over: connection) {
            let text = error.isAboutCertificate ? "upstream \(error.text)" : error.text
            throw .upstream(level: error.isClientFault ? .error : .crit, text: text, nil)
        }
    }

    private func text(of fault: StartTLSFault) -> String {
        switch fault {
        case .notOffered: "upstream does not offer STARTTLS"
        case .refused(let reply): "upstream refused STARTTLS: \"\(printed(reply))\""
        case .invalid(let reply): "upstream sent invalid response before STARTTLS: \"\(printed(reply))\""
        case .saidMore: "upstream sent plaintext after its reply to STARTTLS"
        }
    }

    private func connectFailure(_ error: KernelError, to address: SocketAddress) -> SessionFailure {
        guard error.call == "connect()" else { return .ours(level: .alert, text: "\(error.call) failed", error) }
        return .upstream(
            level: error.isOrdinaryConnectionFault ? .error : .crit, text: "connect() to \(address) failed", error)
    }

    /// Says who the client is before anything else, TLS included.
    private func sendProxyHeader(to upstream: Connection) async throws(SessionFailure) {
        let facts = clientFacts
        switch server.proxy.header {
        case .none: return
        case .v1: upstream.enqueue(ProxyHeader.version1(from: facts.source, to: facts.destination))
        case .v2: upstream.enqueue(ProxyHeader.version2(from: facts.source, to: facts.destination, tls: facts.tls))
        }
        context.activity = "sending PROXY protocol header to upstream"
        try await flush(upstream)
    }

    private func readReply(from upstream: Connection) throws(SessionFailure) {
        let before = upstream.input.count
        upstream.read(through: worker.buffer, limit: server.proxy.bufferSize)
        if upstream.isBroken || (upstream.isAtEnd && upstream.input.count == before) { throw upstreamFault(upstream) }
    }

    /// The client hears the upstream's own words only where `proxy_pass_error_message` says so.
    private func failure(_ text: String, _ reply: [UInt8]?) -> SessionFailure {
        guard server.proxy.passesErrorMessage, let reply else { return .upstream(level: .error, text: text, nil) }
        return .upstreamReply(reply, text: text)
    }

    private func noPassword(for destination: Destination) -> SessionFailure {
        // Where an upstream may trust the proxy, the auth server has kept its word without a password.
        guard let authServer = destination.authServer, !server.mailProtocol.mayTrustProxy else {
            return .upstream(level: .error, text: "no password available", nil)
        }
        return .authServer(text: "auth http server \(authServer) did not send password", nil)
    }

    private func refusal(_ reply: [UInt8], _ saslError: [UInt8]?) -> Refusal {
        log.write(.info, "client login failed: \"\(printed(reply))\"", context: context)
        return server.proxy.passesErrorMessage
            ? Refusal(.reply(reply), saslError: saslError)
            : Refusal(Self.authenticationFailed.text, saslError: saslError)
    }

    /// What the client hears where nobody's words can be passed on.
    private static let authenticationFailed = Refusal(.message(Array("Authentication failed".utf8)))

    private func printed(_ reply: [UInt8]) -> String {
        var reply = reply
        if reply.suffix(2) == [0x0D, 0x0A] { reply.removeLast(2) }
        return String(decoding: reply, as: UTF8.self)
    }
}
