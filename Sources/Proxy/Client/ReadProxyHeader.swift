import Kernel
import Protocols
import Telemetry

extension Session {
    /// Hears from the balancer before us who the client is.
    func readProxyHeader() async throws(SessionFailure) {
        context.activity = "reading PROXY protocol"
        // A client of TLS is not to be told anything before.
        if beginsWithTLS { client.endPlaintext() }
        setDeadline(server.timeout, else: .proxyHeaderMissing)
        let header = try await proxyHeader()
        identity.adopt(header, isTrusted: server.trusts(identity.peer))
        context.client = identity.host
        context.activity = "sending client greeting line"
        log.debug(.mail, "mail: PROXY header of \(identity.peer), client \(identity.address)", context: context)
    }

    /// Reads up to the header's end and not a byte further: what follows may be TLS, or follows only when the
    /// client has been greeted.
    private func proxyHeader() async throws(SessionFailure) -> ProxyHeader {
        // What comes in a header's place may be a password.
        var bytes = Secret()
        while true {
            try await wait { [client] in client.isReadable || client.isBroken || client.isAtEnd }
            var input = ProxyHeaderInput.incomplete
            client.read(through: worker.buffer, limit: ProxyHeader.maxByteCount - bytes.count) { news in
                let before = bytes.count
                bytes.append(news)
                input = ProxyHeader.parse(bytes.span)
                return if case .header(_, let byteCount) = input { byteCount - before } else { news.count }
            }
            switch input {
            case .header(let header, _): return header
            case .broken(let fault): throw .proxyHeaderBroken(fault)
            case .incomplete: break
            }
            if client.isBroken || client.isAtEnd {
                // Whoever only looks if somebody is there, as balancers do, has done nothing wrong.
                throw bytes.isEmpty ? .clientGone : .proxyHeaderBroken(ProxyHeader.fault(ofCutShort: bytes.span))
            }
        }
    }
}
