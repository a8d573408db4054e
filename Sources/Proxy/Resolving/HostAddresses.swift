import Kernel
import Protocols
import Telemetry

extension Session {
    /// How long name servers are waited for where it is known from before where a host was.
    private static let patienceWithKnownHost = Duration.seconds(1)

    /// Where a host is, if that is known without asking anybody.
    func fixedAddresses(of host: Host) -> [SocketAddress]? {
        (host.isInDNS && server.resolver != nil) || host.addresses.isEmpty ? nil : host.addresses
    }

    /// Where a host is: as name servers say, if the server has any and the host is theirs to know. Where they
    /// cannot tell, it is where it was.
    /// - Parameter patience: how long they are waited for where that is less than `resolver_timeout`.
    func addresses(of host: Host, within patience: Duration? = nil) async throws(SessionFailure) -> Result<[SocketAddress], LookupFailure> {
        guard host.isInDNS, let resolver = worker.resolver(for: server), let name = DNSName(Array(host.name.utf8)) else {
            return host.addresses.isEmpty ? .failure(.hostNotFound) : .success(host.addresses)
        }
        let known = resolver.lastKnownAddresses(of: host)
        let limit = min(server.resolverTimeout, known.isEmpty ? patience ?? server.resolverTimeout : Self.patienceWithKnownHost)
        let inquiry = resolver.askForAddresses(of: name, port: host.port, within: limit, waiter: waiter)
        defer { inquiry.cancel() }
        try await wait { inquiry.answer != nil }
        switch inquiry.answer {
        case .success(let addresses):
            resolver.remember(addresses, of: host)
            return .success(addresses)
        case .failure(let failure):
            // What has been taken out of the DNS is not there any more; what the configuration found still is.
            let former = failure == .hostNotFound ? host.addresses : known
            if former.isEmpty { return .failure(failure) }
            log.write(.warn, "\"\(host.name)\" could not be resolved (\(failure.text))", context: context)
            return .success(former)
        case nil: return .failure(.timedOut)
        }
    }
}
